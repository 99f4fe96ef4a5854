"""Whose turn it is to take one of a worker's places."""

from hypothesis import given
from hypothesis import strategies as st

from callgate.runner.jobs.shares import Shares


def test_one_owner_leaves_a_place_to_others() -> None:
    shares = Shares(3)
    assert [shares.enter("alice", uuid) for uuid in "abc"] == [True, True, False]
    assert shares.enter("bob", "d")


def test_what_waited_longest_comes_next() -> None:
    shares = Shares(2)
    assert [shares.enter("alice", uuid) for uuid in "abc"] == [True, False, False]
    assert shares.leave("alice") == "b"
    assert shares.enter("alice", "b")
    assert shares.leave("alice") == "c"


def test_a_worker_with_one_place_runs_whoever_comes() -> None:
    shares = Shares(1)
    assert shares.enter("alice", "a")
    assert shares.leave("alice") is None
    assert shares.enter("bob", "b")


@given(st.integers(2, 8), st.lists(st.sampled_from(["alice", "bob", "carol"]), max_size=60))
def test_nobody_ever_holds_every_place_and_everybody_gets_on(places: int, owners: list[str]) -> None:
    shares = Shares(places)
    running: list[tuple[str, str]] = []
    done: set[str] = set()
    todo = [(owner, str(number)) for number, owner in enumerate(owners)]
    while todo or running:
        while todo and len(running) < places:
            owner, uuid = todo.pop(0)
            if shares.enter(owner, uuid):
                running.append((owner, uuid))
        for owner in {owner for owner, _ in running}:
            assert sum(one == owner for one, _ in running) < places
        owner, uuid = running.pop(0)
        done.add(uuid)
        following = shares.leave(owner)
        if following is not None:
            todo.append((owner, following))
    assert done == {str(number) for number in range(len(owners))}
