"""Tasks belong to who started them: the id an agent gets says whose it is.

Sources: MCP tasks extension (2026-07-28), and MCP 2025-11-25, tasks. Servers may keep one set of tasks for both eras
and for all sessions, so an id is as good in one as in the other, and the server's own is good in none. Only where
callers are authenticated; without, there is one caller. No gate has to remember anything.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from callgate.serve.sealing import Seal
from callgate.wire import replies
from callgate.wire.members import set_member
from callgate.wire.server import ServerFrame
from callgate.wire.strict import ClientFrame

METHODS = frozenset(("tasks/get", "tasks/update", "tasks/cancel"))
HANDSHAKE_METHODS = METHODS | {"tasks/result"}
LIST = "tasks/list"
UNKNOWN_TASK = -32602
_RELATED = "io.modelcontextprotocol/related-task"


class _Named(Struct, rename="camel"):
    task_id: Any = None


class _Meta(Struct):
    related: _Named | None = field(default=None, name=_RELATED)


class _Result(Struct):
    task: _Named | None = None
    meta: _Meta | None = field(default=None, name="_meta")


_result = msgspec.json.Decoder(_Result).decode
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
    """The answer of 2026-07-28 that begins a task, with its id sealed."""

    def sealed(task: str) -> str:
        return seal.task(task, server, identity, tool)

    return _with_task_id(frame, sealed)


def sealed_handshake_result(seal: Seal, frame: ServerFrame, server: str, identity: str, tool: str) -> bytes:
    """The answer of a handshake era with the id of the task that it may begin sealed."""
    named = _read(frame).task
    if named is None or type(named.task_id) is not str:
        return frame.forward
    return _with(frame, ("task", "taskId"), seal.task(named.task_id, server, identity, tool))


def resealed_result(frame: ServerFrame, task: str, given: str) -> bytes:
    """The answer about a task, under the id that the agent knows."""
    meta = _read(frame).meta
    if meta is not None and meta.related is not None and meta.related.task_id == task:
        return _with(frame, ("_meta", _RELATED, "taskId"), given)
    return _with_task_id(frame, lambda found: given if found == task else found)


def _read(frame: ServerFrame) -> _Result:
    if frame.result is None or b'"taskId"' not in frame.forward:
        # Spelled otherwise the server's own id gets through, which is of no use to anybody.
        return _Result()
    try:
        return _result(frame.result)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _Result()


def _with(frame: ServerFrame, path: tuple[str, ...], task: str) -> bytes:
    try:
        return set_member(frame.forward, ("result", *path), replies.json_text(task))
    except (ValueError, RecursionError):
        return frame.forward


def _with_task_id(frame: ServerFrame, name: Any) -> bytes:
    if frame.result is None:
        return frame.forward
    try:
        members: dict[str, Any] = _members(frame.result)
        members["taskId"] = name(_text(members["taskId"]))
    except (msgspec.MsgspecError, KeyError, ValueError):
        return frame.forward
    return replies.result_reply(frame.id, replies.json_text(members))  # type: ignore[arg-type]
