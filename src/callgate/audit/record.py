"""What is written down: one decision and one outcome for each call, and events of the gate itself.

Data only; nothing here writes. Fields are encoded in the order in which they stand; a field that is None is
left out. `kind` comes first and says which record it is. Times are RFC 3339 in UTC with milliseconds
(`audit.timestamp`). Text that an agent or a server wrote is stored as it is and escaped by the encoder.
"""

from typing import Any, Literal

from msgspec import Raw, Struct

FORMAT = 1
"""The version of the file format, which the first record of every file states."""

Arguments = str | dict[str, Any] | Raw
"""As `audit.arguments.describe_arguments` makes them: a hash, a description without values, or the JSON."""

Status = Literal[
    "ok",
    "tool_error",
    "rpc_error",
    "input_required",
    "task",
    "cancelled",
    "denied",
    "not_forwarded",
    "unknown",
]

Event = Literal[
    "gate_started",
    "gate_stopped",
    "frame_refused",
    "request_refused",
    "policy_reloaded",
    "policy_refused",
    "store_failed",
    "torn_line_removed",
    "records_missing",
    "records_not_written",
    "file_changed",
    "mode_tightened",
]


class ChainStart(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="start"):
    """The first record of every file. `previous` is the last hash of the file that this one follows."""

    format: int
    time: str
    previous: str | None = None


class DecisionRecord(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="decision", gc=False):
    """What the gate decided about one call, written before anything is forwarded.

    `request` is the JSON-RPC id, `policy` the revision of the policy that decided, `retry_after` is in
    seconds, `charges` the number of limits that were charged, `parent` the execution of code that made
    this call. `code`, `rule` and `reason` say why a call was not simply allowed.
    """

    id: str
    time: str
    session: str
    identity: str
    server: str
    tool: str
    effect: Literal["allow", "hold", "deny"]
    policy: str
    request: str | int | None = None
    arguments: Arguments | None = None
    code: str | None = None
    rule: str | None = None
    reason: str | None = None
    retry_after: float | None = None
    charges: int | None = None
    parent: str | None = None


class OutcomeRecord(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="outcome", gc=False):
    """What came of the decision `id`.

    `duration_ms` counts from the decision to the answer, exact to the microsecond; `response_bytes` is the
    size of the answer's frame, `rpc_code` the code of a JSON-RPC error, `task` the id of a task that goes on.
    """

    id: str
    time: str
    status: Status
    duration_ms: float | None = None
    response_bytes: int | None = None
    rpc_code: int | None = None
    task: str | None = None


class EventRecord(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="event"):
    """Something that happened to the gate rather than to one call.

    `code` is a stable code, `detail` a short text for people; `size` and `sha256` describe bytes that are
    not themselves kept (a refused frame, a torn line); `previous` is a hash that the chain held before.
    """

    time: str
    event: Event
    code: str | None = None
    detail: str | None = None
    session: str | None = None
    server: str | None = None
    policy: str | None = None
    request: str | int | None = None
    size: int | None = None
    sha256: str | None = None
    previous: str | None = None


Record = ChainStart | DecisionRecord | OutcomeRecord | EventRecord
