"""One connection to a server, with at most one request on it at a time. Strict: what is doubtful ends it.

Sources: RFC 9112 (framing); llhttp in its strict mode does the parsing. It must never hand a byte to a request that
was not sent for it: a connection with a surplus byte is closed, never used again.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from callgate.http1.contract import Failure, FailureKind, Headers, ResponseSink

if TYPE_CHECKING:
    from callgate.http1.contract import Header

READ_SIZE = 65_536
MAX_HEADERS = 100
_MAX_INTERIM = 8
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"keep-alive"))

# What a read brings is taken in before the next read of any connection: all of them share one buffer.
_buffer = bytearray(READ_SIZE)
_view = memoryview(_buffer)


class Pool(Protocol):
    """Who owns the connections."""

    max_head: int

    def released(self, connection: "ClientConnection") -> None:
        """The connection is free for another request."""
        ...

    def lost(self, connection: "ClientConnection") -> None:
        """The connection has ended."""
        ...


class Exchange:
    """One request and its answer: the handle of whoever sent it."""

    __slots__ = ("body", "connection", "head", "is_stream", "paused", "since_ns", "sink")

    def __init__(self, head: bytes, body: bytes, sink: ResponseSink, now_ns: int, *, stream: bool) -> None:
        self.head = head
        self.body = body
        self.sink = sink
        self.since_ns = now_ns
        """When the request was sent or the last piece of its answer was seen, as far as the sweep knows."""
        self.is_stream = stream
        self.paused = False
        self.connection: ClientConnection | None = None

    def cancel(self) -> None:
        connection, self.connection = self.connection, None
        self.sink = _NOBODY
        if connection is not None:
            connection.drop()

    def pause(self) -> None:
        if not self.paused:
            self.paused = True
            if self.connection is not None:
                self.connection.set_reading()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            if self.connection is not None:
                self.connection.set_reading()

    def stream(self) -> None:
        self.is_stream = True

    def fail(self, failure: Failure) -> None:
        """Tell the sink that nothing more comes."""
        self.connection = None
        sink, self.sink = self.sink, _NOBODY
        sink.failed(failure)


class ClientConnection(asyncio.BufferedProtocol):
    """Made with the request that it is opened for; used again through `begin`."""

    def __init__(self, pool: Pool, exchange: Exchange) -> None:
        self._pool = pool
        self.exchange: Exchange | None = exchange
        exchange.connection = self
        self.transport: asyncio.Transport | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.idle_until_ns = 0
        self.keep_alive_s: int | None = None
        """How long the server says that it keeps an idle connection."""
        self.active = False
        """Whether something has arrived since the sweep last looked."""
        self.answering = False
        """Whether the head of the answer is there."""
        self._sink: ResponseSink = exchange.sink
        self._parser = HttpResponseParser(self)
        self._headers: list[Header] = []
        self._room = pool.max_head
        self._silent = 0
        self._interim = 0
        self._is_interim = False
        self._length = False
        self._chunked = False
        self._until_close = False
        self._complete = False
        self._surplus = False
        self._keep = False
        self._reading = True

    # What the pool does with it.

    def begin(self, exchange: Exchange) -> None:
        """Send a request over the idle connection."""
        exchange.connection = self
        self.exchange = exchange
        self._sink = exchange.sink
        self._send(exchange)

    def drop(self) -> None:
        """Close it now, whatever is under way; nobody is told."""
        self.exchange = None
        self._sink = _NOBODY
        if self.connecting is not None:
            self.connecting.cancel()
        if self.transport is not None:
            self.transport.abort()
        self._pool.lost(self)

    def fail(self, kind: FailureKind, text: str) -> None:
        """End it; its request, if there is one, fails."""
        exchange = self.exchange
        sent = self.transport is not None
        self.drop()
        if exchange is not None:
            exchange.fail(Failure(kind, text, sent))

    def set_reading(self) -> None:
        """Read, or do not read, as its request wants."""
        wanted = self.exchange is None or not self.exchange.paused
        transport = self.transport
        if transport is None or wanted is self._reading or transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.exchange is None:
            self.transport.abort()
            return
        self._send(self.exchange)
        self.set_reading()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _view

    def buffer_updated(self, nbytes: int) -> None:
        if self.exchange is None:
            # Nobody asked for this: it must not meet the next request.
            self.drop()
            return
        self.active = True
        self._silent += nbytes
        try:
            self._parser.feed_data(_view[:nbytes])
        except (HttpParserError, HttpParserUpgrade) as error:
            self._not_parsed(error)
        if self._complete:
            self._completed()
        elif self._silent > self._pool.max_head and self.exchange is not None:
            # A head, trailer or chunk extension without end.
            self.fail("too_large", f"the server's headers have more than {self._pool.max_head} bytes")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if self.exchange is None:
            return
        if self._until_close and exc is None:
            self._complete = True
            self._keep = False
            self._completed()
        elif self.answering:
            self.fail("closed", "the server closed the connection in the middle of its answer")
        else:
            self.fail("closed", "the server closed the connection without an answer")

    # Callbacks of the parser. A `_Refused` raised here ends the parsing.

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True
        else:
            self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._room -= len(name) + len(value) + 4
        if self._room < 0:
            raise _Refused("too_large", f"the server's headers have more than {self._pool.max_head} bytes")
        if self.answering or self._complete:
            # A trailer, or the head of a message that nobody asked for.
            return
        name = name.lower()
        if len(self._headers) >= MAX_HEADERS:
            raise _Refused("too_large", f"the server's answer has more than {MAX_HEADERS} headers")
        if name in _FRAMING:
            self._framing(name, value)
        if value[-1:] in (b" ", b"\t"):
            value = value.rstrip(b" \t")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        parser = self._parser
        status: int = parser.get_status_code()
        if parser.get_http_version() not in ("1.1", "1.0"):
            raise _Refused("malformed", "the server's answer is of an unknown version of HTTP")
        if status < 200:
            self._is_interim = True
            self._interim += 1
            if status < 102 and status != 100:
                raise _Refused("malformed", "the server wants to speak another protocol")
            if self._interim > _MAX_INTERIM:
                raise _Refused("malformed", "the server sends interim answers without end")
            return
        if status > 599:
            raise _Refused("malformed", "the server's answer has no valid status")
        self._is_interim = False
        self._until_close = not (self._length or self._chunked or status in (204, 304))
        self.answering = True
        self._sink.head(status, Headers(self._headers))

    def on_body(self, chunk: bytes) -> None:
        self._silent = 0
        if not self._complete:
            self._sink.data(chunk)

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = self._length = self._chunked = False
        elif not self._complete:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    def _framing(self, name: bytes, value: bytes) -> None:
        """Note what says where the answer ends. The parser has refused what contradicts itself."""
        if name == b"content-length":
            self._length = True
        elif name == b"transfer-encoding":
            # Anything else would be read until the connection ends, or not be what it seems.
            if self._chunked or value.strip(b" \t").lower() != b"chunked":
                raise _Refused("malformed", "the server's answer has a transfer coding other than `chunked`")
            self._chunked = True
        else:
            seconds = value.partition(b"timeout=")[2].partition(b",")[0].strip()
            self.keep_alive_s = int(seconds) if seconds.isdigit() and len(seconds) < 6 else None

    def _send(self, exchange: Exchange) -> None:
        transport = cast("asyncio.Transport", self.transport)
        head, body = exchange.head, exchange.body
        exchange.head = exchange.body = b""
        if len(body) < READ_SIZE:
            transport.write(head + body)
        else:
            # Not worth a copy.
            transport.write(head)
            transport.write(body)

    def _not_parsed(self, error: Exception) -> None:
        if self.exchange is None:
            # The request was given up by its own sink, in the middle of the parsing.
            return
        if self._complete:
            self._surplus = True
            return
        cause = error.__context__
        if isinstance(cause, _Refused):
            self.fail(cause.kind, cause.text)
            return
        self.fail("malformed", "the server's answer is not valid HTTP")
        if cause is not None:
            # A defect of whoever takes the answer: it must not pass for the server's.
            raise cause

    def _completed(self) -> None:
        exchange, self.exchange = self.exchange, None
        self._complete = False
        if exchange is None:
            return
        exchange.connection = None
        self._sink = _NOBODY
        transport = cast("asyncio.Transport", self.transport)
        if (
            self._keep
            and not self._surplus
            and not transport.is_closing()
            # An answer that came before the request was read to its end.
            and not transport.get_write_buffer_size()
        ):
            self._headers = []
            self._room = self._pool.max_head
            self._silent = self._interim = 0
            self.answering = self._length = self._chunked = self._until_close = False
            self.set_reading()
            self._pool.released(self)
        else:
            self.drop()
        sink, exchange.sink = exchange.sink, _NOBODY
        sink.done()


class _Refused(Exception):
    """Raised inside the parser to end it."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(text)
        self.kind: FailureKind = kind
        self.text = text


class _Nobody:
    """The sink of a request that nobody waits for."""

    def head(self, status: int, headers: Headers) -> None:
        """Nobody looks."""

    def data(self, chunk: bytes) -> None:
        """Nobody looks."""

    def done(self) -> None:
        """Nobody looks."""

    def failed(self, failure: Failure) -> None:
        """Nobody looks."""


_NOBODY = _Nobody()
