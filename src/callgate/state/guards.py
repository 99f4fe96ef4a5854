"""Whether a counter's value satisfies a guard. Pure; what cannot be compared does not hold."""

from decimal import Decimal
from typing import Any

from callgate.decision import Amount, Guard


def holds(guard: Guard, used: Amount) -> bool:
    """True if the counter value `used` satisfies `guard`."""
    op, value = guard.op, guard.value
    if op == "exists":
        return value is not False
    if op == "in" or op == "not_in":
        if not isinstance(value, list | tuple):
            return False
        return any(_equal(used, item) for item in value) is (op == "in")
    if op == "eq" or op == "neq":
        return _equal(used, value) is (op == "eq")
    if not _is_number(value):
        return False
    if op == "lt":
        return bool(used < value)
    if op == "lte":
        return bool(used <= value)
    if op == "gt":
        return bool(used > value)
    return op == "gte" and bool(used >= value)


def _is_number(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) and not isinstance(value, bool)


def _equal(used: Amount, value: Any) -> bool:
    return _is_number(value) and bool(used == value)
