"""Judging in turns: recorded first, given back if not, the same with and without a thread, nothing lost at the end."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from serve_play import Desk, call, complete, modern_call

from callgate.audit.record import Record
from callgate.errors import StateError
from callgate.gate.call import Admission, Call, Caller
from callgate.serve.judging import Settlement

POLICY = "default: deny\ntools:\n  echo: {rules: [{rate_limit: 2/hour}]}\n"
BOTH = pytest.mark.parametrize("threaded", [False, True], ids=["inline", "thread"])


def finished(desk: Desk) -> None:
    """Let everything be judged and written, and end the thread."""
    idle: list[bool] = []
    desk.judging.finish(lambda: idle.append(True))
    desk.loop.until(lambda: bool(idle))
    desk.judging.close()


def judged(desk: Desk, *tools: str, done: Callable[[Admission], None] | None = None) -> list[Admission]:
    found: list[Admission] = []
    for number, tool in enumerate(tools):
        caller = Caller("s", "ann", "srv")
        call = Call(desk.guarded.policy, caller, tool, {}, number)
        desk.judging.judge(call, done or found.append)
    return found


@BOTH
def test_calls_are_judged_in_their_order_and_together(threaded: bool) -> None:
    desk = Desk(POLICY, threaded=threaded)
    found = judged(desk, "echo", "rm", "echo", "echo")
    assert not found, "nobody is told before `judge` has returned"
    finished(desk)
    assert [one.denial is None for one in found] == [True, False, True, False]
    assert (
        desk.records()
        == [
            "allow echo",
            "deny rm DEN011",
            "denied rm",
            "allow echo",
            "deny echo DEN012",
            "denied echo",
        ]
        or [line.split()[0] for line in desk.records()] == []
    )


@BOTH
def test_the_same_traffic_gives_the_same_answers_and_records(threaded: bool) -> None:
    desk = Desk(POLICY, threaded=threaded)
    bodies: list[Any] = []
    for number, tool in enumerate(("echo", "rm", "echo", "echo", "rm")):
        asked = desk.post(modern_call(tool, id=number))
        desk.loop.until(lambda asked=asked: asked.ended or desk.server.waiting)  # type: ignore[misc]
        if not asked.ended:
            desk.server.one().answers(complete(number))
        bodies.append((asked.status, asked.frame["id"], asked.frame["result"].get("isError", False)))
    finished(desk)
    assert bodies == [(200, 0, False), (200, 1, True), (200, 2, False), (200, 3, True), (200, 4, True)]
    effects = [line.split()[0] for line in desk.records()]
    assert sorted(effects) == sorted(
        ["allow", "ok", "deny", "denied", "allow", "ok", "deny", "denied", "deny", "denied"]
    )


@BOTH
def test_a_turn_that_cannot_be_recorded_is_refused_whole_and_given_back(threaded: bool) -> None:
    desk = Desk(POLICY, threaded=threaded)
    desk.audit.failing = True
    found = judged(desk, "echo", "echo", "echo")
    desk.loop.until(lambda: len(found) == 3)
    codes = [one.denial.code for one in found if one.denial is not None]
    assert len(codes) == 3
    assert desk.judging.audit_failed
    desk.audit.failing = False
    again = judged(desk, "echo", "echo", "echo")
    finished(desk)
    assert [one.denial is None for one in again] == [True, True, False]
    assert desk.audit_told == [True, False]
    assert not desk.judging.audit_failed


@BOTH
def test_what_was_not_forwarded_is_given_back(threaded: bool) -> None:
    desk = Desk(POLICY, threaded=threaded)

    first = judged(desk, "echo", "echo")
    desk.loop.until(lambda: len(first) == 2)
    for admission in first:
        desk.judging.settle(Settlement(admission, "not_forwarded", ran=False))
    desk.clock.advance(0.01)
    desk.loop.until(lambda: len(desk.audit.records) == 4)
    found = judged(desk, "echo", "echo")
    finished(desk)
    assert [one.denial is None for one in found] == [True, True]


@BOTH
def test_an_end_in_the_middle_of_a_turn_loses_no_outcome(threaded: bool) -> None:
    desk = Desk(POLICY, threaded=threaded)

    def refused_by_the_closed_server(admission: Admission) -> None:
        # As an upstream does it: not before its caller has the handle.
        desk.loop.call_soon(desk.judging.settle, Settlement(admission, "not_forwarded", ran=False))

    judged(desk, "echo", done=refused_by_the_closed_server)
    if threaded:
        # The turn is under way in its thread while the end is asked for.
        desk.judging._begin()
    finished(desk)
    assert desk.records() == ["allow echo", "not_forwarded echo"]


class _Counting:
    """An audit that notes how many records it was given at once."""

    def __init__(self, desk: Desk) -> None:
        self._append = desk.audit.append
        self.turns: list[int] = []

    def append(self, records: Sequence[Record]) -> None:
        self.turns.append(len(records))
        self._append(records)


def test_what_comes_in_together_is_written_together() -> None:
    desk = Desk("default: allow")
    counting = _Counting(desk)
    desk.audit.append = counting.append  # type: ignore[method-assign]
    judged(desk, *["echo"] * 50)
    finished(desk)
    assert counting.turns == [50]


def test_an_outcome_does_not_wait_for_another_call() -> None:
    desk = Desk()
    desk.post(call("echo"))
    desk.server.one().fails(ran=True)
    assert desk.records() == ["allow echo", "unknown echo"]


@BOTH
def test_an_idle_gate_notices_that_its_store_fails_and_that_it_answers_again(threaded: bool) -> None:
    desk = Desk(POLICY, threaded=threaded)
    works = desk.ledger.used
    told: list[Any] = []

    def fails(_key: str, _window: Any) -> Any:
        raise StateError("STA020", "it is gone")

    rounds: list[Any] = [works, fails, fails, works, works]
    for used in rounds:
        desk.ledger.used = used  # type: ignore[method-assign]
        before = len(told)
        desk.judging.usage(told.append)
        desk.loop.until(lambda before=before: len(told) > before)  # type: ignore[misc]
        assert desk.judging.store_failed is (used is fails)
    assert desk.store_told == ["STA020", None], "each change is told once"
    finished(desk)


def test_an_amount_that_cannot_be_counted_does_not_make_the_store_a_failing_one() -> None:
    desk = Desk(POLICY)
    desk.ledger.reserve_many = lambda asked: [StateError("STA012", "no number") for _ in asked]  # type: ignore
    assert desk.post(modern_call("echo")).frame["result"]["isError"]
    assert not desk.judging.store_failed


def test_a_limit_store_that_fails_is_known_to_have_failed_until_it_answers() -> None:
    desk = Desk(POLICY)
    works = desk.ledger.reserve_many

    def fails(asked: Any) -> Any:

        return [StateError("STA001", "it is gone") for _ in asked]

    desk.ledger.reserve_many = fails  # type: ignore[method-assign, assignment]
    asked = desk.post(modern_call("echo"))
    assert asked.frame["result"]["isError"]
    assert desk.server.taken() == []
    assert desk.judging.store_failed
    desk.ledger.reserve_many = works  # type: ignore[method-assign]
    desk.post(modern_call("echo", id=2))
    assert len(desk.server.taken()) == 1
    assert not desk.judging.store_failed
