"""What both directions of one agent connection share. Data and queues; no I/O, no decision."""

from collections.abc import Callable

from callgate.gate.admit import Gate
from callgate.policy.compile import Policy
from callgate.proxy.catalog import Catalog
from callgate.proxy.pending import Pending

RequestId = str | int
Log = Callable[[str, str], None]
"""Called with a level (`debug`, `info`, `warning`, `error`) and one escaped line."""

MAX_IN_FLIGHT = 10_000
"""Requests that may wait for an answer at the same time, in each direction."""


class SessionState:
    """Frames in `to_agent` and `to_server` are without their newline and in order."""

    def __init__(self, gate: Gate, policy: Policy, log: Log) -> None:
        self.gate = gate
        self.policy = policy
        self.log = log
        self.catalog = Catalog()
        self.to_agent: list[bytes] = []
        self.to_server: list[bytes] = []
        self.held: list[tuple[int, RequestId, Pending]] = []
        """Calls of this turn: their place in `to_server`, request id and entry; not to be sent before `commit`."""
        self.pending: dict[RequestId, Pending] = {}
        self.retired: dict[RequestId, None] = {}
        """Ids of the latest cancelled calls: a late answer to one must not be taken for another request's."""
        self.server_requests: set[RequestId] = set()
        """Ids of the server's own requests that the agent has not answered."""
        self.initialized = False
        """Whether the server has answered `initialize` (session era)."""

    def retire(self, request_id: RequestId) -> None:
        """Remember the id of a cancelled call; the oldest of very many is forgotten."""
        self.retired[request_id] = None
        if len(self.retired) > MAX_IN_FLIGHT:
            del self.retired[next(iter(self.retired))]
