"""The sentences that a refused agent reads: short, true, and what to do. Names and values come out escaped."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from callgate.policy.model import Condition
from callgate.policy.paths import show_path
from callgate.text import clause, escape, quote

_SHOWN = 120
_LISTED = 5

_MUST = {
    "eq": "must be {}",
    "neq": "must not be {}",
    "in": "must be one of {}",
    "not_in": "must not be one of {}",
    "lt": "must be a number less than {}",
    "lte": "must be a number of at most {}",
    "gt": "must be a number more than {}",
    "gte": "must be a number of at least {}",
    "regex": "must be text that matches {}",
    "contains": "must contain {}",
}


def show_value(value: Any, limit: int = _SHOWN) -> str:
    """Return `value` as JSON writes it, escaped, and cut to about `limit` characters.

    Only as much of it is looked at as is shown.
    """
    return _cut(escape("".join(_written(value, limit, 0))[: limit + 1]), limit)


def _written(value: Any, limit: int, depth: int) -> list[str]:
    if type(value) is dict or type(value) is list:
        if depth == 4:
            return ["…"]
        parts: list[str] = []
        room = limit
        for item in value.items() if type(value) is dict else value:
            own = _written(item[1] if type(value) is dict else item, room, depth + 1)
            text = "".join(own) if type(value) is list else f"{_text(item[0], room)}: {''.join(own)}"
            parts.append(text)
            room -= len(text) + 2
            if room <= 0:
                parts.append("…")
                break
        opening, closing = "{}" if type(value) is dict else "[]"
        return [opening, ", ".join(parts), closing]
    if type(value) is str:
        return [_text(value, limit)]
    if value is None:
        return ["null"]
    if type(value) is bool:
        return ["true" if value else "false"]
    if type(value) is int and value.bit_length() > 4 * _SHOWN:
        return ["a very long number"]
    return [str(value)[: limit + 1] if type(value) in (int, float, Decimal) else type(value).__name__]


def _text(text: str, limit: int) -> str:
    return '"' + text[: limit + 1].replace('"', '\\"') + '"'


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def must(condition: Condition) -> str:
    """Return what the condition asks for, as an instruction."""
    path = quote(show_path(condition.path))
    if condition.op == "exists":
        return f"{path} must be given" if condition.value else f"{path} must be left out"
    wanted = condition.value
    shown = ", ".join(map(show_value, wanted[:20])) if type(wanted) is list else show_value(wanted)
    return f"{path} {_MUST[condition.op].format(_cut(shown, _SHOWN))}"


def cannot_judge(tool: str, conditions: Sequence[Condition], reason: str | None = None) -> str:
    """Return why a rule holds against a call that it cannot judge; `reason` is the rule's own."""
    if reason:
        return because(reason, needs_usable(conditions))
    paths = names([show_path(condition.path) for condition in conditions])
    return f"the policy denies some calls of {quote(tool)}; to judge this one it needs a usable {paths}"


def needs_usable(conditions: Sequence[Condition]) -> str:
    """Return what is missing where a condition cannot be evaluated."""
    paths = names([show_path(condition.path) for condition in conditions])
    return f"the call needs a usable {paths} to be judged"


def because(reason: str | None, cause: str) -> str:
    """Return `reason: cause`; a reason of the rule's own never hides what was wrong with the call."""
    return f"{clause(reason)}: {cause}" if reason else cause


def names(texts: Sequence[str]) -> str:
    """Return up to five names in backticks, and how many more there are."""
    shown = ", ".join(quote(text) for text in texts[:_LISTED])
    return shown if len(texts) <= _LISTED else f"{shown} and {len(texts) - _LISTED} more"
