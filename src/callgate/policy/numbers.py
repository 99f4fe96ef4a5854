"""Exact numbers: 1, 1.0 and Decimal("1.00") are one number, True is none, and no number is rounded by accident.

Most servers read numbers as doubles, and some exactly. Where the two differ (49.99999999999999999999 is the double
50) nobody here knows what will be executed: `as_double` gives the second reading beside the exact one.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from callgate.decision import Amount

MAX_DIGITS = 100
"""Digits of an amount before, and after, the decimal point: what a limit store can add exactly."""

SAFE = 2**53
"""Integers up to this size are the same to every reader."""

_LEAST = -SAFE
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


def as_double(number: Amount) -> Amount:
    """Return what a server that reads `number` as a double would print: `number` itself unless they differ.

    Beyond the range of doubles that is an infinite Decimal.
    """
    if type(number) is int and _LEAST <= number <= SAFE:
        return number
    try:
        double = Decimal(repr(float(number)))
    except OverflowError:
        return Decimal("inf" if number > 0 else "-inf")
    if double == number:
        return number
    return int(double) if double.is_finite() and double == double.to_integral_value() else double


def doubles(value: Any) -> Any:
    """Return `value` with every number in it, at any depth, as a double reads it; `value` itself if none differs.

    Nothing is copied then. Recurses as deep as `value` is nested.
    """
    kind = type(value)
    if kind is int or kind is Decimal:
        number = exact(value)
        return value if number is None else as_double(number)
    if (kind is not dict and kind is not list) or _is_plain(value.values() if kind is dict else value):
        return value
    changed: dict[Any, Any] = {}
    for key, item in value.items() if kind is dict else enumerate(value):
        other = doubles(item)
        if other is not item:
            changed[key] = other
    if not changed:
        return value
    if kind is dict:
        return {**value, **changed}
    return [changed.get(index, item) for index, item in enumerate(value)]


def _is_plain(values: Iterable[Any]) -> bool:
    """Whether no value is a container or a number that could have a second reading: nearly always."""
    for value in values:
        kind = type(value)
        if kind is str:
            continue
        if kind is int:
            if not _LEAST <= value <= SAFE:
                return False
        elif kind is dict or kind is list or kind is Decimal:
            return False
    return True


def cost(value: Any) -> Amount | None:
    """Return what is to be charged for `value`: the larger of its readings. None if either is no amount."""
    number = amount(value)
    if number is None or type(value) is float:
        return number
    double = as_double(number)
    return amount(double) if double > number else number


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
