"""Exact numbers: 1, 1.0 and Decimal("1.00") are one number, True is none, and nothing is ever rounded."""

from decimal import Decimal
from typing import Any

from callgate.decision import Amount

MAX_DIGITS = 100
"""Digits of an amount before, and after, the decimal point: what a limit store can add exactly."""

_SMALL = 10**18
_BOUND: int = 10**MAX_DIGITS


def exact(value: Any) -> Amount | None:
    """Return `value` as an int or a finite Decimal of the same worth; None if it is not a number.

    A float stands for the number its repr shows. Booleans and strings are not numbers.
    """
    kind = type(value)
    if kind is int:
        return value  # type: ignore[no-any-return]
    if kind is float:
        value = Decimal(repr(value))
    elif kind is not Decimal:
        return None
    return value if value.is_finite() else None


def amount(value: Any) -> Amount | None:
    """Return `value` as an amount that can be spent: ≥ 0 and at most 100 + 100 digits. None if it is not."""
    number = exact(value)
    if number is None or number < 0:
        return None
    if type(number) is int:
        return number if number < _BOUND else None
    decimal = Decimal(number)
    exponent = decimal.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DIGITS or decimal.adjusted() >= MAX_DIGITS:
        return None
    return int(decimal) if decimal == decimal.to_integral_value() else decimal


def canonical(number: Amount) -> str:
    """Return one text for each number, however it was written: "1" for 1, 1.0 and 1E0, "25e-1" for 2.50.

    Raises ValueError for an int of more than 4,300 digits.
    """
    if type(number) is int and -_SMALL < number < _SMALL:
        return str(number)
    if type(number) is int:
        digits, exponent = str(number), 0
    else:
        shown = Decimal(number).as_tuple()
        digits, exponent = "".join(map(str, shown.digits)), int(shown.exponent)
        digits = ("-" if shown.sign else "") + (digits.lstrip("0") or "0")
    stripped = digits.rstrip("0")
    if stripped in ("", "-"):
        return "0"
    exponent += len(digits) - len(stripped)
    if exponent >= 0 and len(stripped.lstrip("-")) + exponent <= 18:
        return stripped + "0" * exponent
    return f"{stripped}e{exponent}"
