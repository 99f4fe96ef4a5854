"""Exact amounts: ints where possible, else decimals; never a float, never a rounded digit.

An amount that could not be added exactly and in bounded time is refused as an error: an agent may write
`1e999999` as a cost.
"""

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

from callgate.decision import Amount, Limit
from callgate.errors import StateError

MAX_DIGITS = 100
"""How many digits an amount may have before, and how many after, the decimal point."""

# Sums of up to 10**200 such amounts fit without rounding; Inexact is trapped in case one does not.
_EXACT = Context(prec=2 * MAX_DIGITS + 200, traps=[Inexact, InvalidOperation, Overflow])
_INT_BOUND: int = 10**MAX_DIGITS
_MAX_TEXT = 2 * MAX_DIGITS + 220


def check(amount: Amount) -> None:
    """Raise StateError STA012 unless `amount` is a finite number ≥ 0 of at most 100 + 100 digits."""
    if type(amount) is int:
        if 0 <= amount < _INT_BOUND:
            return
    elif isinstance(amount, Decimal) and amount.is_finite() and amount >= 0:
        exponent = amount.as_tuple().exponent
        if isinstance(exponent, int) and exponent >= -MAX_DIGITS and amount.adjusted() < MAX_DIGITS:
            return
    raise uncountable()


def uncountable() -> StateError:
    """The error for an amount that `check` refuses."""
    return StateError(
        "STA012",
        "an amount to be counted is negative, not a number, or too long to be counted exactly",
        f"costs are numbers from 0 up, with at most {MAX_DIGITS} digits on each side of the decimal point",
    )


def add(left: Amount, right: Amount) -> Amount:
    """The exact sum."""
    if type(left) is int and type(right) is int:
        return left + right
    try:
        return _EXACT.add(Decimal(left), Decimal(right))
    except DecimalException:
        raise _inexact() from None


def subtract(left: Amount, right: Amount) -> Amount:
    """The exact difference."""
    if type(left) is int and type(right) is int:
        return left - right
    try:
        return _EXACT.subtract(Decimal(left), Decimal(right))
    except DecimalException:
        raise _inexact() from None


def fits(limit: Limit, total: Amount) -> bool:
    """Whether a counter of `limit` may hold `total`."""
    maximum = limit.max
    if maximum is None:
        return True
    return total < maximum if limit.strict else total <= maximum


def to_text(amount: Amount) -> str:
    """The exact decimal digits, as `from_text` reads them."""
    return str(amount)


def from_text(text: object) -> Amount:
    """Read an amount that `to_text` wrote. ValueError if it is anything else."""
    if type(text) is not str or not text or len(text) > _MAX_TEXT or not text.isascii():
        raise ValueError("not an amount")
    if text.isdigit():
        return int(text)
    try:
        amount = _EXACT.create_decimal(text)
    except DecimalException:
        raise ValueError("not an amount") from None
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > _MAX_TEXT:
        raise ValueError("not an amount")
    return amount


def _inexact() -> StateError:
    return StateError(
        "STA012",
        "a counter has grown too long to be counted exactly",
        "look at what the limit's cost is taken from",
    )
