"""What every store does, whatever it is made of."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from state_stores import DAY, MINUTE, STORES, Store, admitted, charge, limit, refused, scratch

from callgate.clock import ManualClock
from callgate.decision import Amount, Guard, GuardOp, Limit, SlidingWindow, Window
from callgate.errors import StateError
from callgate.state.ledger import Ledger, Refused, Reserved


@pytest.fixture(params=STORES, ids=lambda store: store.name)
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.param
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_ns=1_790_000_000_000_000_000)


@pytest.fixture
def ledger(store: Store, clock: ManualClock) -> Iterator[Ledger]:
    with scratch() as directory:
        opened = store.open(clock, directory)
        yield opened
        opened.close()


def guard(of: Limit, op: GuardOp, value: object) -> Guard:
    return Guard(f"{of.id}|", of.window, of.scope, op, value, rule="")


def make(store: Store, maximum: Amount | None, window: Window = MINUTE, **options: object) -> Limit:
    return limit(maximum, window, scope=store.scope, **options)  # type: ignore[arg-type]


def test_max_calls_are_admitted_and_the_next_is_told_the_exact_wait(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    calls = make(store, 3)
    for _ in range(3):
        admitted(ledger, charge(calls))
        clock.advance(10)
    assert refused(ledger, charge(calls)) == Refused(used=3, retry_after=30.0, limit=calls)
    clock.advance(29.999)
    assert refused(ledger, charge(calls)).retry_after == 0.001
    clock.advance(0.001)
    admitted(ledger, charge(calls))
    refused(ledger, charge(calls))


def test_an_admission_between_two_ticks_counts_for_no_less_than_the_window(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    calls = make(store, 2)
    admitted(ledger, charge(calls))
    clock.advance(30.000_000_001)
    admitted(ledger, charge(calls))
    clock.advance(29.999_999_999)
    admitted(ledger, charge(calls))
    clock.advance(30)
    wait = refused(ledger, charge(calls)).retry_after
    assert wait is not None
    assert 0 < wait <= 0.001
    clock.advance(wait)
    admitted(ledger, charge(calls))
    refused(ledger, charge(calls))


def test_one_refusing_limit_leaves_the_others_unspent(store: Store, ledger: Ledger) -> None:
    wide, narrow = make(store, 10, id="wide"), make(store, 1, id="narrow")
    admitted(ledger, charge(wide), charge(narrow))
    assert refused(ledger, charge(wide), charge(narrow)).limit == narrow
    assert ledger.used("wide|", MINUTE)[0] == 1


def test_of_several_refusing_limits_the_longest_wait_is_named(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    short, long = make(store, 1, id="short"), make(store, 1, SlidingWindow(3_600_000), id="long")
    admitted(ledger, charge(short), charge(long))
    assert refused(ledger, charge(long), charge(short)) == Refused(used=1, retry_after=3600.0, limit=long)
    assert refused(ledger, charge(short), charge(long)).limit == long


def test_charges_of_one_call_on_one_counter_add_up(store: Store, ledger: Ledger) -> None:
    calls = make(store, 3)
    admitted(ledger, charge(calls), charge(calls))
    assert ledger.used("calls|", MINUTE)[0] == 2
    refused(ledger, charge(calls), charge(calls))
    admitted(ledger, charge(calls))


def test_a_refund_gives_back_once_and_only_what_is_unsettled(store: Store, ledger: Ledger) -> None:
    calls = make(store, 2)
    first, second = admitted(ledger, charge(calls)), admitted(ledger, charge(calls))
    ledger.settle(first, spent=False)
    ledger.settle(first, spent=False)
    assert ledger.used("calls|", MINUTE)[0] == 1
    ledger.settle(second, spent=True)
    ledger.settle(second, spent=False)
    assert ledger.used("calls|", MINUTE)[0] == 1
    ledger.settle("no such reservation \ud800", spent=False)
    admitted(ledger, charge(calls))
    refused(ledger, charge(calls))


def test_a_refund_of_one_of_several_in_the_same_tick_keeps_the_others(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    money = make(store, 10)
    first = admitted(ledger, charge(money, Decimal("2.5")))
    admitted(ledger, charge(money, 3))
    ledger.settle(first, spent=False)
    assert ledger.used("calls|", MINUTE) == (3, 60.0)


def test_a_refund_in_a_shared_tick_does_not_bring_back_what_has_left_the_window(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    window = SlidingWindow(10_000)
    calls = make(store, 10, window)
    admitted(ledger, charge(calls, 5))
    clock.advance(8)
    refunded = admitted(ledger, charge(calls))
    admitted(ledger, charge(calls))
    clock.advance(3)
    ledger.settle(refunded, spent=False)
    clock.advance(1)
    admitted(ledger, charge(calls, 9))
    clock.advance(7)
    assert ledger.used("calls|", window) == (9, 3.0)
    assert refused(ledger, charge(calls, 2)).used == 9


def test_a_refund_that_comes_after_the_window_changes_nothing(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    calls, today = make(store, 1), make(store, 1, DAY, id="today")
    late = admitted(ledger, charge(calls), charge(today))
    clock.advance(2 * 86_400)
    admitted(ledger, charge(calls), charge(today))
    ledger.settle(late, spent=False)
    assert ledger.used("calls|", MINUTE)[0] == 1
    assert ledger.used("today|", DAY)[0] == 1


def test_the_wait_shortens_when_a_later_charge_is_refunded(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    calls = make(store, 2)
    admitted(ledger, charge(calls))
    clock.advance(10)
    last = admitted(ledger, charge(calls))
    ledger.settle(last, spent=False)
    assert ledger.used("calls|", MINUTE) == (1, 50.0)


def test_decimals_are_added_exactly(store: Store, ledger: Ledger) -> None:
    money = make(store, Decimal("1.0"))
    for _ in range(10):
        admitted(ledger, charge(money, Decimal("0.1")))
    refused(ledger, charge(money, Decimal("1e-90")))
    big = make(store, 10**60, id="big")
    admitted(ledger, charge(big, 10**60 - 1))
    admitted(ledger, charge(big, Decimal("0.999999999999999999999999999999999999999999")))
    admitted(ledger, charge(big, Decimal("0.000000000000000000000000000000000000000001")))
    refused(ledger, charge(big, Decimal("1e-80")))


def test_a_strict_limit_stays_below_its_max(store: Store, ledger: Ledger) -> None:
    below = make(store, 3, strict=True)
    admitted(ledger, charge(below))
    admitted(ledger, charge(below))
    assert refused(ledger, charge(below)).retry_after == 60.0
    assert refused(ledger, charge(below, 3)).retry_after is None


def test_an_amount_above_max_is_refused_for_good_however_long_it_is(store: Store, ledger: Ledger) -> None:
    money = make(store, 10)
    for amount in (11, Decimal("10.01"), 10**5000, Decimal("1e999999"), Decimal("Infinity")):
        assert refused(ledger, charge(money, amount)).retry_after is None
    assert refused(ledger, charge(make(store, 0, id="never"))).retry_after is None
    assert ledger.used("calls|", MINUTE) == (0, 0.0)


@pytest.mark.parametrize(
    "amount",
    [
        -1,
        Decimal("-0.01"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1e-999999"),
        True,
        0.5,
    ],
)
def test_an_amount_that_cannot_be_counted_is_an_error(store: Store, ledger: Ledger, amount: Amount) -> None:
    with pytest.raises(StateError, match="to be counted"):
        ledger.reserve([charge(make(store, 10), amount)])
    admitted(ledger, charge(make(store, 10), 10))


def test_an_amount_of_nothing_spends_nothing_and_opens_no_counter(store: Store, ledger: Ledger) -> None:
    calls = make(store, 1, max_counters=1)
    for key in "abc":
        admitted(ledger, charge(calls, 0, key))
    admitted(ledger, charge(calls, 1, "d"))
    admitted(ledger, charge(calls, Decimal("0.00"), "d"))


def test_a_max_of_none_counts_without_bound(store: Store, ledger: Ledger) -> None:
    count = make(store, None)
    for _ in range(20):
        admitted(ledger, charge(count, 10**30))
    assert ledger.used("calls|", MINUTE)[0] == 20 * 10**30
    with pytest.raises(StateError):
        ledger.reserve([charge(count, Decimal("1e999999"))])


def test_an_edited_max_applies_to_what_was_spent_before(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    for _ in range(3):
        admitted(ledger, charge(make(store, 3)))
        clock.advance(1)
    admitted(ledger, charge(make(store, 4)))
    assert refused(ledger, charge(make(store, 2))).retry_after == 59.0
    assert refused(ledger, charge(make(store, 2), 0)).retry_after == 58.0


@pytest.mark.parametrize(
    ("op", "value", "before", "after"),
    [
        ("lt", 1, True, False),
        ("lte", Decimal("0.5"), True, False),
        ("gt", 0, False, True),
        ("gte", 1, False, True),
        ("eq", 0, True, False),
        ("neq", 1, True, False),
        ("in", [0, 5], True, False),
        ("not_in", ["x", 1], True, False),
        ("exists", True, True, True),
        ("exists", False, False, False),
        ("lt", "9", False, False),
        ("in", 7, False, False),
    ],
)
def test_a_guard_sees_the_counter_before_the_charge(
    store: Store, ledger: Ledger, op: GuardOp, value: object, before: bool, after: bool
) -> None:
    calls = make(store, 10)
    for expected in (before, after):
        result = ledger.reserve([charge(calls)], [guard(calls, op, value)])
        assert isinstance(result, Reserved) is expected
        if isinstance(result, Refused):
            assert (result.guard is not None, result.limit, result.retry_after) == (True, None, None)
            admitted(ledger, charge(calls))


def test_a_limit_has_no_more_live_counters_than_allowed(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    calls = make(store, 5, max_counters=2)
    admitted(ledger, charge(calls, key="a"))
    clock.advance(1)
    undone = admitted(ledger, charge(calls, key="b"))
    answer = refused(ledger, charge(calls, key="c"))
    assert (answer.too_many_counters, answer.retry_after, answer.limit) == (True, None, calls)
    admitted(ledger, charge(calls, key="a"))
    ledger.settle(undone, spent=False)
    admitted(ledger, charge(calls, key="c"))
    refused(ledger, charge(calls, key="b"))
    admitted(ledger, charge(make(store, 5, id="other", max_counters=1), key="b"))


def test_expired_counters_make_room_and_do_not_come_back_beside_new_ones(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    calls = make(store, 5, max_counters=2)
    admitted(ledger, charge(calls, key="a"))
    clock.advance(30)
    admitted(ledger, charge(calls, key="b"))
    clock.advance(29.999)
    refused(ledger, charge(calls, key="c"))
    clock.advance(0.001)
    refused(ledger, charge(calls, key="a"), charge(calls, key="c"))
    admitted(ledger, charge(calls, key="c"))
    refused(ledger, charge(calls, key="a"))


def test_keys_may_be_long_or_not_unicode(store: Store, ledger: Ledger) -> None:
    calls = make(store, 1)
    for key in ("x" * 100_000, "x" * 99_999 + "y", "\ud800", "\ud801", "a\0b", "a\0c", "é", ""):
        admitted(ledger, charge(calls, key=key))
        refused(ledger, charge(calls, key=key))


def test_a_calendar_window_ends_with_its_day(store: Store, ledger: Ledger, clock: ManualClock) -> None:
    today = make(store, 2, DAY)
    left = 86_400 - clock.wall_ns() // 1_000_000_000 % 86_400
    admitted(ledger, charge(today))
    admitted(ledger, charge(today))
    assert refused(ledger, charge(today)).retry_after == left
    assert ledger.used("calls|", DAY) == (2, left)
    clock.advance(left - 0.001)
    assert refused(ledger, charge(today)).retry_after == 0.001
    clock.advance(0.001)
    admitted(ledger, charge(today))


@pytest.mark.parametrize("step", [86_400.0, 40 * 86_400.0, -86_400.0, -10 * 365 * 86_400.0])
def test_a_stepped_wall_clock_ends_no_window_and_keeps_none_for_ever(
    store: Store, ledger: Ledger, clock: ManualClock, step: float
) -> None:
    today, calls = make(store, 1, DAY, id="today"), make(store, 1)
    admitted(ledger, charge(today), charge(calls))
    left = 86_400 - clock.wall_ns() // 1_000_000_000 % 86_400
    clock.step_wall(step)
    refused(ledger, charge(calls))
    wait = refused(ledger, charge(today)).retry_after
    assert wait is not None
    assert left / 1.01 - 1 < wait < left / 0.99 + 1
    clock.advance(wait - 0.001)
    refused(ledger, charge(today))
    clock.advance(0.001)
    admitted(ledger, charge(today))
    clock.step_wall(-step)
    refused(ledger, charge(today))


def test_a_counter_of_many_ticks_stays_exact_in_sum_and_strict_in_time(
    store: Store, ledger: Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("window", "memory"):
        monkeypatch.setattr(f"callgate.state.{module}.EXACT_ENTRIES", 50)
    calls = make(store, 400)
    for _ in range(400):
        admitted(ledger, charge(calls))
        clock.advance(0.125)
    clock.advance(10 - 0.001)
    wait = refused(ledger, charge(calls)).retry_after
    assert wait == 0.001
    clock.advance(30)
    assert int(ledger.used("calls|", MINUTE)[0]) >= 400 - 30 * 8


def test_a_batch_is_answered_in_order_each_call_by_itself_and_one_error_stops_no_other(
    store: Store, ledger: Ledger
) -> None:
    calls, other = make(store, 2), make(store, 5, id="other")
    answers = ledger.reserve_many(
        [
            ([charge(calls), charge(other)], []),
            ([charge(calls, -1)], []),
            ([charge(calls)], [guard(calls, "eq", 1)]),
            ([charge(calls), charge(other)], []),
            ([charge(other)], [guard(calls, "lt", 2)]),
            ([charge(other)], []),
        ]
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [Reserved, StateError, Reserved, Refused, Refused, Reserved]
    assert (ledger.used("calls|", MINUTE)[0], ledger.used("other|", MINUTE)[0]) == (2, 2)
    made = [answer.id for answer in answers if isinstance(answer, Reserved)]
    assert len(set(made)) == 3
    ledger.settle_many([(made[0], False), ("no such reservation", False), (made[1], True), (made[0], False)])
    ledger.settle_many([(made[1], False)])
    assert (ledger.used("calls|", MINUTE)[0], ledger.used("other|", MINUTE)[0]) == (1, 1)
    assert ledger.reserve_many([]) == []
