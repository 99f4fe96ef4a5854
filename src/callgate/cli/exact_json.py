"""JSON that people and files give on the command line: numbers stay exact, duplicate keys are refused."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from callgate.text import quote


def parse_exact(text: str) -> Any:
    """Return the value. Raises ValueError with a text that says what is wrong, and where if that is known."""
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:].replace("'", "`")
        raise ValueError(f"line {error.lineno}, column {error.colno}: {what}") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {quote(key)} appears twice in one object")
            seen.add(key)
    return made


def _integer(text: str) -> int | Decimal:
    # Python refuses to read ints of more than 4,300 digits; a Decimal has no such bound.
    return int(text) if len(text) <= 4000 else _number(text)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {quote(text, 40)} is out of range") from None


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{quote(text)} is not JSON")
