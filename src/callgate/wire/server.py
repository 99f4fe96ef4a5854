"""What a server sends: read only as far as the gate must know, and passed on as the bytes it was.

The server is hostile too: reading never raises. What is not a JSON-RPC message, or is one in two ways at
once, is garbage; where its bytes could stand for several messages, or for an answer to nobody knows what, it
must not be passed on (`passable` is False).
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from callgate.wire.compact import compact
from callgate.wire.envelope import RequestId, scan


class ServerFrame(Struct, frozen=True, gc=False):
    """One frame from the server. `forward` is what the agent gets: the line itself but for carriage returns.

    For a response exactly one of `result` and `has_error` is set; `error_code` is None if the server gave
    none that is an integer. A response whose id is null (the server could not read a frame) has the id None.
    For garbage, `id` is the request that a more lenient reader may take it to answer (NaN in a result, bad
    UTF-8): it may be passed on only where an answer to that request needs no look inside.
    """

    kind: Literal["request", "notification", "response", "garbage"]
    forward: bytes
    id: RequestId | None = None
    method: str | None = None
    result: Raw | None = None
    has_error: bool = False
    error_code: int | None = None
    passable: bool = True


class _Members(Struct, gc=False):
    id: RequestId | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Error(Struct):
    code: Any = None


class _Result(Struct, rename="camel"):
    is_error: Any = None
    result_type: Any = None
    task_id: Any = None


class CallResult(Struct, frozen=True):
    """What a result of a tools/call says of itself: `isError: true`, and `resultType` and `taskId` if they are texts.

    `kind` is as the server wrote it ("complete", "input_required", "task", …), None if absent.
    """

    is_error: bool
    kind: str | None
    task: str | None


_members = msgspec.json.Decoder(_Members).decode
_error = msgspec.json.Decoder(_Error).decode
_result = msgspec.json.Decoder(_Result).decode


def read_server_frame(line: bytes) -> ServerFrame:
    """Read one line, without its newline. Never raises."""
    returns = b"\r" in line
    if returns:
        line = line.rstrip(b"\r")
        returns = b"\r" in line
    try:
        members = _members(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _garbage(line)
    if returns:
        # JSON white space for some readers, the end of a line for others.
        try:
            line.decode()
        except UnicodeDecodeError:
            return _garbage(line)
        line = compact(line)
    method, request_id = members.method, members.id
    if method is not UNSET:
        if members.result is not UNSET or members.error is not UNSET or request_id is None:
            return _garbage(line)
        if request_id is UNSET:
            return ServerFrame("notification", line, None, method)
        return ServerFrame("request", line, request_id, method)
    if members.error is not UNSET:
        if members.result is not UNSET:
            return _garbage(line)
        known = None if request_id is UNSET else request_id
        return ServerFrame("response", line, known, has_error=True, error_code=_code(members.error))
    if members.result is UNSET or request_id is UNSET or request_id is None:
        return _garbage(line)
    return ServerFrame("response", line, request_id, None, members.result)


def call_result(result: Raw) -> CallResult:
    """Read what the gate must know of a tools/call's result. Never raises."""
    found = _peek(result)
    kind, task = found.result_type, found.task_id
    return CallResult(
        found.is_error is True, kind if type(kind) is str else None, task if type(task) is str else None
    )


def result_type(result: Raw) -> str | None:
    """`resultType` as the server wrote it, None if absent."""
    return call_result(result).kind


def _peek(result: Raw) -> _Result:
    try:
        return _result(result)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _Result()


def _code(error: Raw) -> int | None:
    try:
        code = _error(error).code
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return code if type(code) is int else None


def _garbage(line: bytes) -> ServerFrame:
    envelope = scan(line)
    if b"\r" in line or b"\0" in line:
        # More lines than one, or UTF-16, for readers that guess.
        passable = False
    elif line.lstrip(b" \t\xef\xbb\xbf").startswith((b"{", b"[")):
        # `"id": 1.0`, two ids, a batch: some client takes it for an answer that the gate cannot match.
        passable = envelope.kind in ("request", "notification") or envelope.id is not None
        passable = passable and envelope.kind != "unknown"
    else:
        passable = True
    answered = envelope.id if envelope.kind == "response" else None
    return ServerFrame("garbage", line, answered, envelope.method, passable=passable)
