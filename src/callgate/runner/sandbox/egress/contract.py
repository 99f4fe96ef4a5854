"""What the proxy tells, and what it is held to. Data only."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from callgate.runner.sandbox.egress.hosts import Address


class EgressLimits(Struct, frozen=True, kw_only=True):
    """Of one execution. Times in seconds, sizes in bytes; `total_bytes` counts both directions of all connections.

    `connections` may be open at once; further ones wait until they are accepted. `idle` is how long a connection may
    carry nothing, `life` how long it may be open. `visits` is how many visits are told.
    """

    connections: int = 32
    head: float = 10.0
    connect: float = 10.0
    idle: float = 60.0
    life: float = 3600.0
    total_bytes: int | None = None
    visits: int = 1_000


class Visit(Struct, frozen=True, kw_only=True):
    """One attempt to reach a host. `host` is as it is compared (lower case), or what was asked for, escaped.

    `why` is for logs: the reason of a refusal or of a failure, empty for a host that was reached.
    """

    host: str
    allowed: bool
    address: str | None = None
    why: str = ""


Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Name and port → its addresses. Raises OSError."""

Log = Callable[[Visit], None]
