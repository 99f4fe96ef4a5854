"""The eleven operators, compiled to functions from a present value to True, False or None for unknown.

Unknown means that the operator cannot compare a value of this type; what follows from it is not decided here.
Numbers compare exactly, a string never equals a number, True is never 1. Time is linear in the value.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from callgate.policy.model import Operator
from callgate.policy.numbers import exact
from callgate.policy.regex import compile_search

Test = Callable[[Any], bool | None]
Equal = Callable[[Any], bool]

_NUMBERS = (int, float, Decimal)


def compile_operator(op: Operator, value: Any) -> Test:
    """Return the test for `op value`. `exists` is not here: it is about absence (see `conditions`).

    A `value` of a type the operator cannot use makes a test that is always unknown.
    """
    match op:
        case "eq":
            return compile_equal(value)
        case "neq":
            return _negated(compile_equal(value))
        case "in":
            return _member(value) if type(value) is list else _unknown
        case "not_in":
            return _negated(_member(value)) if type(value) is list else _unknown
        case "regex":
            return _regex(value) if type(value) is str else _unknown
        case "contains":
            return _contains(value)
        case "lt" | "lte" | "gt" | "gte":
            bound = exact(value)
            return _unknown if bound is None else _ORDER[op](bound)
        case _:
            return _unknown


def compile_equal(expected: Any) -> Equal:
    """Return the function that says whether a value equals `expected`, deeply for lists and objects."""
    if expected is None or type(expected) is bool:
        return lambda value: value is expected
    if type(expected) is str:
        return lambda value: type(value) is str and value == expected
    if type(expected) is list:
        return _equal_list([compile_equal(item) for item in expected])
    if type(expected) is dict:
        return _equal_object({key: compile_equal(item) for key, item in expected.items()})
    number = exact(expected)
    if number is None:
        return lambda value: False  # noqa: ARG005
    return lambda value: type(value) in _NUMBERS and exact(value) == number


def _equal_list(items: list[Equal]) -> Equal:
    size = len(items)

    def equal(value: Any) -> bool:
        return (
            type(value) is list
            and len(value) == size
            and all(item(part) for item, part in zip(items, value, strict=True))
        )

    return equal


def _equal_object(items: dict[str, Equal]) -> Equal:
    names = items.keys()

    def equal(value: Any) -> bool:
        return (
            type(value) is dict
            and value.keys() == names
            and all(item(value[key]) for key, item in items.items())
        )

    return equal


def _member(options: list[Any]) -> Equal:
    strings = frozenset(option for option in options if type(option) is str)
    numbers = frozenset(number for option in options if (number := exact(option)) is not None)
    others = [
        compile_equal(option) for option in options if type(option) is not str and exact(option) is None
    ]

    def member(value: Any) -> bool:
        if type(value) is str:
            return value in strings
        number = exact(value)
        if number is not None:
            return number in numbers
        return any(equal(value) for equal in others)

    return member


def _negated(test: Equal) -> Equal:
    return lambda value: not test(value)


def _contains(needle: Any) -> Test:
    equal = compile_equal(needle)
    text = needle if type(needle) is str else None

    def contains(value: Any) -> bool | None:
        if type(value) is str:
            return None if text is None else text in value
        if type(value) is list:
            return any(equal(item) for item in value)
        return None

    return contains


def _regex(pattern: str) -> Test:
    search = compile_search(pattern)

    def regex(value: Any) -> bool | None:
        if type(value) is not str:
            return None
        try:
            return search(value)
        except ValueError:
            # Text that is not Unicode, or a pattern that no reader should have let through.
            return None

    return regex


def _less(bound: int | Decimal) -> Test:
    def less(value: Any) -> bool | None:
        if type(value) is not int and (value := exact(value)) is None:
            return None
        return value < bound

    return less


def _less_or_equal(bound: int | Decimal) -> Test:
    def less_or_equal(value: Any) -> bool | None:
        if type(value) is not int and (value := exact(value)) is None:
            return None
        return value <= bound

    return less_or_equal


def _greater(bound: int | Decimal) -> Test:
    def greater(value: Any) -> bool | None:
        if type(value) is not int and (value := exact(value)) is None:
            return None
        return value > bound

    return greater


def _greater_or_equal(bound: int | Decimal) -> Test:
    def greater_or_equal(value: Any) -> bool | None:
        if type(value) is not int and (value := exact(value)) is None:
            return None
        return value >= bound

    return greater_or_equal


_ORDER: dict[str, Callable[[int | Decimal], Test]] = {
    "lt": _less,
    "lte": _less_or_equal,
    "gt": _greater,
    "gte": _greater_or_equal,
}


def _unknown(value: Any) -> None:  # noqa: ARG001
    return None
