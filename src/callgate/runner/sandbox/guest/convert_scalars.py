"""Single values as JSON values: texts, numbers, moments, bytes. What a value is called in a message, too.

Decimal, Fraction, UUID and the like are looked up among the modules that the script has imported, since importing them
here would make every start slower; a value of theirs cannot exist without them.
"""

from __future__ import annotations

import math
import sys
from binascii import b2a_base64
from datetime import date, datetime, time, timedelta
from os import PathLike, fspath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .output_types import Type

NO_SCALAR = object()

Path = str | tuple["Path", object]
"""Where a value is: a variable's name, or (where, index or key). Spelled only when a message needs it."""

_AS_TEXT = (("uuid", "UUID"), ("ipaddress", "_BaseAddress"), ("ipaddress", "_BaseNetwork"))
_MOST_STEPS = 20
_BYTES = (bytes, bytearray, memoryview)


class Unfit(Exception):
    """The value cannot be written, or has another type than was declared. The message names the place."""


class TooLarge(Exception):
    """The value needs more bytes than there is room for."""


def spell_path(path: Path) -> str:
    """The place as the script would write it: `name[3]['key']`; the outer part only, of a very deep one."""
    steps: list[str] = []
    while not isinstance(path, str):
        path, step = path
        steps.append(f"[{short(step) if isinstance(step, str) else step}]")
    deep = len(steps) > _MOST_STEPS
    return path + "".join(steps[::-1][:_MOST_STEPS]) + ("..." if deep else "")


def scalar(value: Any, kind: Type, path: Path) -> Any:
    """The value as text, number, truth value or null; NO_SCALAR if it is none of ours. Raises Unfit."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return finite(float(value), path)
    if isinstance(value, _BYTES):
        return b2a_base64(value, newline=False).decode()
    if isinstance(value, (date, time)):
        # pandas' NaT is a datetime, and the one that is not equal to itself
        return value.isoformat() if value == value else None
    if isinstance(value, timedelta):
        return value.total_seconds() if value == value else None
    if is_of(value, "decimal", "Decimal") or is_of(value, "fractions", "Fraction"):
        return _exact(value, kind, path)
    if isinstance(value, PathLike):
        name = fspath(value)
        return name if isinstance(name, str) else b2a_base64(name, newline=False).decode()
    if any(is_of(value, module, name) for module, name in _AS_TEXT):
        return str(value)
    return NO_SCALAR


def is_of(value: object, module: str, name: str) -> bool:
    """Whether the value is of the class `name` of a module, if that has been imported at all."""
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and isinstance(value, found)


def is_bytes(value: object) -> bool:
    return isinstance(value, _BYTES)


def is_moment(value: object) -> bool:
    """Whether it is a date with a time."""
    return isinstance(value, datetime) or type_name(value) == "datetime64"


def is_day(value: object) -> bool:
    return isinstance(value, date) or type_name(value) == "datetime64"


def _exact(value: Any, kind: Type, path: Path) -> Any:
    """A number where one was declared; else the text that loses nothing."""
    names = {alternative.name for alternative in kind}
    number = float(value)
    if "int" in names and math.isfinite(number) and value == int(value):
        return int(value)
    if names & {"float", "number"}:
        return finite(number, path)
    return str(value)


def finite(value: float, path: Path) -> float:
    """The number itself. Raises Unfit for NaN and the infinities, which JSON cannot say."""
    if math.isfinite(value):
        return value
    raise Unfit(f"`{spell_path(path)}` is {value}, which JSON cannot say; use None, or another number")


def key_text(key: Any, path: Path) -> str:
    """A dict's key as text. Raises Unfit."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return "null" if key is None else str(key).lower()
    if is_of(key, "enum", "Enum"):
        return key_text(key.value, path)
    plain = str(key) if hasattr(key, "dtype") and hasattr(key, "item") else scalar(key, (), path)
    if plain is NO_SCALAR or plain is None or is_bytes(key):
        raise Unfit(f"`{spell_path(path)}` has a key that is {describe(key)}; keys must be text")
    return str(plain)


def type_name(value: object) -> str:
    return type(value).__name__


def describe(value: object) -> str:
    """A value's type for a message: what it is, never what is in it."""
    return "null" if value is None else f"`{type_name(value)[:80]}`"


def short(name: str) -> str:
    """A key for a message, in quotes."""
    return repr(name if len(name) <= 40 else name[:37] + "...")
