"""Requests to one server over kept-alive connections, in callbacks: no task and no timer of its own per request.

The idle connection used last is used next, so that the others can go. A request is never sent twice. It must never
follow a redirect, and never use a connection on which anything arrived that was not asked for.
"""

import asyncio
import select
import ssl
from collections.abc import Sequence

from callgate.clock import Clock
from callgate.http1.client_connection import ClientConnection, Exchange
from callgate.http1.client_request import RequestEncoder
from callgate.http1.contract import ClientLimits, Failure, FailureKind, Header, ResponseSink
from callgate.http1.origin import Origin

SWEEP_SECONDS = 0.5
_LOOK_AFTER_NS = 200_000_000
"""An idle time after which the end of a connection may be waiting unread."""


class HttpClient:
    """The `Client` contract for `origin`. To be used on the thread of `loop`."""

    def __init__(
        self,
        origin: Origin,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        limits: ClientLimits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` is what the server's certificate is checked against; None means the system's authorities."""
        self._origin = origin
        self._loop = loop
        self._now_ns = clock.monotonic_ns
        self._limits = limits or ClientLimits()
        self._tls = (tls or tls_context()) if origin.secure else None
        self._encode = RequestEncoder(origin.authority).head
        self._idle: list[ClientConnection] = []
        self._all: set[ClientConnection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.max_head = self._limits.max_head

    @property
    def connections(self) -> int:
        """How many there are, those being opened included."""
        return len(self._all)

    def send(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[Header],
        body: bytes,
        sink: ResponseSink,
        *,
        stream: bool = False,
    ) -> Exchange:
        """Send one request. Raises ValueError for headers that cannot be sent, see RequestEncoder."""
        head = self._encode(method, target, headers, len(body))
        now = self._now_ns()
        exchange = Exchange(head, body, sink, now, stream=stream)
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.idle_until_ns > now and not self._ended(connection, now):
                connection.begin(exchange)
                return exchange
            connection.drop()
        if self._closed:
            self._refuse(exchange, "cancelled", "the client is closed")
        elif len(self._all) >= self._limits.max_connections:
            self._refuse(
                exchange,
                "busy",
                f"{self._limits.max_connections} requests to the server are under way already",
            )
        else:
            self._connect(exchange)
        return exchange

    def close(self) -> None:
        """End every connection; what is under way fails. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in list(self._all):
            connection.fail("cancelled", "the client was closed")

    def sweep(self) -> None:
        """Let time-outs happen. Called by itself twice a second while there are connections."""
        now = self._now_ns()
        limits = self._limits
        for connection in list(self._all):
            exchange = connection.exchange
            if exchange is None:
                if connection.idle_until_ns <= now:
                    connection.drop()
                continue
            waited = (now - exchange.since_ns) / 1e9
            if connection.transport is None:
                if waited >= limits.connect_timeout:
                    connection.fail("timeout", f"no connection within {limits.connect_timeout:g} s")
            elif connection.answering and (connection.active or exchange.paused):
                connection.active = False
                exchange.since_ns = now
            elif not connection.answering:
                if waited >= limits.answer_timeout:
                    connection.fail("timeout", f"no answer within {limits.answer_timeout:g} s")
            else:
                patience = limits.idle_stream_timeout if exchange.is_stream else limits.answer_timeout
                if patience is not None and waited >= patience:
                    connection.fail("timeout", f"the answer did not go on within {patience:g} s")

    # The `Pool` of its connections.

    def released(self, connection: ClientConnection) -> None:
        now = self._now_ns()
        seconds = self._limits.keep_alive
        if connection.keep_alive_s is not None:
            # A second less than the server keeps it: it must not end while a request is on its way.
            seconds = min(seconds, connection.keep_alive_s - 1)
        connection.idle_until_ns = now + round(seconds * 1e9)
        if self._closed or seconds <= 0:
            connection.drop()
        else:
            self._idle.append(connection)

    def lost(self, connection: ClientConnection) -> None:
        if connection in self._all:
            self._all.discard(connection)
            if connection.exchange is None and connection in self._idle:
                self._idle.remove(connection)

    def _ended(self, connection: ClientConnection, now: int) -> bool:
        """Whether the server has ended an idle connection, or said something on it, before anybody noticed."""
        transport = connection.transport
        if transport is None or transport.is_closing():
            return True
        keep_ns = round(self._limits.keep_alive * 1e9)
        if connection.idle_until_ns - now > keep_ns - _LOOK_AFTER_NS:
            return False
        socket = transport.get_extra_info("socket")
        if socket is None:
            return False
        poll = select.poll()
        poll.register(socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _refuse(self, exchange: Exchange, kind: FailureKind, text: str) -> None:
        # Not before `send` has returned the handle.
        self._loop.call_soon(exchange.fail, Failure(kind, text, sent=False))

    def _connect(self, exchange: Exchange) -> None:
        connection = ClientConnection(self, exchange)
        self._all.add(connection)
        connection.connecting = self._loop.create_task(self._open(connection))
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep_on)

    async def _open(self, connection: ClientConnection) -> None:
        origin = self._origin
        try:
            await self._loop.create_connection(
                lambda: connection,
                origin.host,
                origin.port,
                ssl=self._tls,
                server_hostname=origin.host if self._tls is not None else None,
            )
        except OSError as error:
            connection.connecting = None
            connection.fail(*self._not_connected(error))
        else:
            connection.connecting = None

    def _not_connected(self, error: OSError) -> tuple[FailureKind, str]:
        if isinstance(error, ssl.SSLCertVerificationError):
            return "tls", f"the server's certificate is refused: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return "tls", "the server does not speak TLS as it should"
        if self._tls is not None and isinstance(error, ConnectionError) and error.errno is None:
            return "tls", "the server ended the connection while TLS was set up"
        return "connect", f"no connection: {error.strerror or 'the server cannot be reached'}"

    def _sweep_on(self) -> None:
        self.sweep()
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep_on) if self._all else None


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """How servers are checked: certificate and host name, against `ca_file` (PEM) or the system's authorities.

    Raises OSError (ssl.SSLError is one) if the file cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
