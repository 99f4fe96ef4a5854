"""What the operator chose for the runner's server. Data only."""

from msgspec import Struct


class ServerOptions(Struct, frozen=True, kw_only=True):
    """`servers` are the names that scripts can call tools of, `network` the hosts that they reach by network
    (`HOST[:PORT]`); both are told to agents. Times in seconds.

    `trusted_gates`: the identities whose word about their callers (`Callgate-Identity`) is believed. `drain` is how
    long calls under way may take once the server is told to end. `task_after` is how long `executeCode` waits before
    it goes on as a task, for clients that know tasks. `backend` and `tier`: where scripts run, as agents are told.
    """

    servers: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    trusted_gates: tuple[str, ...] = ()
    drain: float = 10.0
    task_after: float = 5.0
    backend: str | None = None
    tier: str | None = None
