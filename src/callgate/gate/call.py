"""One tools/call on its way through the gate: who calls what, and what came of judging it. Data only."""

from typing import Any, Protocol

from msgspec import Struct

from callgate.decision import Decision, Reason, Request
from callgate.gate.denial import Denial


class DecidesCalls(Protocol):
    """What the gate needs of a compiled policy."""

    @property
    def revision(self) -> str: ...

    def decide(self, request: Request) -> Decision: ...


class Caller:
    """Who calls which server: fixed for one agent connection or one HTTP request.

    `proven`: somebody authenticated the identity; then `claims` is what the credential says, and `expires_at` when
    it ends (seconds since 1970, None for never).
    """

    __slots__ = ("claims", "expires_at", "identity", "proven", "server", "session")

    def __init__(
        self,
        session: str,
        identity: str,
        server: str,
        *,
        proven: bool = False,
        claims: dict[str, Any] | None = None,
        expires_at: float | None = None,
    ) -> None:
        self.session = session
        self.identity = identity
        self.server = server
        self.proven = proven
        self.claims = claims
        self.expires_at = expires_at


class Call(Struct, gc=False):
    """One tools/call of many callers' (`Gate.admit_all`). `arguments` and `schema` as in `decision.Request`.

    `spelled` is the canonical JSON of `arguments`, if somebody has it already. `parent` is the execution of code
    that makes the call; `exhausted` is why that may make no further one, whatever the policy says of this one.
    """

    policy: DecidesCalls
    caller: Caller
    tool: str
    arguments: dict[str, Any]
    request_id: str | int
    schema: Any = None
    spelled: bytes | None = None
    parent: str | None = None
    exhausted: Reason | None = None


class Admission(Struct, gc=False):
    """One judged call. `denial` is None for a call that may be forwarded (if hidden: only under another name)."""

    decision_id: str
    tool: str
    started_ns: int
    turn: int
    hidden: bool = False
    reservation: str | None = None
    denial: Denial | None = None


def request_of(call: Call) -> Request:
    """The call as the policy sees it."""
    caller = call.caller
    return Request(
        call.tool,
        call.arguments,
        caller.session,
        caller.identity,
        caller.server,
        call.schema,
        caller.identity if caller.proven else None,
        caller.claims,
    )
