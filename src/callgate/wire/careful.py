"""Client frames that are not their own canonical spelling: read with every doubt resolved or refused.

Only frames come here whose re-encoding differs from what was sent: white space, escapes, other spellings of
numbers, or an attack. Two decoders must accept them, no object may hold a key twice, and numbers are kept
exactly.
"""

from decimal import Decimal
from typing import Any

from callgate.text import quote
from callgate.wire.compact import compact

MAX_FLOAT_LENGTH = 1_000
MAX_EXPONENT_DIGITS = 4


class DoubtError(Exception):
    """Why a frame is refused: a code and a message for the sender."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_carefully(line: bytes) -> tuple[Any, bytes]:
    """The exact value of a line that msgspec accepted, and the same tokens without white space.

    Numbers with a fraction or an exponent come as Decimal. Raises DoubtError, or ValueError if the standard
    library's decoder does not accept the line.
    """
    value = _decoder().decode(line.decode("utf-8"))
    return value, compact(line)


_cached: Any = None


def _decoder() -> Any:
    global _cached
    if _cached is None:
        from json import JSONDecoder  # costs milliseconds at start; canonical frames never need it

        _cached = JSONDecoder(
            object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_constant
        )
    return _cached


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DoubtError("WIR004", f"the key {quote(key, 60)} occurs twice in one object")
            seen.add(key)
    return members


def _number(text: str) -> Decimal:
    mantissa, _, exponent = text.lower().partition("e")
    if len(text) > MAX_FLOAT_LENGTH or len(exponent.lstrip("+-")) > MAX_EXPONENT_DIGITS:
        raise DoubtError("WIR008", f"the number {quote(text, 40)} is spelled too long")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise DoubtError("WIR008", f"the number {quote(text, 40)} is too large")
    if value == 0.0 and mantissa.strip("-0."):
        # A reader with doubles sees 0 here and one with decimals does not.
        raise DoubtError("WIR008", f"the number {quote(text, 40)} is too close to zero")
    return Decimal(text)


def _integer(text: str) -> int:
    if len(text) > 310:
        raise DoubtError("WIR008", f"the number {quote(text, 40)} is too large")
    return int(text)


def _constant(text: str) -> Any:
    raise ValueError(text)
