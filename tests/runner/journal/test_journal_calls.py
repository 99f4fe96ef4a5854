"""What every journal owes: inner calls are kept once and for good; output has a head, a tail, and honest gaps."""

import pytest
from journal_stores import BOB, DONE, LEASE_MS, Store, call, on_both
from msgspec.structs import replace

from callgate.errors import JournalError
from callgate.runner.journal.contract import Lost, Output


@on_both()
async def test_calls_of_earlier_attempts_are_handed_to_the_next(store: Store) -> None:
    uuid = await store.accept()
    first = await store.run(uuid)
    for seq in range(3):
        await store.journal.call_started(first.fence, call(seq))
        if seq < 2:
            await store.journal.call_ended(first.fence, call(seq, state="answered"))
    await store.age(100)
    second = await store.take(uuid, "w2")
    assert second.calls == (call(0, state="answered"), call(1, state="answered"), call(2))
    await store.journal.call_started(second.fence, call(2, attempt=2))
    await store.journal.call_ended(second.fence, call(2, attempt=2, state="answered"))
    assert list(await store.journal.inner_calls(uuid))[2] == call(2, attempt=2, state="answered")
    assert (await store.see(uuid)).calls == 3


@on_both()
async def test_a_call_whose_fence_is_lost_must_not_be_made(store: Store) -> None:
    uuid = await store.accept()
    first = await store.run(uuid)
    await store.journal.call_started(first.fence, call(0))
    await store.age(100)
    second = await store.take(uuid, "w2")
    with pytest.raises(Lost):
        await store.journal.call_started(first.fence, call(1))
    with pytest.raises(Lost):
        await store.journal.call_ended(first.fence, call(0, state="answered"))
    assert await store.journal.inner_calls(uuid) == [call(0)]
    assert await store.journal.renew([second.fence], LEASE_MS) == []


@on_both()
async def test_denied_calls_have_no_start_and_are_counted_apart(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.journal.call_ended(claim.fence, call(0, state="denied"))
    await store.journal.call_started(claim.fence, call(1))
    await store.journal.call_ended(claim.fence, call(1, state="denied"))
    await store.journal.call_started(claim.fence, call(2))
    found = await store.see(uuid)
    assert (found.calls, found.denied_calls) == (3, 2)


@on_both()
async def test_an_answer_is_never_replaced(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.journal.call_ended(claim.fence, call(0, state="answered"))
    await store.journal.call_ended(claim.fence, call(0, state="answered"))
    for again in (
        store.journal.call_started(claim.fence, call(0)),
        store.journal.call_ended(claim.fence, call(0, state="denied")),
    ):
        with pytest.raises(JournalError, match="already has an end") as caught:
            await again
        assert caught.value.code == "JRN021"
    assert await store.journal.inner_calls(uuid) == [call(0, state="answered")]
    assert (await store.see(uuid)).calls == 1


@on_both()
async def test_output_is_read_in_order_and_in_bounded_pieces(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.journal.append_output(
        claim.fence, [Output(0, "stdout", b"abc"), Output(3, "stderr", b"DEF"), Output(6, "stdout", b"ghi")]
    )
    whole = [Output(0, "stdout", b"abc"), Output(3, "stderr", b"DEF"), Output(6, "stdout", b"ghi")]
    assert await store.journal.output(uuid, 0, 100) == (whole, 9)
    assert await store.journal.output(uuid, 1, 4) == (
        [Output(1, "stdout", b"bc"), Output(3, "stderr", b"DE")],
        5,
    )
    assert await store.journal.output(uuid, 5, 4) == (
        [Output(5, "stderr", b"F"), Output(6, "stdout", b"ghi")],
        9,
    )
    assert await store.journal.output(uuid, 9, 4) == ([], 9)
    assert (await store.see(uuid)).output_bytes == 9


@on_both()
async def test_many_pieces_are_all_read(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    await store.journal.append_output(claim.fence, [Output(n, "stdout", b"x") for n in range(300)])
    pieces, after = await store.journal.output(uuid, 0, 1_000)
    assert [piece.offset for piece in pieces] == list(range(300))
    assert after == 300
    pieces, after = await store.journal.output(uuid, 100, 150)
    assert [piece.offset for piece in pieces] == list(range(100, 250))
    assert after == 250


@on_both()
async def test_a_dropped_middle_is_a_gap_in_the_offsets(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    for offset, data in ((0, b"0123456789"), (10, b"abcdefghij"), (20, b"ABCDEFGHIJ")):
        await store.journal.append_output(claim.fence, [Output(offset, "stdout", data)])
    await store.journal.drop_output(claim.fence, 4, 25)
    head, tail = Output(0, "stdout", b"0123"), Output(25, "stdout", b"FGHIJ")
    assert await store.journal.output(uuid, 0, 100) == ([head, tail], 30)
    assert await store.journal.output(uuid, 12, 2) == ([Output(25, "stdout", b"FG")], 27)
    await store.journal.drop_output(claim.fence, 1, 3)
    kept = [Output(0, "stdout", b"0"), Output(3, "stdout", b"3"), tail]
    assert await store.journal.output(uuid, 0, 100) == (kept, 30)
    assert (await store.see(uuid)).output_bytes == 30


@on_both()
async def test_an_offset_of_an_earlier_attempt_goes_on_at_the_beginning(store: Store) -> None:
    uuid = await store.accept()
    first = await store.run(uuid)
    await store.journal.append_output(first.fence, [Output(0, "stdout", b"x" * 100)])
    await store.journal.release(first.fence)
    second = await store.run(uuid)
    await store.journal.append_output(second.fence, [Output(0, "stdout", b"new")])
    assert await store.journal.output(uuid, 100, 10) == ([], 0)


@on_both()
async def test_every_attempt_of_a_run_is_given_the_same_variables(store: Store) -> None:
    writer = await store.run(await store.accept(session_id="s"))
    await store.journal.finish(writer.fence, DONE, {"x": 1, "é": None})
    uuid = await store.accept(session_id="s")
    first = await store.run(uuid)
    assert first.session_vars == {"x": 1, "é": None}
    other = await store.run(await store.accept(session_id="s"))
    await store.journal.finish(other.fence, DONE, {"x": 2})
    await store.journal.release(first.fence)
    second = await store.run(uuid)
    assert second.session_vars == {"x": 1, "é": None}
    await store.journal.finish(second.fence, DONE, {"y": 3})
    assert (await store.take(await store.accept(session_id="s"))).session_vars == {"x": 2, "y": 3, "é": None}
    assert (await store.take(await store.accept())).session_vars == {}
    assert (await store.take(await store.accept(BOB, session_id="s"))).session_vars == {}


@on_both()
async def test_times_that_are_zero_are_the_journals_own(store: Store) -> None:
    uuid = await store.accept()
    claim = await store.run(uuid)
    before = await store.journal.now_ms()
    await store.journal.call_started(claim.fence, replace(call(0), started_ms=0))
    ended = replace(call(0, state="answered"), ended_ms=0)
    await store.journal.call_ended(claim.fence, ended)
    await store.journal.call_ended(claim.fence, replace(call(1, state="denied"), started_ms=0, ended_ms=0))
    await store.journal.call_started(claim.fence, replace(call(2), started_ms=0))
    after = await store.journal.now_ms()
    made, denied, open_still = await store.journal.inner_calls(uuid)
    for each in (made, denied):
        assert each.ended_ms is not None
        assert before <= each.started_ms <= each.ended_ms <= after
    assert before <= open_still.started_ms <= after
    assert open_still.ended_ms is None
    # Written again, as when nobody knows whether the first try was: it is the same end.
    await store.journal.call_ended(claim.fence, replace(call(1, state="denied"), started_ms=0, ended_ms=0))
    assert (await store.journal.inner_calls(uuid))[1] == denied
