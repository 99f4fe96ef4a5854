"""What the gate reports while it works. An observer must be cheap (about a microsecond) and must never raise."""

from typing import Protocol

from msgspec import Struct, field

from callgate.decision import Amount


class Observer(Protocol):
    """Told of calls and failures; `server` and `tool` as in the audit, seconds as floats."""

    def judged(self, server: str, tool: str, verdict: str, code: str | None) -> None:
        """A tools/call was judged: `verdict` is allow or deny, `code` the denial code."""
        ...

    def ended(self, server: str, tool: str, status: str, seconds: float) -> None:
        """An admitted call ended with an audit status (ok, tool_error, rpc_error, cancelled, unknown, …)."""
        ...

    def answered(self, server: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; `method` is the MCP method, or "" where there is none."""
        ...

    def upstream_failed(self, server: str, code: str) -> None:
        """A server behind the gate failed with a `UPS…` code."""
        ...

    def refused(self, server: str, code: str) -> None:
        """A frame or request was refused before it was judged (wire, authentication, Host, Origin)."""
        ...

    def limit(self, server: str, rule: str, used: Amount, max: Amount) -> None:
        """A call was charged or refused by a limit: what its counter holds now, of the `max` it may hold."""
        ...


class Levels(Struct, kw_only=True):
    """How much there is of what comes and goes, in one process. Counts by server where there is a dict.

    `policies` has the revision in force for each server; `streams` are event streams open towards agents.
    """

    sessions: dict[str, int] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    streams: int = 0
    connections: int = 0
    audit_failing: bool = False
    store_failing: bool = False
    policies: dict[str, str] = field(default_factory=dict)
