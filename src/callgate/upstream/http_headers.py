"""The headers that MCP wants beside a frame: what the frame says, once more, for whatever stands in between.

Sources: MCP 2026-07-28 and 2025-11-25, Streamable HTTP; SEP-2243 (`Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`). Always made
from the frame that is sent, so that header and body cannot differ. No I/O.
"""

import re
from base64 import b64encode
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from callgate.http1.contract import Header
from callgate.upstream.contract import Route, identity_of
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import NAMED_BY

ANNOTATION = "x-mcp-header"

# Over `run --upstream` an agent may ask for it in this version; `serve` refuses it before.
_NAMED_BY = {**NAMED_BY, "tasks/result": "taskId"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_SAFE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_WRAPPED = re.compile(r"=\?base64\?.*\?=", re.IGNORECASE)
_TYPES = ("string", "integer", "boolean")
_MAX_HEADERS = 50
_MAX_KNOWN = 256
"""Characters of a name whose header value is kept: a gate sees the same few again and again."""
_MAX_EXACT = 2**53
_MAX_INTEGER = 10**100

# Where JSON Schema 2020-12 has schemas, apart from `properties`; anything else is data.
_SCHEMA = frozenset(
    (
        "items",
        "contains",
        "unevaluatedItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    )
)
_SCHEMAS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED_SCHEMAS = frozenset(("patternProperties", "dependentSchemas", "$defs", "definitions"))

_Path = tuple[str, ...]
Annotations = tuple[tuple[_Path, bytes], ...]
"""Path of properties → name of the header."""


class InvalidAnnotationError(ValueError):
    """A tool declares headers in a way that MCP does not allow: a client must not call it."""


def frame_headers(frame: ClientFrame, params: dict[str, Any] | None, route: Route) -> list[Header]:
    """The headers of one POST. `params` are those that are sent, perhaps under another tool name than the frame's.

    Raises InvalidAnnotationError.
    """
    headers = list(route.trace)
    if route.version is not None:
        headers.append((b"mcp-protocol-version", route.version.encode()))
    if route.era == "legacy":
        if route.session is not None:
            headers.append((b"mcp-session-id", route.session.encode()))
        return headers
    method = frame.method
    if method is None:
        return headers
    headers.append((b"mcp-method", method.encode()))
    key = _NAMED_BY.get(method)
    if key is None or params is None:
        return headers
    name = params.get(key)
    if type(name) is str:
        headers.append((b"mcp-name", _known(name) if len(name) <= _MAX_KNOWN else header_value(name)))
    if method == "tools/call":
        if route.param_headers is not None:
            headers += route.param_headers
        elif route.input_schema is not None:
            headers += param_headers(route.input_schema, params.get("arguments"))
    return headers


def caller_headers(route: Route) -> list[Header]:
    """Who calls, and the session that limits are counted under, for a server that is to know (`forward_identity`)."""
    return [
        (b"callgate-identity", _percent_encoded(identity_of(route))),
        (b"callgate-session", _percent_encoded(route.lane)),
    ]


@lru_cache(256)
def _percent_encoded(text: str) -> bytes:
    return quote(text, safe="", errors="replace").encode()


def header_value(text: str) -> bytes:
    """`text` as the value of a header; in base64 if it would not arrive as it is, or could be taken for that."""
    if _SAFE.fullmatch(text) and not _WRAPPED.fullmatch(text):
        return text.encode()
    # Lone surrogates cannot stand in a frame that was read strictly.
    return b"=?base64?%b?=" % b64encode(text.encode("utf-8", "replace"))


_known = lru_cache(256)(header_value)


def param_headers(schema: object, arguments: object) -> list[Header]:
    """The `Mcp-Param-*` headers for `arguments` of a tool with this inputSchema. Absent values and null have none.

    Raises InvalidAnnotationError.
    """
    found = []
    for path, name in annotations(schema):
        value: Any = arguments
        for key in path:
            value = value.get(key) if type(value) is dict else None
        text = _scalar(value)
        if text is not None:
            found.append((name, header_value(text)))
    return found


def annotations(schema: object) -> Annotations:
    """The properties of `schema` that are to stand in headers. Raises InvalidAnnotationError.

    An annotation is valid on a property of a primitive type that is reached through `properties` alone, with a
    token of its own. A client has to reject tools whose schema breaks that.
    """
    found: dict[bytes, _Path] = {}
    stack: list[tuple[_Path | None, object]] = [((), schema)]
    while stack:
        path, node = stack.pop()
        if type(node) is not dict:
            continue
        if ANNOTATION in node:
            token = node[ANNOTATION]
            if not path or type(token) is not str or not _TOKEN.fullmatch(token):
                raise InvalidAnnotationError
            name = b"mcp-param-" + token.lower().encode()
            if name in found or node.get("type") not in _TYPES or len(found) >= _MAX_HEADERS:
                raise InvalidAnnotationError
            found[name] = path
        for keyword, value in node.items():
            if keyword == "properties" and type(value) is dict:
                stack += [(None if path is None else (*path, key), below) for key, below in value.items()]
            elif keyword in _SCHEMA:
                stack.append((None, value))
            elif keyword in _SCHEMAS and type(value) is list:
                stack += [(None, below) for below in value]
            elif keyword in _NAMED_SCHEMAS and type(value) is dict:
                stack += [(None, below) for below in value.values()]
    return tuple((path, name) for name, path in found.items())


def _scalar(value: Any) -> str | None:
    if type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value) if abs(value) < _MAX_INTEGER else None
    if isinstance(value, float | Decimal):
        # 42.0 is an integer to JSON Schema, and 42 in every language's words.
        return str(int(value)) if -_MAX_EXACT < value < _MAX_EXACT and value == int(value) else str(value)
    return None
