"""What all exchanges of one process share, and what they know of one server. Data and references only."""

from asyncio import AbstractEventLoop
from typing import Protocol

from msgspec import Struct, field

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.gate.call import Caller
from callgate.http1.contract import Head
from callgate.policy.compile import Policy
from callgate.proxy.aliases import Aliases
from callgate.serve.judging import Judging
from callgate.serve.refusals import Refusals
from callgate.serve.sealing import Seal
from callgate.serve.tools import Tools
from callgate.serve.unanswered import Unanswered
from callgate.telemetry.contract import Observer
from callgate.telemetry.health import UpstreamState
from callgate.telemetry.logs import Log
from callgate.telemetry.tracing import Tracing
from callgate.upstream.contract import Upstream
from callgate.wire.vocabulary import Era


class Guarded:
    """One server behind the gate: `policy` may be replaced between two frames."""

    __slots__ = ("aliases", "closed", "config", "health", "name", "policy", "tools", "upstream")

    def __init__(
        self,
        config: ServerConfig,
        policy: Policy,
        upstream: Upstream,
        clock: Clock,
        loop: AbstractEventLoop,
        token: str,
    ) -> None:
        self.name = config.name
        self.config = config
        self.policy = policy
        self.upstream = upstream
        self.aliases = Aliases(token)
        self.health: UpstreamState = "unknown"
        """What the last request to it came to."""
        self.closed = False
        """Whether it is the gate that ends what is under way there."""
        self.tools: dict[Era, Tools] = {
            era: Tools(upstream, clock, loop.call_later) for era in ("legacy", "modern")
        }

    def close(self) -> None:
        """End what is under way there; that is no failure of the server's."""
        self.closed = True
        self.upstream.close()


class Stream(Protocol):
    """An answer that goes on, for a caller whose credential may end before it does."""

    caller: Caller
    guarded: "Guarded"
    head: Head

    def heartbeat(self) -> None: ...

    def announce(self) -> None: ...

    def expire(self) -> None: ...

    def drain(self) -> None: ...


class Shared(Struct):
    """`home` names this process in the ids of sessions whose child lives here; `streams` are the open ones.

    `calls`: how many were forwarded and wait for their answer.
    """

    judging: Judging
    refusals: Refusals
    seal: Seal
    observer: Observer
    log: Log
    clock: Clock
    unanswered: Unanswered
    home: str
    key_header: bytes | None = None
    tracing: Tracing | None = None
    streams: set[Stream] = field(default_factory=set)
    calls: int = 0
