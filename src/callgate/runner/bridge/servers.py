"""The connections to one server: who may use which, when they begin, and when they end.

What a server remembers of a session must not pass from one owner to another: a child, or a session of the handshake
eras, belongs to one owner. Only a server that keeps no session (2026-07-28 over HTTP) is shared. It never starts a
server that keeps ending without waiting in between.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.config.secrets import read_secret
from callgate.errors import CallgateError
from callgate.runner.bridge.child_streams import ChildStreams, environment
from callgate.runner.bridge.connection import Connection
from callgate.runner.bridge.failures import Unreachable, why
from callgate.runner.bridge.http_streams import HttpStreams
from callgate.transports.environment import child_environment
from callgate.transports.spawner import ChildPipes, Spawner
from callgate.upstream.restarts import STEADY_SECONDS, Restarts
from callgate.upstream.stderr import Log

SWEEP_SECONDS = 5.0
FLUSH_SECONDS = 0.005

_ENDING = "the server keeps ending"

_SPARE = ""
"""The key of a connection that nobody has used: whoever needs one first gets it."""

_ALL = "\x1eall"
"""The key of a connection that all may use."""


class Server:
    """`changed` is called when some connection hears that the tools changed."""

    def __init__(
        self,
        config: ServerConfig,
        spawner: Callable[[], Spawner],
        clock: Clock,
        log: Log,
        changed: Callable[[], None],
    ) -> None:
        self.config = config
        self.name = config.name
        self._spawner = spawner
        self._clock = clock
        self._log = log
        self._changed = changed
        self._connections: dict[str, Connection] = {}
        self._every: set[Connection] = set()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._born_ns: dict[Connection, int] = {}
        self._restarts = Restarts(clock)
        self._last_failure = _ENDING
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> int:
        """How many there are, those included that are about to end."""
        return len(self._every)

    async def connection(self, owner: str | None) -> Connection:
        """A living connection for the owner of that key; None: any that is to spare. Raises Unreachable."""
        while True:
            found = self._find(owner)
            if found is not None:
                found.used_ns = self._clock.monotonic_ns()
                return found
            key = _SPARE if owner is None else owner
            opening = self._opening.get(_SPARE) or self._opening.get(key)
            if opening is None:
                opening = self._opening[key] = asyncio.get_running_loop().create_task(self._open(key))
                opening.add_done_callback(partial(self._opened, key))
            # Others wait for it, too: it goes on when this one is cancelled.
            await asyncio.shield(opening)

    async def any(self) -> Connection:
        """A living connection that nobody waits on at the moment, whoever's it is: to ask what is the same for all.

        Raises Unreachable.
        """
        for connection in self._connections.values():
            if connection.alive and not connection.in_flight:
                return connection
        return await self.connection(None)

    def works(self) -> None:
        """A call was answered: what was wrong is over."""
        self._restarts.works(self.name)

    def sweep(self) -> None:
        """End what nobody has used for `idle` seconds."""
        since = self._clock.monotonic_ns() - round(self.config.idle * 1e9)
        for key, connection in tuple(self._connections.items()):
            if not connection.alive or (not connection.in_flight and connection.used_ns <= since):
                self._end(key)
        self._restarts.prune()

    async def close(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in tuple(self._opening.values()):
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for key in tuple(self._connections):
            self._end(key)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _find(self, owner: str | None) -> Connection | None:
        for key in (_ALL, _SPARE if owner is None else owner):
            found = self._connections.get(key)
            if found is not None and found.alive:
                return found
        if owner is None:
            return None
        spare = self._connections.get(_SPARE)
        if spare is None or not spare.alive:
            return None
        del self._connections[_SPARE]
        self._connections[owner] = spare
        return spare

    def _opened(self, key: str, opening: asyncio.Task[None]) -> None:
        self._opening.pop(key, None)
        if not opening.cancelled():
            # Whoever waited for it may have gone.
            opening.exception()

    async def _open(self, key: str) -> None:
        """Make a connection under `key`. Raises Unreachable."""
        if self._closed:
            raise Unreachable("the runner is shutting down")
        wait = self._restarts.wait(self.name)
        if wait:
            again = f"{self._last_failure}; it is started again in {wait} seconds at the earliest"
            raise Unreachable(again, "UPS049", wait)
        most = self.config.max_children
        # Those that are to make room may take their time to end.
        if len(self._every) >= most and (len(self._every) >= 2 * most or not self._make_room()):
            raise Unreachable("too many connections to the server are in use", "UPS046", 1)
        connection = self._made()
        self._every.add(connection)
        self._born_ns[connection] = self._clock.monotonic_ns()
        try:
            await connection.open(self.config.timeout)
        except Unreachable as failure:
            self._restarts.ended_badly(self.name)
            self._last_failure = failure.why
            self._log("warning", f"{self.name}: {failure.why}")
            raise
        if self.config.url is not None and connection.modern:
            key = _ALL
        now = self._clock.monotonic_ns()
        connection.used_ns = now
        before = self._connections.get(key)
        if before is not None and before.alive:
            # Two found out at the same time that one is enough.
            self._dispose(connection)
        else:
            self._connections[key] = connection
        self._sweep_later()

    def _made(self) -> Connection:
        """A connection that is not open yet. Raises Unreachable: a secret is not there."""
        config = self.config
        try:
            if config.url is not None:
                return Connection(
                    HttpStreams(config, self._clock).streams, self._changed, self._lost, self._forget
                )
            own = {name: read_secret(value) for name, value in config.env.items()}
        except (CallgateError, OSError) as error:
            raise Unreachable(why(error), "UPS040") from None
        env = environment(child_environment(os.environ, own))

        def start() -> ChildPipes:
            spawner = self._spawner()
            pipes = spawner.start(config.command, env, config.cwd)
            self._flush_later(spawner)
            return pipes

        def streams() -> AbstractAsyncContextManager[Any]:
            return ChildStreams(config, start, self._clock, self._log, connection.lose).streams()

        connection = Connection(streams, self._changed, self._lost, self._forget)
        return connection

    def _lost(self, connection: Connection) -> None:
        """It ended by itself: whoever needs one next gets another."""
        for key, known in tuple(self._connections.items()):
            if known is connection:
                del self._connections[key]
        lived = self._clock.monotonic_ns() - self._born_ns[connection]
        if lived < STEADY_SECONDS * 1e9:
            self._last_failure = _ENDING
            self._restarts.ended_badly(self.name)

    def _forget(self, connection: Connection) -> None:
        self._every.discard(connection)
        self._born_ns.pop(connection, None)

    def _make_room(self) -> bool:
        """End the connection that nobody waits for and that was used longest ago. False if there is none."""
        free = [key for key, one in self._connections.items() if not one.in_flight]
        if not free:
            return False
        self._end(min(free, key=lambda key: self._connections[key].used_ns))
        return True

    def _end(self, key: str) -> None:
        self._dispose(self._connections.pop(key))

    def _dispose(self, connection: Connection) -> None:
        task = asyncio.get_running_loop().create_task(connection.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _sweep_later(self) -> None:
        if self._sweeper is None and not self._closed:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._swept)

    def _swept(self) -> None:
        self._sweeper = None
        self.sweep()
        if self._connections:
            self._sweep_later()

    def _flush_later(self, spawner: Spawner) -> None:
        # Rare: the nursery does not read at this moment.
        if spawner.backlog:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush, spawner)

    def _flush(self, spawner: Spawner) -> None:
        spawner.flush()
        self._flush_later(spawner)
