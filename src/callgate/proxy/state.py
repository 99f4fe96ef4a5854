"""What both directions of one agent connection share. Data and queues; no I/O, no decision."""

from collections import Counter
from collections.abc import Callable
from typing import Literal

from callgate.clock import Clock
from callgate.gate.admit import Gate
from callgate.policy.compile import Policy
from callgate.proxy.aliases import Aliases
from callgate.proxy.catalog import Catalog
from callgate.proxy.pending import Pending
from callgate.telemetry.sampling import Sampler, by_code

RequestId = str | int
Side = Literal["agent", "server"]
Log = Callable[[str, str], None]
"""Called with a level (`debug`, `info`, `warning`, `error`) and one escaped line."""

MAX_IN_FLIGHT = 10_000
"""Requests that may wait for an answer at the same time, in each direction."""


class SessionState:
    """Frames in `to_agent` and `to_server` are without their newline and in order.

    `alias_token` as in `aliases.Aliases`.
    """

    def __init__(self, gate: Gate, policy: Policy, log: Log, alias_token: str, clock: Clock) -> None:
        self.gate = gate
        self.policy = policy
        self.log = log
        self.catalog = Catalog()
        self.to_agent: list[bytes] = []
        self.to_server: list[bytes] = []
        self.held: list[tuple[int, RequestId, Pending]] = []
        """Calls of this turn: their place in `to_server`, request id and entry; not to be sent before `commit`."""
        self.pending: dict[RequestId, Pending] = {}
        self.retired: dict[RequestId, Pending] = {}
        """Ids of the latest cancelled calls: a late answer to one must not be taken for another request's."""
        self.server_requests: set[RequestId] = set()
        """Ids of the server's own requests that the agent has not answered."""
        self.aliases = Aliases(alias_token)
        self.initialized = False
        """Whether the server has answered `initialize` (session era)."""
        self.dropped = 0
        """How many frames of the server were not passed on."""
        self.remarks: Sampler[Side] = Sampler(clock, self._tell)

    def refused(self, side: Side, code: str, text: str, line: str) -> None:
        """A frame sent by `side` was not passed on: `text` for the audit, `line` for the log; of many, the count."""
        if side == "server":
            self.dropped += 1
        if self.remarks.passes(side, code):
            self.log("warning", line)
            self.gate.event("frame_refused", code, text)

    def _tell(self, side: Side | None, counts: Counter[str]) -> None:
        text = f"{counts.total()} more frames of the {side} were refused within seconds: {by_code(counts)}"
        self.log("warning", text)
        self.gate.event("frame_refused", None, text)

    def answered(self, request_id: RequestId, pending: Pending) -> None:
        """The request of `pending` is over."""
        del self.pending[request_id]
        if pending.alias is not None:
            self.aliases.past(pending.alias)

    def retire(self, request_id: RequestId, pending: Pending) -> None:
        """Remember the id of a cancelled call, and what it was asked for; the oldest of very many is forgotten."""
        del self.pending[request_id]
        self.retired[request_id] = pending
        if len(self.retired) > MAX_IN_FLIGHT:
            oldest = self.retired.pop(next(iter(self.retired)))
            if oldest.alias is not None:
                self.aliases.past(oldest.alias)
