"""Where clients connect: sockets, the set of connections, one sweep for all time-outs, and an orderly end.

One listener belongs to one event loop, asyncio's or uvloop's. It never looks into a request.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from operator import itemgetter
from time import gmtime, strftime
from typing import Any, Final

from callgate.clock import Clock, SystemClock
from callgate.errors import UsageError
from callgate.http1.body import READ, Budget
from callgate.http1.connection import Connection
from callgate.http1.contract import Application, Limits
from callgate.http1.strictness import HeadReader
from callgate.http1.tls import Certificate
from callgate.text import quote

_OVER: Final = 256
"""Connections beyond the bound that are told so; further ones are just closed."""
_SHUTDOWN: Final = 5.0
_PROBE_AFTER: Final = 60
_PROBE_EVERY: Final = 15
_PROBES: Final = 4

_log = logging.getLogger("callgate.http1")


def _ignore(_code: str) -> None:
    """Nobody wants to know."""


class Listener:
    """Accepts connections for an application.

    `observe` is called with a stable code for every connection or request that is refused here; it must be quick and
    not raise. `sweep_interval` is in seconds: a time-out takes effect up to two of them late, never early.
    """

    def __init__(
        self,
        application: Application,
        limits: Limits,
        *,
        clock: Clock | None = None,
        observe: Callable[[str], None] = _ignore,
        sweep_interval: float = 1.0,
    ) -> None:
        self.application = application
        self.limits = limits
        self.observe = observe
        self.loop = asyncio.get_running_loop()
        self.reader = HeadReader(limits.max_head, limits.max_headers)
        self.scratch = memoryview(bytearray(READ))
        """What every connection reads into: a read is dealt with before the next one is begun."""
        self.bodies = Budget(limits.max_buffered)
        """What all connections together may hold of bodies that are not complete."""
        self.draining = False
        self.now = 0.0
        """Seconds, as of the last sweep: requests read no clock."""
        self.date = b""
        self._clock = clock or SystemClock()
        self._interval = sweep_interval
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._paths: list[str] = []
        self._drained: Callable[[], None] | None = None
        self._read_clock()
        self._timer = self.loop.call_later(sweep_interval, self._tick)

    # binding

    async def bind(
        self,
        host: str,
        port: int,
        *,
        certificate: Certificate | None = None,
        reuse_port: bool = False,
        backlog: int = 2_048,
    ) -> None:
        """Listen on every address of `host`; port 0 chooses one. Raises UsageError (HTTP032)."""
        try:
            server = await self.loop.create_server(
                self._protocol,
                host,
                port,
                reuse_port=reuse_port or None,
                backlog=backlog,
                **self._tls(certificate),
            )
        except OSError as error:
            raise _cannot_listen(f"{host}:{port}", error) from None
        self._add(server)

    async def bind_unix(self, path: str, *, mode: int = 0o600, backlog: int = 2_048) -> None:
        """Listen on a Unix socket, made anew, with these permissions. Raises UsageError (HTTP032)."""
        try:
            server = await self.loop.create_unix_server(self._protocol, path, backlog=backlog)
            self._paths.append(path)
            os.chmod(path, mode)
        except OSError as error:
            raise _cannot_listen(path, error) from None
        self._add(server)

    async def adopt(
        self, sock: socket.socket, *, certificate: Certificate | None = None, backlog: int = 2_048
    ) -> None:
        """Listen on a socket that is already bound, such as an inherited one. Raises UsageError (HTTP032)."""
        try:
            if sock.family == socket.AF_UNIX:
                server = await self.loop.create_unix_server(self._protocol, sock=sock, backlog=backlog)
            else:
                server = await self.loop.create_server(
                    self._protocol, sock=sock, backlog=backlog, **self._tls(certificate)
                )
        except (OSError, ValueError) as error:
            raise _cannot_listen("the given socket", error) from None
        self._add(server)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every TCP socket."""
        names = [sock.getsockname() for server in self._servers for sock in server.sockets]
        return [(name[0], name[1]) for name in names if isinstance(name, tuple)]

    def _protocol(self) -> Connection:
        return Connection(self)

    def _tls(self, certificate: Certificate | None) -> dict[str, Any]:
        if certificate is None:
            return {}
        return {
            "ssl": certificate.context,
            "ssl_handshake_timeout": self.limits.head_timeout,
            "ssl_shutdown_timeout": _SHUTDOWN,
        }

    def _add(self, server: asyncio.Server) -> None:
        self._servers.append(server)
        for sock in server.sockets:
            if sock.family != socket.AF_UNIX:
                _probe(sock)

    # connections

    @property
    def connections(self) -> int:
        """How many there are, whatever they do."""
        return len(self._connections)

    def enter(self, connection: Connection) -> None:
        """A connection was accepted. Called by it."""
        count = len(self._connections)
        self._connections.add(connection)
        if count >= self.limits.max_connections + _OVER:
            self.observe("HTTP016")
            connection.abandon()
        elif count >= self.limits.max_connections:
            connection.refuse("HTTP016")
        elif self.draining:
            connection.drain()

    def leave(self, connection: Connection) -> None:
        """A connection has ended. Called by it."""
        self._connections.discard(connection)
        if self.draining:
            self._say_drained()

    def sweep(self) -> None:
        """Let every connection act on time-outs that have passed. Called by the listener itself once an interval."""
        self._read_clock()
        unread: list[tuple[int, Connection]] = []
        for connection in tuple(self._connections):
            connection.check_time(self.now, self._interval)
            size = connection.transport.get_write_buffer_size()
            if size > self.limits.high_water:
                unread.append((size, connection))
        self._shed(unread)

    def _shed(self, unread: "list[tuple[int, Connection]]") -> None:
        """Answers that clients do not take share one bound: beyond it the largest are cut off."""
        total = sum(size for size, _ in unread)
        for size, connection in sorted(unread, key=itemgetter(0), reverse=True):
            if total <= self.limits.max_buffered:
                return
            self.observe("HTTP022")
            connection.abandon()
            total -= size

    def _tick(self) -> None:
        self._timer = self.loop.call_later(self._interval, self._tick)
        try:
            self.sweep()
        except Exception:
            _log.exception("the sweep failed")

    def _read_clock(self) -> None:
        self.now = self._clock.monotonic_ns() / 1e9
        # RFC 9110, 5.6.7. A program has the C locale's names as long as nobody sets another; `email` costs a megabyte.
        now = gmtime(self._clock.wall_ns() // 1_000_000_000)
        self.date = strftime("%a, %d %b %Y %H:%M:%S GMT", now).encode("ascii")

    # the end

    def stop_accepting(self, drained: Callable[[], None]) -> None:
        """Take no more connections and no more requests; `drained` is called once when the last one has ended."""
        self._drained = drained
        self.draining = True
        self._close_servers()
        for connection in tuple(self._connections):
            connection.drain()
        self.loop.call_soon(self._say_drained)

    def close(self) -> None:
        """End everything now, answered or not."""
        self.draining = True
        self._timer.cancel()
        self._close_servers()
        for connection in tuple(self._connections):
            connection.transport.abort()

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for path in self._paths:
            try:
                os.unlink(path)
            except OSError:
                continue
        self._paths.clear()

    def _say_drained(self) -> None:
        if not self._connections and self._drained is not None:
            drained, self._drained = self._drained, None
            drained()


def _probe(sock: Any) -> None:
    """Have the system find out about clients that vanished without a word. Accepted sockets inherit it."""
    with socket.socket(fileno=os.dup(sock.fileno())) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", _PROBE_AFTER),
            ("TCP_KEEPINTVL", _PROBE_EVERY),
            ("TCP_KEEPCNT", _PROBES),
        ):
            if hasattr(socket, option):
                own.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _cannot_listen(where: str, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or "it is not a stream socket that is bound"
    return UsageError(
        "HTTP032",
        f"cannot listen on {quote(where)}: {reason.lower()}",
        "choose an address of this machine and a port that nobody listens on and that you may use",
    )
