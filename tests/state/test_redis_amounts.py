"""What the Redis store adds up and compares is exact: the same as the store in memory, for any amounts."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from redis_servers import redis
from state_stores import MINUTE, charge, limit, scratch

from callgate.clock import ManualClock
from callgate.decision import Amount, Guard, GuardOp
from callgate.errors import StateError
from callgate.state.ledger import Ledger, Refused, Reserved
from callgate.state.memory import MemoryLedger

DIGITS = st.text("0123456789", min_size=1, max_size=100)
AMOUNTS: st.SearchStrategy[Amount] = st.one_of(
    st.integers(0, 20),
    st.integers(0, 10**16),
    st.sampled_from([10**15 - 1, 10**15, 2**53, 2**53 + 1, 10**14, 10**28 - 1, 10**100 - 1, -1]),
    st.builds(lambda before, after: Decimal(f"{before}.{after}"), DIGITS, DIGITS),
    st.decimals(0, 10, places=3),
    st.sampled_from(
        [Decimal("1E-100"), Decimal("1E+99"), Decimal("0E-50"), Decimal("9" * 100), Decimal("1E-101")]
    ),
)
BOUNDS: st.SearchStrategy[Amount | None] = st.one_of(
    AMOUNTS,
    st.none(),
    st.sampled_from(
        [
            Decimal("1E-150"),
            Decimal("1E+999999"),
            Decimal("1E-999999"),
            10**5000,
            Decimal("0." + "1" * 100 + "00001"),
            Decimal("0." + "1" * 130),
            Decimal("Infinity"),
            Decimal("-0.0"),
        ]
    ),
)
OPS = st.sampled_from(["eq", "neq", "lt", "lte", "gt", "gte", "in", "not_in", "exists"])
VALUES = st.one_of(
    BOUNDS, st.lists(BOUNDS, max_size=3), st.sampled_from(["1", True, False, 0.5, Decimal("NaN")])
)


def answer(ledger: Ledger, *arguments: object) -> object:
    """What the ledger says, without what it makes up."""
    try:
        found = ledger.reserve(*arguments)  # type: ignore[arg-type]
    except StateError as error:
        return error.code
    return "reserved" if isinstance(found, Reserved) else found


@settings(max_examples=120, deadline=None)
@given(
    calls=st.lists(st.tuples(st.lists(AMOUNTS, min_size=1, max_size=3), BOUNDS, st.booleans()), max_size=8),
    refunds=st.sets(st.integers(0, 7)),
)
def test_sums_differences_and_bounds_are_those_of_the_store_in_memory(
    calls: list[tuple[list[Amount], Amount | None, bool]], refunds: set[int]
) -> None:
    with scratch() as directory:
        clock = ManualClock()
        ours, theirs = redis(clock, directory), MemoryLedger(clock)
        made: list[tuple[str, str]] = []
        for amounts, bound, strict in calls:
            of = limit(bound, strict=strict)
            charges = [charge(of, amount) for amount in amounts]
            assert answer(ours, charges[:1], []) == answer(theirs, charges[:1], [])
            try:
                mine, other = ours.reserve(charges), theirs.reserve(charges)
            except StateError:
                assert answer(theirs, charges) == "STA012"
                continue
            assert isinstance(mine, Refused) or isinstance(other, Reserved)
            if isinstance(mine, Reserved) and isinstance(other, Reserved):
                made.append((mine.id, other.id))
            else:
                assert mine == other
        for index in refunds:
            if index < len(made):
                ours.settle(made[index][0], spent=False)
                theirs.settle(made[index][1], spent=False)
        assert ours.used("calls|", MINUTE) == theirs.used("calls|", MINUTE)
        ours.close()


@settings(max_examples=120, deadline=None)
@given(spent=AMOUNTS, op=OPS, value=VALUES)
def test_guards_compare_as_in_memory(spent: Amount, op: GuardOp, value: object) -> None:
    with scratch() as directory:
        clock = ManualClock()
        ours, theirs = redis(clock, directory), MemoryLedger(clock)
        count = limit(None)
        guards = [Guard("calls|", MINUTE, "global", op, value, rule="")]
        for _ in range(2):
            assert answer(ours, [charge(count, 1)], guards) == answer(theirs, [charge(count, 1)], guards)
            assert answer(ours, [charge(count, spent)]) == answer(theirs, [charge(count, spent)])
        ours.close()
