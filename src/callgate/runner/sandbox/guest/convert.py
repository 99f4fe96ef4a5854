"""Python values as plain JSON values, for results and for the arguments of tool calls.

Everything is bounded: depth, and the bytes that the encoded value may have, counted from below while it is built, so
that a huge value is refused before it is copied. Values of numpy and pandas are `convert_arrays`' matter.
"""

import base64
import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from os import PathLike, fspath
from typing import Any
from uuid import UUID

from .output_types import ANY, Alternative, Type, spell

DEEPEST = 100


class Unfit(Exception):
    """The value cannot be written, or has another type than was declared. The message names the place."""


class TooLarge(Exception):
    """The value needs more bytes than there is room for."""


class Converter:
    """Turns values into JSON values until `room` bytes are used up."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._open: set[int] = set()

    def convert(self, value: Any, kind: Type, path: str) -> Any:
        """`value` as a JSON value of the type `kind`. Raises Unfit and TooLarge."""
        plain = self._plain(value, kind, path)
        if kind != ANY and not any(_fits(plain, value, alternative) for alternative in kind):
            raise Unfit(f"`{path}` was declared as `{spell(kind)}`, but is {describe(value)}")
        return plain

    def take(self, size: int) -> None:
        """Count `size` bytes. Raises TooLarge."""
        self.room -= size
        if self.room < 0:
            raise TooLarge

    def _plain(self, value: Any, kind: Type, path: str) -> Any:
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
        if isinstance(value, Enum):
            return self._plain(value.value, kind, path)
        if exact in _SCALARS or isinstance(value, _SCALAR_BASES):
            plain = _scalar(value, kind, path)
            self.take(len(plain) + 2 if isinstance(plain, str) else 1)
            return plain
        if id(value) in self._open:
            raise Unfit(f"`{path}` contains itself")
        if len(self._open) >= DEEPEST:
            raise Unfit(f"`{path}` is nested deeper than {DEEPEST} levels")
        self._open.add(id(value))
        try:
            return self._composite(value, kind, path)
        finally:
            self._open.discard(id(value))

    def _composite(self, value: Any, kind: Type, path: str) -> Any:
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
        from . import convert_arrays

        return convert_arrays.composite(self, value, kind, path)

    def sequence(self, values: Iterable[Any], kind: Type, path: str) -> list[Any]:
        """The values as a list, each of the type that `kind` says a list holds."""
        item = _item(kind, "list")
        self.take(2)
        return [self.convert(value, item, f"{path}[{place}]") for place, value in enumerate(values)]

    def mapping(self, items: Iterable[tuple[Any, Any]], kind: Type, path: str) -> dict[str, Any]:
        """The pairs as a dict with text for keys."""
        item = _item(kind, "dict")
        self.take(2)
        plain: dict[str, Any] = {}
        for key, value in items:
            name = key if type(key) is str else _key(key, path)
            if name in plain:
                raise Unfit(f"`{path}` has two keys that are both written as {short(name)}")
            self.take(len(name) + 3)
            plain[name] = self.convert(value, item, f"{path}[{short(name)}]")
        return plain


_SCALARS = frozenset({bytes, bytearray, memoryview, datetime, date, time, timedelta, Decimal, UUID})
_SCALAR_BASES = (
    str, int, float, bytes, bytearray, memoryview, date, time, timedelta, Decimal, Fraction, UUID, PathLike,
    IPv4Address, IPv6Address, re.Pattern,
)  # fmt: skip


def _scalar(value: Any, kind: Type, path: str) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return finite(float(value), path)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, time)):
        # pandas' NaT is a datetime, and the one that is not equal to itself
        return value.isoformat() if value == value else None
    if isinstance(value, timedelta):
        return value.total_seconds() if value == value else None
    if isinstance(value, (Decimal, Fraction)):
        return _exact(value, kind, path)
    if isinstance(value, PathLike):
        name = fspath(value)
        return name if isinstance(name, str) else base64.b64encode(name).decode()
    return value.pattern if isinstance(value, re.Pattern) else str(value)


def _exact(value: Decimal | Fraction, kind: Type, path: str) -> Any:
    """A number where one was declared; else the text that loses nothing."""
    names = {alternative.name for alternative in kind}
    if "int" in names and value == int(value):
        return int(value)
    if names & {"float", "number"}:
        return finite(float(value), path)
    return str(value)


def finite(value: float, path: str) -> float:
    """The number itself. Raises Unfit for NaN and the infinities, which JSON cannot say."""
    if math.isfinite(value):
        return value
    raise Unfit(f"`{path}` is {value}, which JSON cannot say; use None, or another number")


def _key(key: Any, path: str) -> str:
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, Enum):
        return _key(key.value, path) if not isinstance(key.value, str) else key.value
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, (int, float, date, time, Decimal, UUID, PathLike)):
        return key.isoformat() if isinstance(key, (date, time)) else str(key)
    if hasattr(key, "dtype") and hasattr(key, "item"):
        return str(key)
    raise Unfit(f"`{path}` has a key that is {describe(key)}; keys must be text")


def _item(kind: Type, name: str) -> Type:
    """What the lists (or dicts) of this type hold: the union of what the alternatives say."""
    items = [alternative.item for alternative in kind if alternative.name == name]
    if not items or None in items:
        return ANY
    return tuple(alternative for item in items if item is not None for alternative in item)


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
        return isinstance(value, (bytes, bytearray, memoryview))
    if name == "datetime":
        return isinstance(value, datetime) or _type_name(value) == "datetime64"
    if name == "date":
        return isinstance(value, date) or _type_name(value) == "datetime64"
    return any(base.__name__ == name for base in type(value).__mro__)


def _type_name(value: Any) -> str:
    return type(value).__name__


def describe(value: Any) -> str:
    """A value's type for a message: what it is, never what is in it."""
    if value is None:
        return "null"
    return f"`{_type_name(value)[:80]}`"


def short(name: str) -> str:
    """A key for a message, in quotes."""
    return repr(name if len(name) <= 40 else name[:37] + "...")
