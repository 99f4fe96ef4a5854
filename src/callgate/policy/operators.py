"""The eleven operators, compiled to functions from a present value to True, False or None for unknown.

Unknown means that servers may take the value for different things: one of another type ("true" for true, "7" for
7), or a number that is not the same as a double (see `numbers`). What follows from it is not decided here. Time is
linear in the value.
"""

import operator
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Literal

from callgate.policy.model import Operator
from callgate.policy.numbers import SAFE, as_double, exact
from callgate.policy.regex import compile_search

Test = Callable[[Any], bool | None]

_LEAST = -SAFE

_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    list: "list",
    dict: "object",
    type(None): "null",
}


def compile_operator(op: Operator, value: Any) -> Test:
    """Return the test for `op value`. `exists` is not here: it is about absence (see `predicates`).

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
            return _unknown if bound is None else _order(op, bound)
        case _:
            return _unknown


def compile_equal(expected: Any) -> Test:
    """Return the test whether a value equals `expected`, deeply for lists and objects.

    A value of another type is unknown; only null is either there or not.
    """
    if expected is None:
        return lambda value: value is None
    if type(expected) is str:
        return lambda value: value == expected if type(value) is str else None
    if type(expected) is bool:
        return lambda value: value is expected if type(value) is bool else None
    if type(expected) is list:
        return _equal_list([compile_equal(item) for item in expected])
    if type(expected) is dict:
        return _equal_object({key: compile_equal(item) for key, item in expected.items()})
    number = exact(expected)
    return _unknown if number is None else _equal_number(number)


def _equal_number(expected: int | Decimal) -> Test:
    rounded = as_double(expected)
    is_double = rounded == expected

    def equal(value: Any) -> bool | None:
        if is_double and type(value) is int and _LEAST <= value <= SAFE:
            return value == expected
        number = exact(value)
        if number is None:
            return None
        holds = number == expected
        double = number if type(value) is float else as_double(number)
        return holds if (double == rounded) is holds else None

    return equal


def _equal_list(items: list[Test]) -> Test:
    size = len(items)

    def equal(value: Any) -> bool | None:
        if type(value) is not list:
            return None
        if len(value) != size:
            return False
        return _every(item(part) for item, part in zip(items, value, strict=True))

    return equal


def _equal_object(items: dict[str, Test]) -> Test:
    names = items.keys()

    def equal(value: Any) -> bool | None:
        if type(value) is not dict:
            return None
        if value.keys() != names:
            return False
        return _every(item(value[key]) for key, item in items.items())

    return equal


def _every(outcomes: Iterable[bool | None]) -> bool | None:
    result: bool | None = True
    for outcome in outcomes:
        if outcome is False:
            return False
        if outcome is None:
            result = None
    return result


def _any(outcomes: Iterable[bool | None]) -> bool | None:
    result: bool | None = False
    for outcome in outcomes:
        if outcome:
            return True
        if outcome is None:
            result = None
    return result


def _member(options: list[Any]) -> Test:
    """A value of a type that the list holds is in it or not; one of another type is unknown."""
    strings = frozenset(option for option in options if type(option) is str)
    numbers = frozenset(number for option in options if (number := exact(option)) is not None)
    rounded = frozenset(map(as_double, numbers))
    are_doubles = bool(numbers) and rounded == numbers
    containers = {
        kind: [compile_equal(option) for option in options if type(option) is kind] for kind in (list, dict)
    }
    kinds = {_KINDS.get(type(option)) for option in options}
    of_another_type = None if kinds - {"null"} else False

    def member(value: Any) -> bool | None:
        if type(value) is str and strings:
            return value in strings
        if are_doubles and type(value) is int and _LEAST <= value <= SAFE:
            return value in numbers
        kind = _KINDS.get(type(value))
        if kind not in kinds:
            return of_another_type
        if kind == "number":
            number = exact(value)
            if number is None:
                return None
            holds = number in numbers
            double = number if type(value) is float else as_double(number)
            return holds if (double in rounded) is holds else None
        if kind == "list" or kind == "object":
            return _any(equal(value) for equal in containers[type(value)])
        return kind == "null" or any(option is value for option in options)

    return member


def _negated(test: Test) -> Test:
    def negated(value: Any) -> bool | None:
        holds = test(value)
        return None if holds is None else not holds

    return negated


def _contains(needle: Any) -> Test:
    equal = compile_equal(needle)
    text = needle if type(needle) is str else None

    def contains(value: Any) -> bool | None:
        if type(value) is str:
            return None if text is None else text in value
        if type(value) is list:
            return _any(map(equal, value))
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


def _order(op: Literal["lt", "lte", "gt", "gte"], bound: int | Decimal) -> Test:
    compare, quickly = _ORDER[op]
    rounded = as_double(bound)
    is_double = rounded == bound

    def test(value: Any) -> bool | None:
        number = exact(value)
        if number is None:
            return None
        holds = compare(number, bound)
        if type(value) is float and is_double:
            return holds
        return holds if compare(as_double(number), rounded) is holds else None

    return quickly(bound, test) if is_double else test


# Most values are small integers, which every reader takes for the same.


def _less(bound: int | Decimal, otherwise: Test) -> Test:
    def less(value: Any) -> bool | None:
        return value < bound if type(value) is int and _LEAST <= value <= SAFE else otherwise(value)

    return less


def _less_or_equal(bound: int | Decimal, otherwise: Test) -> Test:
    def less_or_equal(value: Any) -> bool | None:
        return value <= bound if type(value) is int and _LEAST <= value <= SAFE else otherwise(value)

    return less_or_equal


def _greater(bound: int | Decimal, otherwise: Test) -> Test:
    def greater(value: Any) -> bool | None:
        return value > bound if type(value) is int and _LEAST <= value <= SAFE else otherwise(value)

    return greater


def _greater_or_equal(bound: int | Decimal, otherwise: Test) -> Test:
    def greater_or_equal(value: Any) -> bool | None:
        return value >= bound if type(value) is int and _LEAST <= value <= SAFE else otherwise(value)

    return greater_or_equal


_ORDER: dict[str, tuple[Callable[[Any, Any], bool], Callable[[int | Decimal, Test], Test]]] = {
    "lt": (operator.lt, _less),
    "lte": (operator.le, _less_or_equal),
    "gt": (operator.gt, _greater),
    "gte": (operator.ge, _greater_or_equal),
}


def _unknown(value: Any) -> None:  # noqa: ARG001
    return None
