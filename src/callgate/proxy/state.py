"""What both directions of one agent connection share. Data and queues; no I/O, no decision."""

from collections.abc import Callable

from callgate.gate.admit import Gate
from callgate.policy.compile import Policy
from callgate.proxy.catalog import Catalog
from callgate.proxy.pending import Pending
from callgate.wire import replies

RequestId = str | int
Log = Callable[[str, str], None]
"""Called with a level (`debug`, `info`, `warning`, `error`) and one escaped line."""

MAX_IN_FLIGHT = 10_000
"""Requests that may wait for an answer at the same time, in each direction."""


MAX_ALIASES = 1_000
"""Calls of hidden tools of which the server may still speak; older ones are forgotten."""


class SessionState:
    """Frames in `to_agent` and `to_server` are without their newline and in order."""

    def __init__(self, gate: Gate, policy: Policy, log: Log, token: str) -> None:
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
        self.aliases: dict[bytes, bytes] = {}
        """Names under which hidden tools were asked for, and the tools' names as text inside JSON."""
        self._token = token
        self._alias_count = 0
        self.initialized = False
        """Whether the server has answered `initialize` (session era)."""

    def alias(self, tool: str) -> str:
        """A name that no tool has, to ask the server for instead of the hidden `tool`."""
        self._alias_count += 1
        # No such name is a part of another.
        alias = f"unknown-{self._alias_count}-{self._token}"
        self.aliases[alias.encode()] = replies.json_text(tool)[1:-1]
        if len(self.aliases) > MAX_ALIASES:
            del self.aliases[next(iter(self.aliases))]
        return alias

    def unalias(self, line: bytes) -> bytes:
        """A frame from the server with the agent's names in place of those that stood for them."""
        if self._token.encode() in line:
            for alias, name in self.aliases.items():
                line = line.replace(alias, name)
        return line

    def retire(self, request_id: RequestId) -> None:
        """Remember the id of a cancelled call; the oldest of very many is forgotten."""
        self.retired[request_id] = None
        if len(self.retired) > MAX_IN_FLIGHT:
            del self.retired[next(iter(self.retired))]
