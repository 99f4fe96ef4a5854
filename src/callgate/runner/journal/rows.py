"""Rows ↔ the values of `runner.execution`. Pure.

Rows may come from a damaged or foreign file: what does not decode raises Unreadable and nothing else.
"""

import hashlib
import re
from typing import Any

import msgspec

from callgate.runner.execution import Execution, InnerCall, Owner, ScriptError, Spec, Usage
from callgate.runner.journal.driver import Row

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_EXECUTION = (
    "e.uuid, e.state, e.cause, e.attempt, e.version, e.created_ms, e.started_ms, e.ended_ms, e.worker, "
    "e.lease_until_ms, e.cancel_requested, e.progress, e.progress_text, e.backend, e.tier, e.output_bytes, "
    "e.calls, e.denied_calls, h.data, d.data"
)
_DOCUMENTS = (
    "FROM execution e LEFT JOIN document h ON h.execution = e.id AND h.kind = 'head' "
    "LEFT JOIN document d ON d.execution = e.id AND d.kind = 'end' "
)
BRIEF = f"SELECT {_EXECUTION} {_DOCUMENTS}"
"""Executions without scripts, variables and results."""

WHOLE = (
    f"SELECT {_EXECUTION}, i.data, r.data {_DOCUMENTS}"
    "LEFT JOIN document i ON i.execution = e.id AND i.kind = 'input' "
    "LEFT JOIN document r ON r.execution = e.id AND r.kind = 'results' "
)

CALL = (
    "SELECT seq, attempt, function, arguments_sha256, state, repeatable, started_ms, ended_ms, answer, "
    "decision_id FROM inner_call"
)


class Unreadable(Exception):
    """A row that says nothing that can be understood."""


class Head(msgspec.Struct, frozen=True):
    """What is shown of an execution in a list; `spec` without script and variables."""

    owner: Owner
    spec: Spec


class Input(msgspec.Struct, frozen=True):
    script: str
    input_vars: dict[str, Any]


class End(msgspec.Struct, frozen=True):
    error: ScriptError | None
    usage: Usage | None


def is_id(uuid: str) -> bool:
    """Whether an execution could have this name: agents send anything."""
    return _ID.match(uuid) is not None


def owner_digest(owner: Owner) -> bytes:
    return _digest(owner.key)


def session_digest(session_id: str | None) -> bytes | None:
    return None if session_id is None else _digest(session_id)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def text_bytes(text: str | None) -> bytes | None:
    """Text that a script chose: PostgreSQL's TEXT would refuse some of it."""
    return None if text is None else text.encode("utf-8", "replace")


def encode(value: object) -> bytes:
    """JSON. Raises ValueError for text that is not Unicode (lone surrogates)."""
    return msgspec.json.encode(value)


def split(execution: Execution) -> tuple[bytes, bytes]:
    """The documents `head` and `input` of a new execution. Raises ValueError as `encode`."""
    spec = execution.spec
    brief = msgspec.structs.replace(spec, script="", input_vars={})
    return encode(Head(execution.owner, brief)), encode(Input(spec.script, spec.input_vars))


def execution(row: Row) -> Execution:
    """An Execution from a row of BRIEF or WHOLE. Raises Unreadable."""
    try:
        head = msgspec.json.decode(row[18], type=Head)
        spec = head.spec
        end = None if row[19] is None else msgspec.json.decode(row[19], type=End)
        results = None
        if len(row) > 20:
            given = msgspec.json.decode(row[20], type=Input)
            spec = msgspec.structs.replace(spec, script=given.script, input_vars=given.input_vars)
            results = None if row[21] is None else msgspec.json.decode(row[21], type=dict[str, Any])
        return _checked(row, head.owner, spec, end, results)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise Unreadable(str(error)) from None


def stand_in(row: Row, owner: Owner) -> Execution:
    """What can be said of an execution whose documents are unreadable: where it stands."""
    error = ScriptError(type="JournalError", message="the record of this execution cannot be read")
    try:
        return _checked(row, owner, Spec(script=""), End(error, None), None)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return Execution(uuid=str(row[0]), owner=owner, spec=Spec(script=""), state="failed", error=error)


def _checked(
    row: Row, owner: Owner, spec: Spec, end: End | None, results: dict[str, Any] | None
) -> Execution:
    text = None if row[12] is None else bytes(row[12]).decode("utf-8", "replace")
    columns = msgspec.convert(
        {
            "uuid": row[0],
            "owner": {"identity": ""},
            "spec": {"script": ""},
            "state": row[1],
            "cause": row[2],
            "attempt": row[3],
            "version": row[4],
            "created_ms": row[5],
            "started_ms": row[6],
            "ended_ms": row[7],
            "worker": row[8],
            "lease_until_ms": row[9],
            "cancel_requested": bool(row[10]),
            "progress": row[11],
            "progress_text": text,
            "backend": row[13],
            "tier": row[14],
            "output_bytes": row[15],
            "calls": row[16],
            "denied_calls": row[17],
        },
        type=Execution,
    )
    return msgspec.structs.replace(
        columns,
        owner=owner,
        spec=spec,
        results=results,
        error=None if end is None else end.error,
        usage=None if end is None else end.usage,
    )


def inner_call(row: Row) -> InnerCall:
    """Raises Unreadable."""
    try:
        call = msgspec.convert(
            {
                "seq": row[0],
                "attempt": row[1],
                "function": bytes(row[2]).decode(),
                "arguments_sha256": row[3],
                "state": row[4],
                "repeatable": bool(row[5]),
                "started_ms": row[6],
                "ended_ms": row[7],
                "decision_id": row[9],
            },
            type=InnerCall,
        )
        return msgspec.structs.replace(call, answer=None if row[8] is None else bytes(row[8]))
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise Unreadable(str(error)) from None


def json_object(data: bytes) -> dict[str, Any]:
    """Raises Unreadable."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Unreadable(str(error)) from None
