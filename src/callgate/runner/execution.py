"""One execution as data: what was asked for, where it stands, how it ended. No I/O, no clock.

The states are a table (`NEXT`); whoever writes the journal holds every change against it. An execution in a state of
`TERMINAL` never changes again.
"""

from typing import Any, Literal

from msgspec import Struct, field

Status = Literal["pending", "running", "completed", "failed", "cancelled", "interrupted"]
"""What agents are told: coarse, and stable."""

State = Literal[
    "queued",
    "preparing",
    "running",
    "cancelling",
    "completed",
    "failed",
    "timed_out",
    "resource_killed",
    "cancelled",
    "interrupted",
]
"""What happened, finer. A lost worker's execution is `queued` again with its attempt counted up, or `interrupted`."""

STATUS_OF: dict[State, Status] = {
    "queued": "pending",
    "preparing": "running",
    "running": "running",
    "cancelling": "running",
    "completed": "completed",
    "failed": "failed",
    "timed_out": "failed",
    "resource_killed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}

TERMINAL: frozenset[State] = frozenset(
    {"completed", "failed", "timed_out", "resource_killed", "cancelled", "interrupted"}
)

_UNDER_WAY: frozenset[State] = frozenset({"cancelling", "queued"})
_RUNNING: frozenset[State] = frozenset({"running"})
_NOT_COMPLETED: frozenset[State] = TERMINAL - {"completed"}

NEXT: dict[State, frozenset[State]] = {
    "queued": frozenset({"preparing", "cancelled", "failed", "interrupted"}),
    "preparing": _UNDER_WAY | _NOT_COMPLETED | _RUNNING,
    "running": _UNDER_WAY | TERMINAL,
    "cancelling": TERMINAL,
    **dict.fromkeys(TERMINAL, frozenset()),
}
"""State → what may follow. `cancelling` may still end otherwise: the script can be quicker than the signal."""

Cause = Literal[
    "exception",
    "output_vars",
    "result_size",
    "crashed",
    "memory",
    "cpu_time",
    "wall_clock",
    "processes",
    "disk",
    "inodes",
    "output",
    "packages",
    "required_tools",
    "required_secrets",
    "servers",
    "sandbox",
    "budget",
    "cancelled",
    "in_doubt_call",
    "diverged",
    "attempts",
    "journal_limit",
]
"""Why it ended as it did; None for `completed`. `in_doubt_call`: an inner call was begun, and nobody knows whether it
ran. `diverged`: the script, run again, made other calls than those already answered."""


class Owner(Struct, frozen=True):
    """Who began an execution, and alone may see it. `session` is None where the identity is enough.

    `identity` is what rules and limits know the caller by. `limit_session` is the session that limits of inner calls
    are counted under. `proven` and `claims` as in `principal.Principal`.
    """

    identity: str
    session: str | None = None
    limit_session: str = "session"
    proven: bool = False
    claims: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What the journal files executions under."""
        return self.identity if self.session is None else f"{self.identity}\x1f{self.session}"


class Spec(Struct, frozen=True, kw_only=True):
    """What an agent asks for: the twelve parameters of `executeCode`, checked for their types.

    `output_vars` maps a variable to the name of its type (`precheck` knows the names). `timeout` in seconds, None for
    none. `local` None means wherever the operator's queue is.
    """

    script: str
    name: str | None = None
    description: str | None = None
    session_id: str | None = None
    input_vars: dict[str, Any] = field(default_factory=dict)
    output_vars: dict[str, str] = field(default_factory=dict)
    required_tools: tuple[str, ...] = ()
    additional_imports: tuple[str, ...] = ()
    local: bool | None = None
    mcp_server_names: tuple[str, ...] = ()
    timeout: float | None = None
    required_secrets: tuple[str, ...] = ()


class TracebackLine(Struct, frozen=True):
    """One line of the script that was being run, 1-based; `function` is `<module>` at the top."""

    line: int
    function: str
    text: str


class ScriptError(Struct, frozen=True, kw_only=True):
    """Why the script did not complete, fit for an agent. `type` is the exception's name, or the cause's."""

    type: str
    message: str
    traceback: tuple[TracebackLine, ...] = ()
    line: int | None = None
    column: int | None = None
    help: str | None = None


class Usage(Struct, frozen=True, kw_only=True):
    """What it took. Times in milliseconds, memory in bytes; None where the backend cannot tell."""

    wall_ms: float
    cpu_ms: float | None = None
    peak_memory: int | None = None


class Ending(Struct, frozen=True, kw_only=True):
    """How one attempt ended. `state` is terminal. `results` are JSON values by their variable's name."""

    state: State
    cause: Cause | None = None
    results: dict[str, Any] | None = None
    error: ScriptError | None = None
    usage: Usage | None = None


class InnerCall(Struct, frozen=True, kw_only=True):
    """One tool call that a script made, as the journal has it. Times in milliseconds since 1970.

    `seq` counts the calls of the whole execution in the order in which they were begun, over all attempts.
    `repeatable`: the tool says that it is read-only or idempotent. `answer` is the encoded `answer.Answer`.
    """

    seq: int
    attempt: int
    function: str
    arguments_sha256: str
    state: Literal["started", "answered", "denied"]
    repeatable: bool
    started_ms: int
    ended_ms: int | None = None
    answer: bytes | None = None
    decision_id: str | None = None


class Execution(Struct, frozen=True, kw_only=True):
    """One row of the journal. Times in milliseconds since 1970. `attempt` is 0 until somebody took it up.

    `version` grows with every change that an observer could see, output and progress too. `calls` counts inner calls,
    `denied_calls` those of them that were denied.
    """

    uuid: str
    owner: Owner
    spec: Spec
    state: State = "queued"
    cause: Cause | None = None
    attempt: int = 0
    version: int = 0
    created_ms: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    worker: str | None = None
    lease_until_ms: int | None = None
    cancel_requested: bool = False
    progress: float | None = None
    progress_text: str | None = None
    backend: str | None = None
    tier: str | None = None
    output_bytes: int = 0
    results: dict[str, Any] | None = None
    error: ScriptError | None = None
    usage: Usage | None = None
    calls: int = 0
    denied_calls: int = 0

    @property
    def status(self) -> Status:
        return STATUS_OF[self.state]

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL
