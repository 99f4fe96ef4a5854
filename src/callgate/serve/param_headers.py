"""`Mcp-Param-*` headers held against the arguments they repeat (MCP 2026-07-28, custom headers).

Whoever stands between the gate and the tool may act on the header instead of the argument that was judged, so a
header that says anything else never passes. Headers that the tool's schema does not declare are not passed on.
"""

import re
from decimal import Decimal
from typing import Any

from callgate.http1.contract import Header, Headers
from callgate.serve.versions import PARAM_PREFIX, decode_value

MAX_HEADERS = 50
MAX_DEPTH = 32
_REPEATED = (str, bool, int, float, Decimal)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,399})(\.0+)?")


def given(headers: Headers) -> tuple[Header, ...]:
    """The request's `Mcp-Param-*` headers."""
    return tuple(headers.beginning(PARAM_PREFIX))


def declared(schema: Any) -> dict[bytes, tuple[str, ...]]:
    """Header name (lower case) → path of the argument, as the tool's input schema declares it.

    Only properties that are reached through `properties` alone may declare one.
    """
    found: dict[bytes, tuple[str, ...]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    while waiting:
        path, node = waiting.pop()
        properties = node.get("properties") if type(node) is dict else None
        if type(properties) is not dict or len(path) >= MAX_DEPTH:
            continue
        for name, sub in properties.items():
            below = (*path, name)
            if type(sub) is dict:
                token = sub.get("x-mcp-header")
                if type(token) is str and token.isascii():
                    found[PARAM_PREFIX + token.lower().encode()] = below
                waiting.append((below, sub))
    return found


def checked(
    headers: tuple[Header, ...], schema: Any, arguments: dict[str, Any], *, complete: bool = False
) -> tuple[tuple[Header, ...], str | None]:
    """The headers that may be passed on, and what is wrong (None: nothing). `schema` None: it is not known.

    `complete`: every argument that is there must have the header it declares, which an HTTP server checks itself.
    """
    if len(headers) > MAX_HEADERS:
        return (), "there are too many Mcp-Param headers"
    if schema is None and not headers:
        return (), None
    if schema is None:
        return (), "the Mcp-Param headers cannot be held against the tool's schema, which is not known"
    known = declared(schema)
    passed: dict[bytes, bytes] = {}
    for name, raw in headers:
        path = known.get(name)
        if path is None:
            continue
        if name in passed:
            return (), "a Mcp-Param header stands more than once"
        text = decode_value(raw)
        if text is None or not _same(text, _at(arguments, path)):
            return (), "a Mcp-Param header does not match the request's argument"
        passed[name] = raw
    if complete:
        for name, path in known.items():
            if name not in passed and type(_at(arguments, path)) in _REPEATED:
                return (), "a Mcp-Param header that the tool declares is missing"
    return tuple(passed.items()), None


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        arguments = arguments.get(key) if type(arguments) is dict else None
    return arguments


def _same(text: str, value: Any) -> bool:
    if type(value) is str:
        return text == value
    if type(value) is bool:
        return text == ("true" if value else "false")
    if type(value) in (int, float, Decimal):
        return _NUMBER.fullmatch(text) is not None and Decimal(text) == Decimal(value)
    return False
