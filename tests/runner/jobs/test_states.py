"""The table of an execution's states."""

from typing import get_args

from callgate.runner.execution import NEXT, STATUS_OF, TERMINAL, State, Status


def test_every_state_has_a_status_and_a_row() -> None:
    states = set(get_args(State))
    assert set(NEXT) == set(STATUS_OF) == states
    assert set(STATUS_OF.values()) == set(get_args(Status))


def test_an_ended_execution_never_changes() -> None:
    assert all(not NEXT[state] for state in TERMINAL)


def test_every_state_that_is_not_an_end_can_come_to_each_kind_of_end() -> None:
    def reachable(state: State) -> set[State]:
        found: set[State] = set()
        waiting: list[State] = [state]
        while waiting:
            for following in NEXT[waiting.pop()] - found:
                found.add(following)
                waiting.append(following)
        return found

    for state in set(NEXT) - TERMINAL - {"cancelling"}:
        assert reachable(state) >= TERMINAL, state


def test_nothing_completes_that_did_not_run() -> None:
    assert {state for state, following in NEXT.items() if "completed" in following} == {
        "running",
        "cancelling",
    }
