"""Python values as plain JSON values, for results and for the arguments of tool calls.

Everything is bounded: depth, and the bytes that the encoded value may have, counted from below while it is built, so
that a huge value is refused before it is copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import isfinite

from . import convert_arrays
from .convert_scalars import (
    NO_SCALAR,
    Path,
    TooLarge,
    Unfit,
    describe,
    finite,
    is_bytes,
    is_day,
    is_moment,
    is_of,
    key_text,
    scalar,
    short,
    spell_path,
)
from .output_types import ANY, Alternative, Type, spell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 100


class Converter:
    """Turns values into JSON values until `room` bytes are used up."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._open: set[int] = set()

    def convert(self, value: Any, kind: Type, path: Path) -> Any:
        """`value` as a JSON value of the type `kind`; `path` is what messages call it. Raises Unfit and TooLarge."""
        plain = self._plain(value, kind, path)
        if (
            kind is not ANY
            and kind != ANY
            and not any(_fits(plain, value, alternative) for alternative in kind)
        ):
            raise Unfit(f"`{spell_path(path)}` was declared as `{spell(kind)}`, but is {describe(value)}")
        return plain

    def take(self, size: int) -> None:
        """Count `size` bytes. Raises TooLarge."""
        self.room -= size
        if self.room < 0:
            raise TooLarge

    def expect(self, size: int) -> None:
        """Raise TooLarge if there is no room for `size` bytes; counts nothing."""
        if size > self.room:
            raise TooLarge

    def _plain(self, value: Any, kind: Type, path: Path) -> Any:
        exact = type(value)
        if exact is str:
            self.take(len(value) + 2)
            return value
        if exact is int or exact is bool or value is None:
            self.take(1)
            return value
        if exact is float:
            self.take(1)
            return finite(value, path)
        if exact is not list and exact is not dict:
            if is_of(value, "enum", "Enum"):
                return self._plain(value.value, kind, path)
            plain = scalar(value, kind, path)
            if plain is not NO_SCALAR:
                self.take(len(plain) + 2 if isinstance(plain, str) else 1)
                return plain
        if id(value) in self._open:
            raise Unfit(f"`{spell_path(path)}` contains itself")
        if len(self._open) >= DEEPEST:
            raise Unfit(f"`{spell_path(path)}` is nested deeper than {DEEPEST} levels")
        self._open.add(id(value))
        try:
            return self._composite(value, kind, path)
        finally:
            self._open.discard(id(value))

    def _composite(self, value: Any, kind: Type, path: Path) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value.items(), kind, path)
        if isinstance(value, (list, tuple, deque, range)):
            return self.sequence(value, kind, path)
        if isinstance(value, (set, frozenset)):
            try:
                # a set has no order of its own; two attempts should not differ
                return self.sequence(sorted(value), kind, path)
            except TypeError:
                return self.sequence(value, kind, path)
        if hasattr(type(value), "__dataclass_fields__"):
            fields = type(value).__dataclass_fields__
            return self.mapping([(name, getattr(value, name)) for name in fields], kind, path)
        return convert_arrays.composite(self, value, kind, path)

    def sequence(self, values: Iterable[Any], kind: Type, path: Path) -> list[Any]:
        """The values as a list, each of the type that `kind` says a list holds."""
        item = _item(kind, "list")
        self.take(2)
        if item is ANY and type(values) is list and self._simple(values):
            return list(values)
        return [self.convert(value, item, (path, place)) for place, value in enumerate(values)]

    def _simple(self, values: list[Any]) -> bool:
        """Whether they are plain already, seen without a look at each; counts them if so."""
        kinds = set(map(type, values))
        if kinds == {str}:
            self.take(sum(map(len, values)) + 2 * len(values))
        elif kinds <= _PLAIN or (kinds == {float} and all(map(isfinite, values))):
            self.take(len(values))
        else:
            return False
        return True

    def mapping(self, items: Iterable[tuple[Any, Any]], kind: Type, path: Path) -> dict[str, Any]:
        """The pairs as a dict with text for keys."""
        item = _item(kind, "dict")
        self.take(2)
        plain: dict[str, Any] = {}
        for key, value in items:
            name = key if type(key) is str else key_text(key, path)
            if name in plain:
                raise Unfit(f"`{spell_path(path)}` has two keys that are both written as {short(name)}")
            self.take(len(name) + 3)
            plain[name] = self.convert(value, item, (path, name))
        return plain


def _item(kind: Type, name: str) -> Type:
    """What the lists (or dicts) of this type hold: the union of what the alternatives say."""
    items = [alternative.item for alternative in kind if alternative.name == name]
    if not items or None in items:
        return ANY
    return tuple(alternative for item in items if item is not None for alternative in item)


_PLAIN = {int, bool, type(None)}

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "number": (float, int),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "null": (type(None),),
}


def _fits(plain: Any, value: Any, alternative: Alternative) -> bool:
    """Plain JSON types by what is written; the others by what the value was."""
    name = alternative.name
    if name == "any":
        return True
    if name in _JSON_TYPES:
        return isinstance(plain, _JSON_TYPES[name]) and (name == "bool" or not isinstance(plain, bool))
    if name == "bytes":
        return is_bytes(value)
    if name == "datetime":
        return is_moment(value)
    if name == "date":
        return is_day(value)
    return any(base.__name__ == name for base in type(value).__mro__)
