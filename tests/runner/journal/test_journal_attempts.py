"""What every journal owes: executions are taken up by one worker at a time, and what ended never changes."""

import asyncio

import pytest
from journal_stores import ALICE, BOB, DONE, LEASE_MS, Store, execution, on_both

from callgate.runner.execution import Ending, ScriptError, TracebackLine, Usage
from callgate.runner.journal.contract import Fence, Lost, Output


@on_both()
async def test_what_was_submitted_is_found_as_it_was(store: Store) -> None:
    new = execution(
        ALICE,
        script='print("\0 ✓ \U0001f600")',
        name="n",
        description="d\0",
        session_id="s\0",
        input_vars={"a": [1, 2.5, None, {"b": "c"}], "big": 2**100},
        output_vars={"x": "int"},
        required_tools=("mcp_a_b",),
        timeout=30.0,
    )
    await store.journal.submit(new)
    found = await store.journal.get(new.uuid, ALICE)
    assert found is not None
    assert (found.owner, found.spec, found.state) == (new.owner, new.spec, "queued")
    assert found.created_ms > 1_700_000_000_000
    assert await store.due() == [new.uuid]


@on_both()
async def test_only_its_owner_sees_or_cancels_an_execution(store: Store) -> None:
    uuid = await store.accept(ALICE)
    assert await store.journal.get(uuid, BOB) is None
    assert await store.journal.request_cancel(uuid, BOB) is None
    assert (await store.journal.list(BOB, limit=10)).executions == ()
    assert (await store.see(uuid)).state == "queued"
    assert (await store.journal.get(uuid, ALICE)) is not None


@on_both()
async def test_names_that_cannot_be_are_simply_unknown(store: Store) -> None:
    for odd in ("", "a\0b", "\ud800", "x" * 100_000, "' OR 1=1 --", "é"):
        assert await store.journal.get(odd, ALICE) is None
        assert await store.journal.output(odd, 0, 10) == ([], 0)
        assert await store.journal.inner_calls(odd) == []
        assert await store.journal.claim(odd, "w", LEASE_MS) is None
        assert await store.journal.request_cancel(odd, ALICE) is None


@on_both()
async def test_a_claim_goes_to_one_of_many(store: Store) -> None:
    uuid = await store.accept()
    claims = await asyncio.gather(*(store.journal.claim(uuid, f"w{n}", LEASE_MS) for n in range(12)))
    taken = [claim for claim in claims if claim is not None]
    assert len(taken) == 1
    assert taken[0].fence == Fence(uuid, 1)
    assert taken[0].execution.state == "preparing"
    assert taken[0].execution.worker == f"w{claims.index(taken[0])}"
    assert await store.due() == []


@on_both()
async def test_results_and_variables_of_an_end_are_kept_together(store: Store) -> None:
    uuid = await store.accept(session_id="s")
    claim = await store.run(uuid)
    assert (await store.see(uuid)).backend == "bwrap"
    ending = Ending(
        state="failed",
        cause="exception",
        results={"x": 2**70},
        error=ScriptError(type="E", message="m\0", traceback=(TracebackLine(1, "f", "x"),)),
        usage=Usage(wall_ms=1.5, peak_memory=7),
    )
    await store.journal.finish(claim.fence, ending, {"x": [1]})
    found = await store.see(uuid)
    assert (found.state, found.cause, found.results) == ("failed", "exception", {"x": 2**70})
    assert (found.error, found.usage, found.lease_until_ms) == (ending.error, ending.usage, None)
    assert found.ended_ms is not None
    assert found.started_ms is not None
    later = await store.take(await store.accept(session_id="s"))
    assert later.session_vars == {"x": [1]}
    assert (await store.take(await store.accept(BOB, session_id="s"))).session_vars == {}


@on_both()
async def test_an_execution_that_ended_never_changes(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.journal.finish(claim.fence, DONE)
    before = await store.see(uuid)
    await store.age(3600)
    before = await store.see(uuid) if store.url.startswith("postgres") else before
    with pytest.raises(Lost):
        await store.journal.finish(claim.fence, Ending(state="failed"))
    with pytest.raises(Lost):
        await store.journal.release(claim.fence)
    assert await store.journal.claim(uuid, "w2", LEASE_MS) is None
    assert await store.journal.request_cancel(uuid, ALICE) == before
    assert await store.see(uuid) == before


@on_both()
async def test_a_lost_worker_is_followed_by_another_and_writes_nothing_more(store: Store) -> None:
    uuid = await store.accept()
    first = await store.run(uuid)
    await store.journal.progress(first.fence, 0.5, "half")
    await store.journal.append_output(first.fence, [Output(0, "stdout", b"old")])
    assert await store.journal.claim(uuid, "w2", LEASE_MS) is None
    await store.age(LEASE_MS / 1000 + 1)
    assert await store.journal.due() == [(uuid, 1)]
    second = await store.take(uuid, "w2")
    assert second.fence.attempt == 2
    assert (second.execution.progress, second.execution.progress_text) == (None, None)
    assert await store.journal.output(uuid, 0, 100) == ([], 0)
    assert await store.journal.renew([first.fence, second.fence], LEASE_MS) == [(first.fence, "lost")]
    for write in (
        store.journal.running(first.fence, backend="b", tier="t"),
        store.journal.append_output(first.fence, [Output(0, "stdout", b"x")]),
        store.journal.drop_output(first.fence, 0, 9),
        store.journal.progress(first.fence, 1.0, None),
        store.journal.release(first.fence),
        store.journal.finish(first.fence, DONE, {"x": 1}),
    ):
        with pytest.raises(Lost):
            await write
    found = await store.see(uuid)
    assert (found.state, found.attempt, found.worker) == ("preparing", 2, "w2")


@on_both()
async def test_a_renewed_lease_lasts(store: Store) -> None:
    claim = await store.take(await store.accept())
    for _ in range(4):
        await store.age(LEASE_MS / 1000 * 0.8)
        assert await store.journal.renew([claim.fence], LEASE_MS) == []
        assert await store.due() == []


@on_both()
async def test_a_lease_that_ran_out_but_was_not_taken_over_still_counts(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.age(100)
    await store.journal.progress(claim.fence, 0.5, None)
    await store.journal.finish(claim.fence, DONE)
    assert (await store.see(uuid)).state == "completed"


@on_both()
async def test_what_a_worker_gives_back_is_due_at_once(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.journal.release(claim.fence)
    assert await store.journal.due() == [(uuid, 1)]
    assert (await store.see(uuid)).worker is None
    with pytest.raises(Lost):
        await store.journal.progress(claim.fence, 0.1, None)
    assert (await store.take(uuid)).fence.attempt == 2


@on_both()
async def test_one_that_waits_is_cancelled_at_once(store: Store) -> None:
    uuid = await store.accept()
    found = await store.journal.request_cancel(uuid, ALICE)
    assert found is not None
    assert (found.state, found.cause) == ("cancelled", "cancelled")
    assert await store.due() == []
    assert await store.journal.claim(uuid, "w", LEASE_MS) is None


@on_both()
async def test_one_that_runs_is_told_to_its_worker(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.take(uuid)
    found = await store.journal.request_cancel(uuid, ALICE)
    assert found is not None
    assert (found.state, found.cancel_requested) == ("cancelling", True)
    await store.journal.running(claim.fence, backend="b", tier="t")
    assert (await store.see(uuid)).state == "cancelling"
    assert await store.journal.renew([claim.fence], LEASE_MS) == [(claim.fence, "cancel")]
    await store.journal.finish(claim.fence, Ending(state="cancelled", cause="cancelled"))
    assert (await store.see(uuid)).status == "cancelled"


@on_both()
async def test_one_that_was_to_be_cancelled_does_not_run_again(store: Store) -> None:
    given_back = await store.run(await store.accept())
    abandoned = await store.run(await store.accept())
    for claim in (given_back, abandoned):
        await store.journal.request_cancel(claim.fence.uuid, ALICE)
    await store.journal.release(given_back.fence)
    await store.age(100)
    assert await store.due() == [abandoned.fence.uuid]
    assert await store.journal.claim(abandoned.fence.uuid, "w2", LEASE_MS) is None
    assert await store.due() == []
    for claim in (given_back, abandoned):
        assert (await store.see(claim.fence.uuid)).state == "cancelled"


@on_both()
async def test_an_end_that_may_not_follow_is_refused_and_changes_nothing(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.take(uuid)
    with pytest.raises(ValueError, match="preparing cannot become completed"):
        await store.journal.finish(claim.fence, DONE, {"x": 1})
    with pytest.raises(ValueError, match="surrogates"):
        await store.journal.finish(claim.fence, Ending(state="failed", results={"x": "\ud800"}))
    assert (await store.see(uuid)).state == "preparing"
    await store.journal.running(claim.fence, backend="b", tier="t")
    await store.journal.finish(claim.fence, DONE)


@on_both()
async def test_every_visible_change_counts_the_version_up(store: Store) -> None:
    uuid = await store.accept()
    seen = [(await store.see(uuid)).version]
    claim = await store.take(uuid)
    seen.append((await store.see(uuid)).version)
    for change in (
        store.journal.running(claim.fence, backend="b", tier="t"),
        store.journal.progress(claim.fence, 0.5, "x"),
        store.journal.append_output(claim.fence, [Output(0, "stdout", b"x")]),
        store.journal.request_cancel(uuid, ALICE),
        store.journal.finish(claim.fence, DONE),
    ):
        await change
        seen.append((await store.see(uuid)).version)
    assert seen == sorted(set(seen))
    assert (await store.journal.list(ALICE, limit=1)).executions[0].version == seen[-1]
