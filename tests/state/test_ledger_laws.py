"""Law 4, literally: whatever happens, no interval of a window's length holds more than `max`.

A brute-force model keeps every admission with its true time and looks at every interval.
"""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import Struct
from state_stores import DAY, STORES, Store, charge, limit, scratch

from callgate.clock import ManualClock
from callgate.decision import Amount, Charge, SlidingWindow
from callgate.state.ledger import Ledger, Refused, Reserved

MS = 1_000_000
Kind = tuple[Amount, SlidingWindow, str, bool]
LIMITS: tuple[Kind, ...] = (
    (3, SlidingWindow(1000), "second", False),
    (Decimal("5.25"), SlidingWindow(5000), "money", False),
    (7, SlidingWindow(60_000), "strict", True),
)
AMOUNTS = st.one_of(
    st.integers(0, 3),
    st.sampled_from([Decimal("0.1"), Decimal("2.25"), Decimal("1E+0"), Decimal("0.333333333")]),
)


class Spent(Struct):
    """One admitted amount at its true time, in ns."""

    at: int
    amount: Fraction


class Model:
    """What was admitted to one limit; knows nothing of ticks or stores."""

    def __init__(self, maximum: Amount, window: SlidingWindow, strict: bool) -> None:
        self.maximum, self.window, self.strict = Fraction(maximum), window.milliseconds * MS, strict
        self.spent: list[Spent] = []

    def fits(self, total: Fraction) -> bool:
        return total < self.maximum if self.strict else total <= self.maximum

    def used(self, at: int) -> Fraction:
        return sum((s.amount for s in self.spent if s.at + self.window > at), Fraction(0))

    def wait(self, now: int, amount: Fraction) -> int | None:
        """The least wait after which `amount` fits, in ns; None if it never does."""
        ends = [now, *(s.at + self.window for s in self.spent if s.at + self.window > now)]
        return min((end - now for end in ends if self.fits(self.used(end) + amount)), default=None)

    def check(self) -> None:
        for first in self.spent:
            held = sum(
                (s.amount for s in self.spent if first.at <= s.at < first.at + self.window), Fraction(0)
            )
            assert self.fits(held), f"{held} within {self.window} ns from {first.at}"


class Made(Struct):
    """A reservation, the ledger that made it, and what it added to which model."""

    ledger: Ledger
    id: str
    entries: list[tuple[Model, Spent]]


class LedgerMachine(RuleBasedStateMachine):
    """Charges, settlements, clock steps and reboots, in any order."""

    store: Store
    reservations: Bundle[Made] = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.directory = scratch()
        self.clock = ManualClock()
        self.true_ns = 0
        self.wall_error = 0.0
        self.least_wall_error = 0.0
        self.exact = True
        self.models: dict[str, Model] = {}
        self.ledger: Ledger | None = None

    @initialize()
    def open(self) -> None:
        self.ledger = self.store.open(self.clock, self.directory.name)
        self.models = {name: Model(maximum, window, strict) for maximum, window, name, strict in LIMITS}

    def teardown(self) -> None:
        if self.ledger is not None:
            self.ledger.close()
        self.directory.cleanup()

    @rule(
        target=reservations,
        wanted=st.lists(
            st.tuples(st.sampled_from(LIMITS), AMOUNTS), min_size=1, max_size=3, unique_by=lambda w: w[0][2]
        ),
    )
    def reserve(
        self, wanted: list[tuple[tuple[Amount, SlidingWindow, str, bool], Amount]]
    ) -> Made | MultipleResults[Made]:
        assert self.ledger is not None
        charges: list[Charge] = []
        waits: list[int | None] = []
        for (maximum, window, name, strict), amount in wanted:
            charges.append(
                charge(limit(maximum, window, id=name, scope=self.store.scope, strict=strict), amount)
            )
            waits.append(self.models[name].wait(self.true_ns, Fraction(amount)))
        before = [self.ledger.used(c.key, c.limit.window)[0] for c in charges]
        answer = self.ledger.reserve(charges)
        if isinstance(answer, Refused):
            assert [self.ledger.used(c.key, c.limit.window)[0] for c in charges] == before
            if self.exact:
                if answer.retry_after is None:
                    assert None in waits
                else:
                    assert None not in waits
                    assert round(answer.retry_after * 1e9) == max(wait or 0 for wait in waits) > 0
            return multiple()
        if self.exact:
            assert waits == [0] * len(waits)
        entries = []
        for c in charges:
            spent = Spent(self.true_ns, Fraction(c.amount))
            self.models[c.limit.id].spent.append(spent)
            entries.append((self.models[c.limit.id], spent))
        return Made(self.ledger, answer.id, entries)

    @rule(reservation=consumes(reservations), spent=st.booleans())
    def settle(self, reservation: Made, spent: bool) -> None:
        assert self.ledger is not None
        if self.ledger is not reservation.ledger and not self.store.durable:
            return
        self.ledger.settle(reservation.id, spent=spent)
        self.ledger.settle(reservation.id, spent=False)
        if not spent:
            for model, entry in reservation.entries:
                model.spent.remove(entry)

    @rule(milliseconds=st.one_of(st.integers(0, 1200), st.integers(0, 70_000)))
    def let_time_pass(self, milliseconds: int) -> None:
        self.advance(milliseconds)

    def advance(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds / 1000)
        self.true_ns += milliseconds * MS

    @rule(
        name=st.sampled_from([kind[2] for kind in LIMITS]),
        which=st.integers(0, 3),
        early=st.sampled_from([0, 1]),
    )
    def advance_to_the_edge_of_a_window(self, name: str, which: int, early: int) -> None:
        ends = [s.at + self.models[name].window for s in self.models[name].spent]
        ahead = [end - self.true_ns for end in ends if end > self.true_ns]
        if ahead:
            self.advance(ahead[which % len(ahead)] // MS - early)

    @rule(seconds=st.sampled_from([-1e9, -86_400.0, -0.5, 0.5, 61.0, 86_400.0, 1e9]))
    def step_wall(self, seconds: float) -> None:
        self.clock.step_wall(seconds)
        self.wall_error += seconds
        self.least_wall_error = min(self.least_wall_error, self.wall_error)

    @precondition(lambda self: self.ledger is not None)
    @rule(off=st.sampled_from([0.0, 0.2, 3.0, 4000.0]), killed=st.booleans())
    def reboot(self, off: float, killed: bool) -> None:
        """The wall clock is not ahead of where it was: setting it and rebooting is what nobody can see."""
        assert self.ledger is not None
        if not killed:
            self.ledger.close()
        self.clock.step_wall(self.least_wall_error - self.wall_error)
        self.wall_error = self.least_wall_error
        self.clock.reboot(off + 0.001)
        self.true_ns += round((off + 0.001) * 1e9)
        self.exact = False
        if not self.store.durable:
            self.models = {n: Model(maximum, window, strict) for maximum, window, n, strict in LIMITS}
        self.ledger = self.store.open(self.clock, self.directory.name)

    @rule()
    def restart_the_process(self) -> None:
        assert self.ledger is not None
        if self.store.durable:
            self.ledger = self.store.open(self.clock, self.directory.name)

    @invariant()
    def no_interval_holds_more_than_max(self) -> None:
        for model in self.models.values():
            model.check()

    @invariant()
    def the_store_forgets_nothing_that_counts(self) -> None:
        assert self.ledger is not None or not self.models
        for maximum, window, name, _ in LIMITS if self.ledger else ():
            assert self.ledger is not None
            held, _left = self.ledger.used(f"{name}|", window)
            held_truly = self.models[name].used(self.true_ns)
            assert Fraction(held) == held_truly if self.exact else Fraction(held) >= held_truly
            assert Fraction(held) <= Fraction(maximum)


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
def test_no_interval_of_a_window_ever_holds_more_than_max(store: Store) -> None:
    machine = type(f"Machine_{store.name}", (LedgerMachine,), {"store": store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=120 if not store.durable else 60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
@settings(max_examples=30, deadline=None)
@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 3_600.0, 43_000.0, 90_000.0]),
            st.sampled_from([0.0, 0.0, -7e4, 9e4, 1e9]),
        ),
        max_size=40,
    )
)
def test_however_the_wall_clock_is_stepped_days_keep_their_length(
    store: Store, moves: list[tuple[float, float]]
) -> None:
    with scratch() as directory:
        clock = ManualClock()
        ledger = store.open(clock, directory)
        once_a_day = limit(1, DAY, scope=store.scope)
        admissions: list[int] = []
        for seconds, step in moves:
            clock.advance(seconds)
            clock.step_wall(step)
            for _ in range(2):
                if isinstance(ledger.reserve([charge(once_a_day)]), Reserved):
                    admissions.append(clock.monotonic_ns())
        for first, third in zip(admissions, admissions[2:], strict=False):
            assert third - first >= 86_400 * 1e9 / 1.01 - 1
        ledger.close()


MOVES = st.tuples(st.sampled_from([0, 1, 1, 2, 5]), st.integers(0, 3), st.sampled_from([None, 0, 1, -2, -1]))


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
@settings(max_examples=150, deadline=None)
@given(moves=st.lists(MOVES, min_size=12, max_size=30))
def test_refunds_of_calls_that_share_a_tick_leave_the_count_exact(
    store: Store, moves: list[tuple[int, int, int | None]]
) -> None:
    """In a window of five ticks, calls leave the counter while others of their tick are refunded.

    A move lets so many ms pass, makes so many calls at once, and refunds one of the calls not yet refunded,
    counted from either end.
    """
    window = SlidingWindow(5)
    few = limit(12, window, id="few", scope=store.scope)
    model = Model(12, window, strict=False)
    clock = ManualClock()
    now = 0
    calls: list[tuple[str, Spent]] = []
    with scratch() as directory:
        ledger = store.open(clock, directory)
        for milliseconds, count, refund in moves:
            clock.advance(milliseconds / 1000)
            now += milliseconds * MS
            for _ in range(count):
                answer = ledger.reserve([charge(few)])
                assert isinstance(answer, Reserved) == (model.wait(now, Fraction(1)) == 0)
                if isinstance(answer, Reserved):
                    calls.append((answer.id, Spent(now, Fraction(1))))
                    model.spent.append(calls[-1][1])
            if refund is not None and -len(calls) <= refund < len(calls):
                name, spent = calls.pop(refund)
                ledger.settle(name, spent=False)
                model.spent.remove(spent)
            assert ledger.used("few|", window)[0] == model.used(now)
        model.check()
        ledger.close()
