"""Amounts and comparisons as the Lua side of the Redis store reads them. Pure.

There, an amount is its plain decimal digits: no sign, no exponent, no zeros that say nothing. A counter holds at
most 100 digits behind the point, so a bound with more is replaced by one that lies between the same two values.
"""

from decimal import Decimal

from callgate.decision import Amount, Guard, Limit
from callgate.errors import StateError
from callgate.state import amounts
from callgate.state.admission import exceeds
from callgate.state.guards import holds

_SHORT: int = 10**15
_HUGE_DIGITS = 400
"""More digits before the point than any counter can have."""

ABOVE, ODD = "above", "odd"


def amount_text(amount: Amount, limit: Limit) -> str:
    """The digits of a charge's amount; ABOVE if it alone is above the limit, ODD if it cannot be counted."""
    if type(amount) is int and 0 <= amount < _SHORT and (limit.max is None or type(limit.max) is int):
        return str(amount) if amounts.fits(limit, amount) else ABOVE
    if limit.max is not None and exceeds(amount, limit):
        return ABOVE
    try:
        amounts.check(amount)
    except StateError:
        return ODD
    return _digits(Decimal(amount))


def limit_text(limit: Limit) -> tuple[str, str]:
    """`max` and whether the total must stay below it, as the script compares; no digits for no bound."""
    if limit.max is None:
        return "", "0"
    bound = Decimal(limit.max)
    if bound < 0:
        return "0", "1"
    return _bound(bound) or "", "1" if limit.strict else "0"


def guard_text(guard: Guard) -> tuple[str, list[str]]:
    """The operator and its operands. What no counter's value could change is `yes` or `no`."""
    op, value = guard.op, guard.value
    if op == "in" or op == "not_in":
        if isinstance(value, list | tuple):
            found = [text for text in map(_operand, value) if text]
            return (op, found) if found else ("no" if op == "in" else "yes", [])
        return "no", []
    operand = None if op == "exists" else _operand(value)
    if not operand:
        # Nothing to compare with, or a number that every counter is on one side of: any counter will do.
        return "yes" if holds(guard, 0 if operand is None or value > 0 else 1) else "no", []
    return op, [operand]


def _operand(value: object) -> str | None:
    """The digits to compare with; "" for a number that no counter can reach; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    if not number.is_finite():
        return None
    return "" if number < 0 else _bound(number) or ""


def _bound(number: Decimal) -> str | None:
    """Digits that compare with every counter's value as `number` does; None if it is above all of them."""
    if number and (number.is_infinite() or number.adjusted() >= _HUGE_DIGITS):
        return None
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -amounts.MAX_DIGITS - 1:
        return _digits(number)
    if not number:
        return "0"
    if number.adjusted() < -amounts.MAX_DIGITS - 1:
        return f"0.{'0' * amounts.MAX_DIGITS}5"
    before, _, after = format(number, "f").partition(".")
    if not after[amounts.MAX_DIGITS :].strip("0"):
        return _digits(number)
    return f"{before.lstrip('0') or '0'}.{after[: amounts.MAX_DIGITS]}5"


def _digits(number: Decimal) -> str:
    # There is a negative zero, too.
    before, _, after = format(number.copy_abs(), "f").partition(".")
    after = after.rstrip("0")
    return f"{before}.{after}" if after else before
