"""Which protocol versions belong to which era, and how a request says which one it is of.

Source: MCP 2026-07-28, versioning and the Streamable HTTP transport. A frame whose header and body disagree about
the era is refused: a server may believe the other one.
"""

from base64 import b64decode, b64encode
from typing import Any

from callgate.http1.contract import Head
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import (
    INVALID_PARAMS,
    META_CLIENT_CAPABILITIES,
    META_PROTOCOL_VERSION,
    NAMED_BY,
)

MODERN_VERSIONS = ("2026-07-28",)
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")

HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

VERSION_HEADER = b"mcp-protocol-version"
METHOD_HEADER = b"mcp-method"
NAME_HEADER = b"mcp-name"
PARAM_PREFIX = b"mcp-param-"

_HANDSHAKE = frozenset(version.encode() for version in HANDSHAKE_VERSIONS)
_MODERN = {version.encode(): version for version in MODERN_VERSIONS}


class VersionRefusal(Exception):
    """The request does not say clearly what it is: a JSON-RPC error with the HTTP status 400."""

    def __init__(self, rpc_code: int, code: str, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.code = code
        self.message = message
        self.data = data


def unsupported(requested: str | None, supported: tuple[str, ...]) -> VersionRefusal:
    """The refusal of a version; `supported` are those that would be understood."""
    return VersionRefusal(
        UNSUPPORTED_VERSION,
        "WIR071",
        "Unsupported protocol version",
        {"supported": list(supported), "requested": requested},
    )


def version_of(head: Head, frame: ClientFrame) -> str | None:
    """The modern version that `frame` is of; None for a frame of the handshake eras. Raises VersionRefusal."""
    try:
        header = head.headers.get(VERSION_HEADER)
    except ValueError:
        raise _mismatch("the MCP-Protocol-Version header stands more than once") from None
    meta = None if frame.params is None else frame.params.get("_meta")
    is_request = frame.kind == "request"
    if header is None or header in _HANDSHAKE:
        if is_request and type(meta) is dict and META_PROTOCOL_VERSION in meta:
            raise _mismatch("the request's `_meta` names a protocol version that its header does not")
        return None
    version = _MODERN.get(header)
    if is_request:
        if type(meta) is not dict:
            raise VersionRefusal(INVALID_PARAMS, "WIR072", "`params._meta` is missing or no object")
        said = meta.get(META_PROTOCOL_VERSION)
        if said is None or META_CLIENT_CAPABILITIES not in meta:
            missing = META_PROTOCOL_VERSION if said is None else META_CLIENT_CAPABILITIES
            raise VersionRefusal(INVALID_PARAMS, "WIR072", f"`params._meta` has no `{missing}`")
        if said != version and (type(said) is not str or said.encode() != header):
            raise _mismatch("the MCP-Protocol-Version header does not match the request's `_meta`")
    if version is None:
        raise unsupported(header.decode("ascii", "replace"), MODERN_VERSIONS)
    if is_request:
        _check_routing(head, frame)
    return version


def decode_value(value: bytes) -> str | None:
    """What a header value stands for (`=?base64?…?=` for anything but plain ASCII); None if it is malformed."""
    if not (value[:9].lower() == b"=?base64?" and value.endswith(b"?=") and len(value) > 10):
        # Of other bytes some readers make Latin-1 and others UTF-8.
        return value.decode() if value.isascii() else None
    if value[:9] != b"=?base64?":
        # Plain text for some readers, encoded for those that ignore case.
        return None
    payload = value[9:-2]
    try:
        decoded = b64decode(payload, validate=True)
        return decoded.decode() if b64encode(decoded) == payload else None
    except ValueError:
        return None


def _check_routing(head: Head, frame: ClientFrame) -> None:
    """Whoever routes by the headers must see what is judged."""
    headers = head.headers
    method: str = frame.method  # type: ignore[assignment]
    try:
        named, said = headers.get(NAME_HEADER), headers.get(METHOD_HEADER)
    except ValueError:
        raise _mismatch("the Mcp-Method or Mcp-Name header stands more than once") from None
    if said is None or said != method.encode():
        raise _mismatch("the Mcp-Method header does not match the request's method")
    key = NAMED_BY.get(method)
    value = frame.params.get(key) if key is not None and frame.params is not None else None
    if value is None:
        if named is not None and key is not None:
            raise _mismatch("the Mcp-Name header names something that the request does not")
        return
    if named is None and key == "taskId":
        return
    if named is None or decode_value(named) != value:
        raise _mismatch(f"the Mcp-Name header does not match the request's `{key}`")


def _mismatch(text: str) -> VersionRefusal:
    return VersionRefusal(HEADER_MISMATCH, "WIR070", text)
