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

MAX_PAST_ALIASES = 1_000
"""Answered calls of hidden tools of which the server may still speak; older ones are forgotten."""


class SessionState:
    """Frames in `to_agent` and `to_server` are without their newline and in order.

    `alias_token` is unguessable text that stands in nothing but the names of `alias`: if one is ever shown, nothing
    else is given away.
    """

    def __init__(self, gate: Gate, policy: Policy, log: Log, alias_token: str) -> None:
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
        self.aliased = False
        """Whether a hidden tool was ever asked for."""
        self._aliases: dict[bytes, bytes] = {}
        self._past_aliases: dict[bytes, bytes] = {}
        self._alias_count = 0
        self._mark = b"-" + alias_token.encode()
        self.initialized = False
        """Whether the server has answered `initialize` (session era)."""

    def alias(self, tool: str) -> bytes:
        """A name that no tool has, to ask the server for instead of the hidden `tool`.

        It stands for `tool` until `past` is called with it, and for a while after that.
        """
        self.aliased = True
        self._alias_count += 1
        # No such name is a part of another.
        alias = b"unknown-%d%b" % (self._alias_count, self._mark)
        self._aliases[alias] = replies.json_text(tool)[1:-1]
        return alias

    def past(self, alias: bytes) -> None:
        """The call that asked for `alias` is over; only logs and the like may still speak of it."""
        self._past_aliases[alias] = self._aliases.pop(alias)
        if len(self._past_aliases) > MAX_PAST_ALIASES:
            del self._past_aliases[next(iter(self._past_aliases))]

    def unalias(self, line: bytes) -> bytes:
        """A frame from the server with the agent's names in place of those that stood for them."""
        if self._mark not in line:
            return line
        *parts, rest = line.split(self._mark)
        shown = []
        for part in parts:
            before, found, number = part.rpartition(b"unknown-")
            if found and number.isdigit():
                alias = found + number + self._mark
                # One that is forgotten must at least not show what it was.
                name = self._aliases.get(alias) or self._past_aliases.get(alias, b"unknown")
                shown += [before, name]
            else:
                shown += [part, b"-unknown"]
        return b"".join([*shown, rest])

    def answered(self, request_id: RequestId, pending: Pending) -> None:
        """The request of `pending` is over."""
        del self.pending[request_id]
        if pending.alias is not None:
            self.past(pending.alias)

    def retire(self, request_id: RequestId, pending: Pending) -> None:
        """Remember the id of a cancelled call, and what it was asked for; the oldest of very many is forgotten."""
        del self.pending[request_id]
        self.retired[request_id] = pending
        if len(self.retired) > MAX_IN_FLIGHT:
            oldest = self.retired.pop(next(iter(self.retired)))
            if oldest.alias is not None:
                self.past(oldest.alias)
