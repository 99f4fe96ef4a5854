"""What an unquoted word means: the YAML 1.2 core schema (section 10.3.2), with exact numbers.

`no`, `on`, `yes` and `off` are strings; 1e400 and .inf are never silently a number. No float is ever made.
"""

import re
from decimal import Decimal
from typing import Literal

Kind = Literal["string", "number", "boolean", "null", "bad number"]
Value = str | int | Decimal | bool | None

_WORDS: dict[str, tuple[Kind, Value]] = {
    "": ("null", None),
    "~": ("null", None),
    "null": ("null", None),
    "Null": ("null", None),
    "NULL": ("null", None),
    "true": ("boolean", True),
    "True": ("boolean", True),
    "TRUE": ("boolean", True),
    "false": ("boolean", False),
    "False": ("boolean", False),
    "FALSE": ("boolean", False),
}
_NUMBER = re.compile(
    r"(?P<integer>[-+]?[0-9]+)"
    r"|0o(?P<octal>[0-7]+)"
    r"|0x(?P<hexadecimal>[0-9a-fA-F]+)"
    r"|(?P<decimal>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE](?P<exponent>[-+]?[0-9]+))?)"
    r"|(?P<infinite>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_NUMBER_START = frozenset("+-.0123456789")

MAX_DIGITS = 100
"""Digits of a number, and the size of its exponent: enough for any amount, too few to cost time."""


def resolve(text: str) -> tuple[Kind, Value]:
    """Return the kind and value of a plain scalar.

    "bad number" stands for infinity, not-a-number, and numbers beyond `MAX_DIGITS`; its value is the text.
    """
    word = _WORDS.get(text)
    if word is not None:
        return word
    if text[0] not in _NUMBER_START:
        return "string", text
    found = _NUMBER.fullmatch(text)
    if found is None:
        return "string", text
    if found["infinite"] or len(text) > MAX_DIGITS:
        return "bad number", text
    if found["integer"]:
        return "number", int(text)
    if found["octal"]:
        return "number", int(found["octal"], 8)
    if found["hexadecimal"]:
        return "number", int(found["hexadecimal"], 16)
    exponent = found["exponent"]
    if exponent and (len(exponent) > 5 or abs(int(exponent)) > MAX_DIGITS):
        return "bad number", text
    return "number", Decimal(text)
