"""A gate configured so lets calls through uncounted while its store fails, and never silently."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from redis_servers import RedisServer
from state_stores import MINUTE, admitted, charge, limit, refused

from callgate.clock import ManualClock
from callgate.decision import Charge, Guard
from callgate.errors import StateError
from callgate.state.ledger import Ledger, Refused, Reserved
from callgate.state.lenient import UNCOUNTED, LenientLedger
from callgate.state.memory import MemoryLedger
from callgate.state.open import open_ledger

CALLS = limit(3)


class Failing(MemoryLedger):
    """A store in memory that fails on demand."""

    fails = False

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        if self.fails:
            raise StateError("STA021", "it does not answer", "wait")
        return super().reserve(charges, guards)

    def settle(self, reservation: str, *, spent: bool) -> None:
        if self.fails:
            raise StateError("STA021", "it does not answer", "wait")
        super().settle(reservation, spent=spent)


def test_calls_pass_while_the_store_fails_and_it_is_said_at_once_every_minute_and_at_the_end() -> None:
    clock, told = ManualClock(), list[StateError]()
    inner = Failing(clock)
    ledger = LenientLedger(inner, clock, told.append)
    admitted(ledger, charge(CALLS))
    assert told == []
    inner.fails = True
    for second in range(150):
        name = admitted(ledger, charge(CALLS))
        ledger.settle(name, spent=second % 2 == 0)
        clock.advance(1)
    assert [one.code for one in told] == ["STA031"] * 3
    assert "it does not answer" in told[0].message
    assert ledger.uncounted == 150
    inner.fails = False
    admitted(ledger, charge(CALLS))
    assert len(told) == 4
    assert "150 calls" in told[3].message
    assert ledger.uncounted == 0
    inner.fails = True
    admitted(ledger, charge(CALLS))
    assert len(told) == 5


def test_limits_hold_while_the_store_works_and_refusals_are_no_failures() -> None:
    clock, told = ManualClock(), list[StateError]()
    ledger = LenientLedger(MemoryLedger(clock), clock, told.append)
    for _ in range(3):
        admitted(ledger, charge(CALLS))
    refused(ledger, charge(CALLS))
    assert told == []


def test_an_amount_that_cannot_be_counted_is_still_an_error() -> None:
    clock = ManualClock()
    ledger = LenientLedger(MemoryLedger(clock), clock, None)
    with pytest.raises(StateError, match="to be counted"):
        ledger.reserve([charge(CALLS, -1)])
    (answer,) = ledger.reserve_many([([charge(CALLS, -1)], ())])
    assert isinstance(answer, StateError)


def test_a_batch_is_let_through_where_the_store_fails() -> None:
    clock = ManualClock()
    inner = Failing(clock)
    ledger = LenientLedger(inner, clock, None)
    counted = admitted(ledger, charge(CALLS))
    inner.fails = True
    assert ledger.reserve_many([([charge(CALLS)], ())] * 2) == [Reserved(UNCOUNTED)] * 2
    inner.fails = False
    ledger.settle_many([(UNCOUNTED, False), (counted, False)])
    assert ledger.used("calls|", MINUTE)[0] == 0


def test_a_gate_that_may_let_through_starts_without_its_redis_and_counts_when_it_comes(
    tmp_path: Path,
) -> None:
    server = RedisServer()
    told = list[StateError]()

    def open() -> Ledger:
        return open_ledger(
            server.url(),
            ManualClock(),
            state_dir=str(tmp_path),
            durable_sessions=False,
            outlives_process=True,
            on_failure="allow",
            notify=told.append,
        )

    ledger = open()
    for _ in range(5):
        admitted(ledger, charge(CALLS))
    ledger.close()
    assert [(one.code, "STA020" in one.message or "cannot reach" in one.message) for one in told] == [
        ("STA031", True)
    ]
    server.start()
    ledger = open()
    for _ in range(3):
        admitted(ledger, charge(CALLS))
    refused(ledger, charge(CALLS))
    ledger.close()
    server.remove()
