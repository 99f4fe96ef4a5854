"""Conditions compiled to functions of the request: True, False, or None for unknown (law 2).

A path that leads nowhere, or to a type the operator cannot compare, is unknown, and never guessed.
"""

from collections.abc import Callable, Sequence

from callgate.decision import Request
from callgate.policy.model import Condition
from callgate.policy.operators import compile_operator
from callgate.policy.paths import ABSENT, compile_path, looks_beyond_caller

Predicate = Callable[[Request], bool | None]


def compile_condition(condition: Condition) -> Predicate:
    """Return the predicate of one condition."""
    get = compile_path(condition.path)
    if condition.op == "exists":
        wanted = condition.value
        if type(wanted) is not bool:
            return always_unknown
        return lambda request: ((value := get(request)) is not ABSENT and value is not None) is wanted
    test = compile_operator(condition.op, condition.value)
    if condition.path[0] == "args" and len(condition.path) == 2:
        # The common shape, without a call for the path.
        key = condition.path[1]

        def holds_for_argument(request: Request) -> bool | None:
            value = request.arguments.get(key, ABSENT)
            return None if value is ABSENT else test(value)

        return holds_for_argument

    def holds(request: Request) -> bool | None:
        value = get(request)
        return None if value is ABSENT else test(value)

    return holds


def conjunction(predicates: Sequence[Predicate]) -> Predicate | None:
    """Return the predicate that all of `predicates` hold; None if there are none, which always holds.

    One that is plainly false makes it false, whatever the others are; else one unknown makes it unknown.
    """
    if not predicates:
        return None
    if len(predicates) == 1:
        return predicates[0]
    parts = tuple(predicates)

    def all_hold(request: Request) -> bool | None:
        result: bool | None = True
        for part in parts:
            holds = part(request)
            if holds is False:
                return False
            if holds is None:
                result = None
        return result

    return all_hold


def always_unknown(request: Request) -> None:  # noqa: ARG001
    return None


def is_fixed(condition: Condition) -> bool:
    """Whether the condition's outcome is the same for all calls of one tool by one caller."""
    return not looks_beyond_caller(condition.path)
