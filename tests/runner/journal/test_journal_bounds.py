"""What every journal owes: lists that stay put, room for everybody, and retention that touches only what ended."""

# Statements are put together of these tests' own words.
# ruff: noqa: S608

import sqlite3

import psycopg
import pytest
from journal_stores import ALICE, BOB, DONE, LEASE_MS, Store, call, on_both

from callgate.errors import JournalError, JournalFull
from callgate.runner.execution import Ending, Owner
from callgate.runner.journal.contract import Output
from callgate.runner.journal.retention import YOUNG_MS

YOUNG = YOUNG_MS / 1000


@on_both()
async def test_a_list_is_newest_first_and_stays_put_under_inserts(store: Store) -> None:
    names = []
    for n in range(7):
        names.append(await store.accept(ALICE, script="x" * 100, name=f"n{n}", input_vars={"a": 1}))
        await store.age(1)
        await store.accept(BOB)
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.journal.list(ALICE, limit=3, cursor=cursor)
        seen += [one.uuid for one in page.executions]
        assert all(
            (one.spec.script, one.spec.input_vars, one.results) == ("", {}, None) for one in page.executions
        )
        cursor = page.cursor
        if cursor is None:
            break
        assert names[0] not in cursor
        await store.accept(ALICE)
    assert seen == names[::-1]
    assert page.executions[-1].spec.name == "n0"


@on_both()
async def test_a_list_can_be_of_one_session(store: Store) -> None:
    wanted = [await store.accept(session_id="s") for _ in range(2)]
    await store.accept(session_id="t")
    await store.accept()
    await store.accept(BOB, session_id="s")
    page = await store.journal.list(ALICE, limit=10, session_id="s")
    assert sorted(one.uuid for one in page.executions) == sorted(wanted)
    assert page.cursor is None


@on_both()
async def test_a_cursor_that_no_list_gave_is_refused(store: Store) -> None:
    for odd in ("", "x", "é", "\ud800", "A" * 10_000, "MTIz", "MTIzLicgT1IgMT0x"):
        with pytest.raises(JournalError) as caught:
            await store.journal.list(ALICE, limit=1, cursor=odd)
        assert caught.value.code == "JRN019"


@on_both(max_queued=3)
async def test_no_more_wait_than_the_operator_allows(store: Store) -> None:
    names = [await store.accept() for _ in range(3)]
    with pytest.raises(JournalFull) as caught:
        await store.accept(BOB)
    assert caught.value.code == "JRN017"
    await store.take(names[0])
    await store.accept(BOB)


@on_both(max_queued=30)
async def test_one_caller_cannot_take_the_last_places(store: Store) -> None:
    for _ in range(27):
        await store.accept(ALICE)
    with pytest.raises(JournalFull) as caught:
        await store.accept(ALICE)
    assert caught.value.code == "JRN018"
    await store.accept(BOB)
    await store.accept(Owner("carol"))
    with pytest.raises(JournalFull):
        await store.accept(ALICE)


@on_both()
async def test_a_submission_made_twice_is_one(store: Store) -> None:
    uuid = await store.accept()
    known = await store.see(uuid)
    await store.journal.submit(known)
    assert await store.due() == [uuid]


@on_both(keep=60.0)
async def test_what_ended_long_ago_is_removed_with_all_that_belongs_to_it(store: Store) -> None:
    old = await store.run(await store.accept(session_id="s"))
    await store.journal.append_output(old.fence, [Output(0, "stdout", b"x")])
    await store.journal.call_started(old.fence, call(0))
    await store.journal.finish(old.fence, DONE, {"x": 1})
    waiting = await store.accept()
    running = await store.run(await store.accept())
    await store.age(30)
    young = await store.run(await store.accept())
    await store.journal.finish(young.fence, DONE)
    assert await store.journal.tidy() == 0
    await store.age(40)
    assert await store.journal.tidy() == 1
    assert await store.journal.get(old.fence.uuid, ALICE) is None
    assert await store.journal.output(old.fence.uuid, 0, 10) == ([], 0)
    assert await store.journal.inner_calls(old.fence.uuid) == []
    assert (await store.take(await store.accept(session_id="s"))).session_vars == {}
    for kept in (waiting, running.fence.uuid, young.fence.uuid):
        await store.see(kept)


@on_both(max_executions=2)
async def test_only_so_many_that_ended_are_kept(store: Store) -> None:
    names = []
    for _ in range(5):
        claim = await store.run(await store.accept())
        await store.journal.finish(claim.fence, DONE)
        names.append(claim.fence.uuid)
        await store.age(1)
    waiting = [await store.accept() for _ in range(4)]
    assert await store.journal.tidy() == 0
    await store.age(YOUNG)
    assert await store.journal.tidy() == 3
    kept = {one.uuid for one in (await store.journal.list(ALICE, limit=20)).executions}
    assert kept == {*names[3:], *waiting}
    assert await store.journal.tidy() == 0


@on_both(max_bytes=250_000)
async def test_only_so_many_bytes_of_what_ended_are_kept(store: Store) -> None:
    names = []
    for place in range(4):
        claim = await store.run(await store.accept(script="#" * (100_000 if place == 0 else 1)))
        if place == 1:
            await store.journal.append_output(claim.fence, [Output(0, "stdout", b"x" * 100_000)])
        results = {"x": "y" * 100_000} if place > 1 else None
        await store.journal.finish(claim.fence, Ending(state="completed", results=results))
        names.append(claim.fence.uuid)
        await store.age(1)
    await store.age(YOUNG)
    assert await store.journal.tidy() == 2
    assert {one.uuid for one in (await store.journal.list(ALICE, limit=9)).executions} == set(names[2:])


@on_both(max_executions=0)
async def test_tidying_up_much_is_spread_over_calls(store: Store) -> None:
    for _ in range(120):
        uuid = await store.accept()
        await store.journal.request_cancel(uuid, ALICE)
    await store.age(YOUNG)
    assert await store.journal.tidy() == 120
    assert (await store.journal.list(ALICE, limit=9)).executions == ()


@on_both()
async def test_an_unreadable_record_is_told_and_spoils_no_other(store: Store) -> None:
    bad, ended, good = await store.accept(name="bad"), await store.accept(), await store.accept()
    await store.journal.finish((await store.run(ended)).fence, DONE)
    await _spoil(store, bad, "input")
    await _spoil(store, ended, "head")
    for uuid in (bad, ended):
        with pytest.raises(JournalError) as caught:
            await store.journal.get(uuid, ALICE)
        assert caught.value.code == "JRN012"
    listed = {one.uuid: one for one in (await store.journal.list(ALICE, limit=9)).executions}
    assert listed[bad].spec.name == "bad"
    assert listed[ended].state == "completed"
    assert listed[ended].error is not None
    assert listed[good].error is None
    assert await store.journal.claim(bad, "w", LEASE_MS) is None
    assert await store.due() == [good]
    assert {one.uuid: one.state for one in (await store.journal.list(ALICE, limit=9)).executions}[
        bad
    ] == "failed"
    await store.take(good)


async def _spoil(store: Store, uuid: str, kind: str) -> None:
    """Overwrite a document, as a disk that fails would."""
    statement = (
        f"UPDATE document SET data = CAST('{{\"x' AS BLOB) WHERE kind = '{kind}' "
        f"AND execution = (SELECT id FROM execution WHERE uuid = '{uuid}')"
    )
    if store.url.startswith("postgres"):
        async with await psycopg.AsyncConnection.connect(store.url, autocommit=True) as connection:
            await connection.execute("SET search_path = callgate")
            await connection.execute(statement.replace("BLOB", "BYTEA").encode())
        return
    with sqlite3.connect(store.url.removeprefix("sqlite:")) as db:
        db.execute(statement)
    db.close()
