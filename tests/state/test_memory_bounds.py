"""The memory store keeps what counts and little else."""

from state_stores import MINUTE, admitted, charge, limit

from callgate.clock import ManualClock
from callgate.state.counters import SlidingCounter
from callgate.state.memory import MemoryLedger
from callgate.state.window import EXACT_ENTRIES


def test_idle_counters_are_dropped_also_those_of_limits_no_longer_used() -> None:
    clock = ManualClock()
    ledger = MemoryLedger(clock)
    for index in range(5000):
        admitted(ledger, charge(limit(1, id=f"limit{index % 7}"), key=str(index)))
        clock.advance(1)
    assert len(ledger._counters) < 300
    assert (
        len(ledger._sliding) == len(ledger._counters) == sum(len(f.keys) for f in ledger._families.values())
    )


def test_settled_calls_leave_nothing_but_their_entry() -> None:
    ledger = MemoryLedger(ManualClock())
    calls = limit(10**6)
    for turn in range(1000):
        ledger.settle(admitted(ledger, charge(calls)), spent=turn % 2 == 0)
    assert not ledger._unsettled
    counter = ledger._counters["calls|"]
    assert isinstance(counter, SlidingCounter)
    assert (len(counter.ticks), counter.total) == (1, 500)


def test_a_busy_counter_is_bounded_and_its_past_is_let_go() -> None:
    clock = ManualClock()
    ledger = MemoryLedger(clock)
    calls = limit(10**9)
    for _ in range(100_000):
        ledger.settle(admitted(ledger, charge(calls)), spent=True)
        clock.advance(0.001)
    counter = ledger._counters["calls|"]
    assert isinstance(counter, SlidingCounter)
    assert len(counter.ticks) < 5 * EXACT_ENTRIES
    used, _ = ledger.used("calls|", MINUTE)
    assert 60_000 <= used <= 60_000 * (1 + 2 / EXACT_ENTRIES)
