"""Tasks belong to who started them: the id an agent gets says whose it is (MCP tasks extension, 2026-07-28).

Only where callers are authenticated; without, there is one caller. No gate has to remember anything.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from callgate.serve.sealing import Seal
from callgate.wire import replies
from callgate.wire.server import ServerFrame
from callgate.wire.strict import ClientFrame

METHODS = frozenset(("tasks/get", "tasks/update", "tasks/cancel"))
UNKNOWN_TASK = -32602

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode


class OpenedTask(Struct, frozen=True):
    """A request with the server's own task id in it; `given` is the agent's."""

    forward: bytes
    task: str
    given: str
    tool: str


def opened_request(seal: Seal, frame: ClientFrame, server: str, identity: str) -> OpenedTask | None:
    """The request as the server gets it; None if the task is not this caller's."""
    given = (frame.params or {}).get("taskId")
    opened = seal.open_task(given, server, identity) if type(given) is str else None
    if opened is None:
        return None
    task, tool = opened
    params = {**(frame.params or {}), "taskId": task}
    return OpenedTask(replies.json_text({**frame.message, "params": params}), task, given, tool)  # type: ignore[arg-type]


def sealed_result(seal: Seal, frame: ServerFrame, server: str, identity: str, tool: str) -> bytes:
    """The answer that begins a task, with its id sealed."""

    def sealed(task: str) -> str:
        return seal.task(task, server, identity, tool)

    return _with_task_id(frame, sealed)


def resealed_result(frame: ServerFrame, task: str, given: str) -> bytes:
    """The answer about a task, under the id that the agent knows."""
    return _with_task_id(frame, lambda found: given if found == task else found)


def _with_task_id(frame: ServerFrame, name: Any) -> bytes:
    if frame.result is None:
        return frame.forward
    try:
        members: dict[str, Any] = _members(frame.result)
        members["taskId"] = name(_text(members["taskId"]))
    except (msgspec.MsgspecError, KeyError, ValueError):
        return frame.forward
    return replies.result_reply(frame.id, replies.json_text(members))  # type: ignore[arg-type]
