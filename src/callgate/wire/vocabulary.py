"""The methods of MCP in one table, with what the gate does with each; `_meta` keys, error codes and versions.

Sources: the schemas of 2024-11-05 … 2026-07-28 and the tasks extension. A method that is not in the table is
refused from the client's side: it could be a way to run a tool.
"""

from enum import Enum
from typing import Any, Literal

from msgspec import Struct

Era = Literal["legacy", "modern"]
"""legacy: an `initialize` handshake (2024-11-05 … 2025-11-25); modern: every request describes itself."""

Direction = Literal["to_server", "to_client", "both"]


META_PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
SERVER_ERROR = -32603
"""For a server that cannot answer. 2026-07-28 wants own codes outside -32768 … -32000, hence this one."""


class Treatment(Enum):
    """What the gate does with a frame from the client."""

    JUDGE = "judge"
    LIST_TOOLS = "list_tools"
    INITIALIZE = "initialize"
    DISCOVER = "discover"
    CANCEL = "cancel"
    LISTEN = "listen"
    TASK = "task"
    PASS = "pass"  # noqa: S105
    REFUSE = "refuse"


class Method(Struct, frozen=True):
    """One row. `kind` "request" has an id and is answered; `treatment` speaks of frames from the client."""

    name: str
    direction: Direction
    kind: Literal["request", "notification"]
    eras: tuple[Era, ...]
    treatment: Treatment


_T = Treatment
_LEGACY: tuple[Era, ...] = ("legacy",)
_MODERN: tuple[Era, ...] = ("modern",)
_BOTH: tuple[Era, ...] = ("legacy", "modern")

TABLE: tuple[Method, ...] = (
    Method("tools/call", "to_server", "request", _BOTH, _T.JUDGE),
    Method("tools/list", "to_server", "request", _BOTH, _T.LIST_TOOLS),
    Method("initialize", "to_server", "request", _LEGACY, _T.INITIALIZE),
    Method("server/discover", "to_server", "request", _MODERN, _T.DISCOVER),
    Method("subscriptions/listen", "to_server", "request", _MODERN, _T.LISTEN),
    Method("ping", "both", "request", _LEGACY, _T.PASS),
    Method("resources/list", "to_server", "request", _BOTH, _T.PASS),
    Method("resources/templates/list", "to_server", "request", _BOTH, _T.PASS),
    Method("resources/read", "to_server", "request", _BOTH, _T.PASS),
    Method("resources/subscribe", "to_server", "request", _LEGACY, _T.PASS),
    Method("resources/unsubscribe", "to_server", "request", _LEGACY, _T.PASS),
    Method("prompts/list", "to_server", "request", _BOTH, _T.PASS),
    Method("prompts/get", "to_server", "request", _BOTH, _T.PASS),
    Method("completion/complete", "to_server", "request", _BOTH, _T.PASS),
    Method("logging/setLevel", "to_server", "request", _LEGACY, _T.PASS),
    # 2025-11-25 lets either side ask about tasks it started; the modern extension only the client.
    Method("tasks/get", "both", "request", _BOTH, _T.TASK),
    Method("tasks/cancel", "both", "request", _BOTH, _T.TASK),
    Method("tasks/result", "both", "request", _LEGACY, _T.TASK),
    Method("tasks/list", "both", "request", _LEGACY, _T.TASK),
    Method("tasks/update", "to_server", "request", _MODERN, _T.TASK),
    Method("notifications/initialized", "to_server", "notification", _LEGACY, _T.PASS),
    Method("notifications/roots/list_changed", "to_server", "notification", _LEGACY, _T.PASS),
    Method("notifications/cancelled", "both", "notification", _BOTH, _T.CANCEL),
    Method("notifications/progress", "both", "notification", _BOTH, _T.PASS),
    Method("notifications/tasks/status", "both", "notification", _LEGACY, _T.PASS),
    Method("sampling/createMessage", "to_client", "request", _LEGACY, _T.REFUSE),
    Method("elicitation/create", "to_client", "request", _LEGACY, _T.REFUSE),
    Method("roots/list", "to_client", "request", _LEGACY, _T.REFUSE),
    Method("notifications/message", "to_client", "notification", _BOTH, _T.REFUSE),
    Method("notifications/resources/updated", "to_client", "notification", _BOTH, _T.REFUSE),
    Method("notifications/resources/list_changed", "to_client", "notification", _BOTH, _T.REFUSE),
    Method("notifications/tools/list_changed", "to_client", "notification", _BOTH, _T.REFUSE),
    Method("notifications/prompts/list_changed", "to_client", "notification", _BOTH, _T.REFUSE),
    Method("notifications/elicitation/complete", "to_client", "notification", _LEGACY, _T.REFUSE),
    Method("notifications/subscriptions/acknowledged", "to_client", "notification", _MODERN, _T.REFUSE),
    Method("notifications/tasks", "to_client", "notification", _MODERN, _T.REFUSE),
)

NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Which member of `params` the `Mcp-Name` header repeats (2026-07-28, Streamable HTTP)."""

METHODS: dict[str, Method] = {method.name: method for method in TABLE}


def treatment(method: str, *, notification: bool = False) -> Treatment:
    """What to do with a client's frame of this method; `notification` says that it came without an id.

    A method in the other kind's clothes is refused: servers may run a request that came without an id.
    """
    row = METHODS.get(method)
    if row is None or (row.kind == "notification") is not notification:
        return Treatment.REFUSE
    return row.treatment


def is_modern(params: dict[str, Any] | None) -> bool:
    """Whether a request describes itself, as 2026-07-28 wants: its `_meta` names a protocol version."""
    meta = params.get("_meta") if params is not None else None
    return type(meta) is dict and META_PROTOCOL_VERSION in meta
