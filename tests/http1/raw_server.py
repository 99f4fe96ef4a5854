"""A listener on a loop in a thread, an application that writes down what reaches it, and raw sockets to talk to it."""

import asyncio
import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar, cast

import uvloop

from callgate.clock import ManualClock
from callgate.http1.contract import Head, HttpRefusal, Limits, Responder
from callgate.http1.listener import Listener
from callgate.http1.tls import Certificate

LOOPS = ("asyncio", "uvloop")
WAIT = 10.0
"""Seconds after which a test that waits for an event has failed."""

T = TypeVar("T")


class Reply(NamedTuple):
    """One answer as a client reads it."""

    status: int
    headers: dict[str, str]
    body: bytes


def answering(body: bytes) -> Callable[[Head, bytes, Responder], None]:
    """A `respond` that answers everything with this."""
    return lambda _head, _body, responder: responder.send(200, body)


class Recorder:
    """The application. `respond` decides what happens with a request; without one it is answered at once."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.requests: list[tuple[Head, bytes]] = []
        self.limit = 1 << 20
        self.refusal: HttpRefusal | None = None
        self.respond: Callable[[Head, bytes, Responder], None] = lambda head, body, responder: responder.send(
            200, b'{"path":"%b","size":%d}' % (head.path.encode(), len(body))
        )
        self.waiting: list[Responder] = []
        self.arrived = threading.Semaphore(0)

    def head(self, head: Head) -> int:
        self.heads.append(head)
        if self.refusal is not None:
            raise self.refusal
        return self.limit

    def handle(self, head: Head, body: bytes, responder: Responder) -> None:
        self.requests.append((head, body))
        self.respond(head, body, responder)
        self.arrived.release()

    def keep(self, _head: Head, _body: bytes, responder: Responder) -> None:
        """A `respond` that leaves the answer to the test."""
        self.waiting.append(responder)

    def next_waiting(self) -> Responder:
        """The responder of the next request that was kept, once it has arrived."""
        assert self.arrived.acquire(timeout=WAIT)
        return self.waiting[-1]


class Gate:
    """A running listener."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: ManualClock, app: Recorder) -> None:
        self.loop = loop
        self.clock = clock
        self.app = app
        self.codes: list[str] = []
        self.listener: Listener
        self.port = 0

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call on the loop's thread and wait for the result."""

        async def inside() -> T:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(WAIT)

    def settle(self) -> None:
        """Wait until the loop has dealt with everything that is ready now."""
        for _ in range(4):
            self.call(lambda: None)

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn the loop until something that it was caused to do has happened."""
        for _ in range(200_000):
            if self.call(condition):
                return
        raise AssertionError("it did not happen")

    def advance(self, seconds: float) -> None:
        """Let time pass and have the time-outs looked at."""
        self.clock.advance(seconds)
        self.call(self.listener.sweep)

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def talk(self, *pieces: bytes) -> bytes:
        """Send pieces on a new connection; everything that comes back until the gate ends the connection."""
        with self.connect() as sock:
            for piece in pieces:
                sock.sendall(piece)
            return read_all(sock)


@contextmanager
def gate(
    kind: str = "uvloop",
    *,
    limits: Limits | None = None,
    certificate: Certificate | None = None,
    app: Recorder | None = None,
) -> Iterator[Gate]:
    """Run a listener on a loop of this kind, with a clock that stands still."""
    loop = uvloop.new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()
    made = Gate(loop, ManualClock(), app or Recorder())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> None:
        made.listener = Listener(
            made.app, limits or Limits(), clock=made.clock, observe=made.codes.append, sweep_interval=3600.0
        )
        await made.listener.bind("127.0.0.1", 0, certificate=certificate)
        made.port = made.listener.addresses[0][1]

    try:
        asyncio.run_coroutine_threadsafe(begin(), loop).result(WAIT)
        try:
            yield made
        finally:
            made.call(made.listener.close)
            made.until(lambda: made.listener.connections == 0)
            made.settle()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT)
        loop.close()


def read_all(sock: socket.socket) -> bytes:
    """What the other side sends until it ends the connection."""
    data = bytearray()
    while True:
        try:
            piece = sock.recv(65_536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return bytes(data)
        if not piece:
            return bytes(data)
        data += piece


def read_until(sock: socket.socket, end: bytes) -> bytes:
    """What the other side sends up to and with `end`."""
    data = bytearray()
    while not data.endswith(end):
        piece = sock.recv(1)
        assert piece, bytes(data)
        data += piece
    return bytes(data)


class _Stream:
    """As much of a socket as http.client wants."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)
        self.file.close = lambda: None  # type: ignore[method-assign]

    def makefile(self, *_arguments: object) -> io.BytesIO:
        return self.file


def replies(data: bytes, methods: Sequence[str] = ()) -> list[Reply]:
    """Take apart a sequence of answers with the standard library's client."""
    stream = _Stream(data)
    found: list[Reply] = []
    while stream.file.tell() < len(data):
        method = methods[len(found)] if len(found) < len(methods) else "POST"
        answer = http.client.HTTPResponse(cast("socket.socket", stream), method=method)
        answer.begin()
        body = answer.read()
        found.append(Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, body))
    return found
