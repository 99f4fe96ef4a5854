"""JSON of which every reader sees the same: for token headers, token claims and key sets.

Refuses what decoders disagree on (duplicate keys, NaN, lone surrogates, a byte order mark) and what is built to
cost time (deep nesting, endless numbers). Never repairs anything.
"""

from decimal import Decimal
from json import JSONDecoder
from typing import Any

MAX_DEPTH = 8
"""Levels of nesting; claims of real issuers have three."""

_MAX_NUMBER = 40


def read_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that `data` holds; numbers with a fraction as Decimal.

    Raises ValueError without a word of `data` in it.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("not strict JSON") from None
    if type(value) is not dict:
        raise ValueError("not an object")
    _bounded(value)
    return value


def _bounded(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for each in level:
            if type(each) is dict:
                for key in each:
                    _encodable(key)
                inside: Any = each.values()
            else:
                inside = each
            for item in inside:
                if type(item) is str:
                    _encodable(item)
                elif type(item) is dict or type(item) is list:
                    deeper.append(item)
        if not deeper:
            return
        level = deeper
    raise ValueError("nested too deep")


def _encodable(text: str) -> None:
    if not text.isascii():
        text.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice")
    return members


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise ValueError("a number is too long")
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER or len(text.lower().partition("e")[2].lstrip("+-")) > 3:
        raise ValueError("a number is too long")
    return Decimal(text)


def _constant(text: str) -> Any:
    raise ValueError(text)


_DECODER = JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
