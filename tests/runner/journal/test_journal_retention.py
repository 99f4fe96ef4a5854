"""Who fills the journal makes room for all: nobody loses a result or a variable for what others keep."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from journal_stores import ALICE, BOB, DONE, Store, call, on_both
from msgspec.structs import replace

from callgate.config.runner_model import RetentionConfig
from callgate.runner.execution import Ending, Owner
from callgate.runner.journal.retention import YOUNG_MS, Held, surplus

YOUNG = YOUNG_MS / 1000
CAROL = Owner("carol")


async def _ended(store: Store, owner: Owner, results: Any = None, variables: Any = None, **spec: Any) -> str:
    claim = await store.run(await store.accept(owner, **spec))
    await store.journal.finish(claim.fence, Ending(state="completed", results=results), variables)
    return claim.fence.uuid


async def _kept(store: Store, owner: Owner) -> list[str]:
    return [one.uuid for one in (await store.journal.list(owner, limit=200)).executions][::-1]


async def _session(store: Store, owner: Owner) -> dict[str, Any]:
    return (await store.take(await store.accept(owner, session_id="s"))).session_vars


@on_both(max_bytes=400_000)
async def test_only_whoever_holds_the_most_bytes_makes_room(store: Store) -> None:
    bobs = await _ended(store, BOB, {"x": "y" * 50_000}, {"kept": 1}, session_id="s")
    await store.age(1)
    alices = [await _ended(store, ALICE, {"x": "y" * 100_000}) for _ in range(6)]
    await store.age(YOUNG)
    assert await store.journal.tidy() == 3
    assert await _kept(store, BOB) == [bobs]
    assert await _kept(store, ALICE) == alices[3:]
    assert await _session(store, BOB) == {"kept": 1}


@on_both(max_executions=10)
async def test_only_whoever_holds_the_most_executions_makes_room(store: Store) -> None:
    bobs = [await _ended(store, BOB) for _ in range(3)]
    carols = [await _ended(store, CAROL) for _ in range(2)]
    alices = [await _ended(store, ALICE) for _ in range(20)]
    await store.age(YOUNG)
    assert await store.journal.tidy() == 15
    assert (await _kept(store, BOB), await _kept(store, CAROL)) == (bobs, carols)
    assert await _kept(store, ALICE) == alices[15:]


@on_both(max_executions=2)
async def test_nobody_loses_what_is_old_for_what_is_young_of_another(store: Store) -> None:
    bobs = await _ended(store, BOB)
    await store.age(YOUNG)
    alices = [await _ended(store, ALICE) for _ in range(5)]
    assert await store.journal.tidy() == 0
    assert (await _kept(store, BOB), await _kept(store, ALICE)) == ([bobs], alices)


@on_both(max_bytes=100_000)
async def test_what_tools_answered_takes_no_room_once_an_execution_ended(store: Store) -> None:
    claim = await store.run(await store.accept())
    answered, doubtful = call(0, state="answered"), call(1)
    for one in (answered, doubtful):
        await store.journal.call_started(
            claim.fence, replace(one, state="started", ended_ms=None, answer=None)
        )
    await store.journal.call_ended(claim.fence, replace(answered, answer=b'"' + b"x" * 500_000 + b'"'))
    await store.journal.finish(claim.fence, DONE)
    await store.age(YOUNG)
    assert await store.journal.tidy() == 0
    assert (await store.see(claim.fence.uuid)).results == DONE.results
    kept = await store.journal.inner_calls(claim.fence.uuid)
    assert list(kept) == [replace(answered, answer=None), doubtful]


@on_both(keep=2 * YOUNG, max_executions=1)
async def test_variables_of_a_session_outlive_the_run_that_declared_them(store: Store) -> None:
    await _ended(store, ALICE, None, {"a": 1, "b": 1}, session_id="s")
    await store.age(1.5 * YOUNG)
    await _ended(store, ALICE, None, {"b": 2}, session_id="s")
    assert await store.journal.tidy() == 1
    assert await _session(store, ALICE) == {"a": 1, "b": 2}
    await store.age(YOUNG)
    await store.journal.tidy()
    assert await _session(store, ALICE) == {"b": 2}


@on_both(max_bytes=1_000_000)
async def test_whoever_fills_the_journal_with_variables_loses_the_oldest_of_their_own(store: Store) -> None:
    await _ended(store, BOB, None, {"small": 1}, session_id="s")
    for name in "abcd":
        await _ended(store, ALICE, None, {name: "x" * 100_000}, session_id="s")
        await store.age(1)
    await store.journal.tidy()
    assert sorted(await _session(store, ALICE)) == ["a", "b", "c", "d"]
    await store.age(YOUNG)
    assert await store.journal.tidy() == 0
    assert sorted(await _session(store, ALICE)) == ["c", "d"]
    assert await _session(store, BOB) == {"small": 1}


@given(st.lists(st.integers(0, 1_000), max_size=20), st.integers(0, 5_000))
def test_shares_use_all_room_and_take_nothing_from_whoever_holds_less(sizes: list[int], most: int) -> None:
    held = [Held(bytes([place]), 0, size) for place, size in enumerate(sizes)]
    [_, over] = surplus(RetentionConfig(max_bytes=most), held, [])
    lost = {one.owner: one.bytes for one in over.owners}
    kept = {one.owner: one.bytes - lost.get(one.owner, 0) for one in held}
    assert sum(kept.values()) <= most
    assert all(size >= 0 for size in kept.values())
    if sum(sizes) <= most:
        assert not lost
    else:
        assert sum(kept.values()) > most - len(sizes)
        assert all(kept[owner] == max(kept.values()) for owner in lost)
