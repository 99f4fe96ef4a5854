"""HTTP answers that the gate gives of itself. Nothing that the other side wrote goes into one unescaped."""

from typing import Any

from msgspec.json import encode

from callgate.http1.contract import HttpRefusal
from callgate.wire import replies
from callgate.wire.envelope import RequestId

SESSION_NOT_FOUND = -32001
NOT_ACCEPTABLE = -32000

CREDENTIALS_STATUSES = frozenset((401, 403, 407))
"""A server refuses the gate's own credentials. Never shown to a caller as its own: it would send its elsewhere."""
CREDENTIALS_REFUSED = "the server refuses the gate's own credentials"


def refusal(status: int, rpc_code: int, text: str, code: str, data: Any = None) -> HttpRefusal:
    """A refusal before the body is read: a JSON-RPC error without an id."""
    return HttpRefusal(status, error_body(None, rpc_code, text, code, data), code=code, reason=text)


def nothing_here() -> HttpRefusal:
    """The refusal of a path that is neither a server's nor a page's."""
    text = "nothing is served at this path"
    body = encode({"code": "HTTP020", "error_description": text})
    return HttpRefusal(404, body, code="HTTP020", reason=text)


def error_body(id: RequestId | None, rpc_code: int, text: str, code: str, data: Any = None) -> bytes:
    """A JSON-RPC error; its data are `data` where MCP says what they are, else the stable `code`."""
    return replies.error_reply(id, rpc_code, text, {"code": code} if data is None else data)
