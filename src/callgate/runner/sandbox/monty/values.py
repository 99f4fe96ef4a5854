"""Values of a script made plain: JSON, bounded in size and depth. Imports nothing; runs in the child process.

A value may be hostile: it can hold itself, or hold one list two to the fortieth times. The walk counts what JSON would
take, and stops at the bound before it has built more than that.
"""

from typing import Any

MAX_DEPTH = 100
_MAX_BITS = 12_000


class NotPlain(Exception):
    """A value that JSON cannot carry. The text says why, and can follow "it"."""


class TooLarge(Exception):
    """More than the bound."""


class Budget:
    """How many bytes of JSON may still come of it."""

    def __init__(self, size: int) -> None:
        self.left = size

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooLarge


def plain(value: Any, budget: Budget, depth: int = 0) -> Any:
    """Return `value` as JSON values: tuples and sets become lists, dates and decimal numbers become text.

    Raises NotPlain for what JSON has no form for, TooLarge when `budget` is used up.
    """
    kind = type(value)
    if kind is dict:
        _check(depth, budget)
        return {_key(key, budget): plain(item, budget, depth + 1) for key, item in value.items()}
    if kind in (list, tuple, set, frozenset):
        _check(depth, budget)
        return [plain(item, budget, depth + 1) for item in value]
    if value is None or kind is bool:
        budget.spend(5)
        return value
    if kind is int:
        bits = value.bit_length()
        if bits > _MAX_BITS:
            raise NotPlain("has a number of more than 3,600 digits")
        budget.spend(bits // 4 + 2)
        return value
    if kind is float:
        budget.spend(8)
        if value - value != 0:
            raise NotPlain(f"has the number {value}, which JSON does not know")
        return value
    text = value if kind is str else _text(value)
    if text is None:
        raise NotPlain(f"has a value of type {kind.__name__}, which has no form in JSON")
    budget.spend(len(text) + 3)
    return text


def _check(depth: int, budget: Budget) -> None:
    if depth >= MAX_DEPTH:
        raise NotPlain(f"is nested more than {MAX_DEPTH} deep, or holds itself")
    budget.spend(3)


def _key(key: Any, budget: Budget) -> str:
    if type(key) is not str:
        raise NotPlain(f"has a dict with a key of type {type(key).__name__}; JSON has only text for keys")
    budget.spend(len(key) + 4)
    return key


def _text(value: Any) -> str | None:
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return str(isoformat())
    return str(value) if type(value).__name__ in ("Decimal", "PurePosixPath", "PosixPath") else None
