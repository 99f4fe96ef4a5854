"""Both ends of a client under test: a server that answers exactly what the test says, and sinks that take notes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import uvloop

from callgate.clock import ManualClock
from callgate.http1.client import HttpClient
from callgate.http1.contract import ClientLimits, Failure, Headers
from callgate.http1.origin import Origin

PATIENCE_SECONDS = 30.0

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"


def on_a_loop(test: Callable[[], Awaitable[None]]) -> None:
    """Run `test` on uvloop, for a limited time."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await test()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(limited())


class Taken:
    """A sink that keeps what it gets. `await ended()` waits for the end."""

    def __init__(self, on_head: Callable[[], None] | None = None) -> None:
        self.status = 0
        self.headers = Headers()
        self.pieces: list[bytes] = []
        self.failure: Failure | None = None
        self.ends = 0
        self.after_the_end = 0
        self._on_head = on_head
        self._end = asyncio.Event()
        self._arrived = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def head(self, status: int, headers: Headers) -> None:
        self.after_the_end += self.ends
        assert not self.status, "a second head"
        self.status, self.headers = status, headers
        self._arrived.set()
        if self._on_head is not None:
            self._on_head()

    def data(self, chunk: bytes) -> None:
        self.after_the_end += self.ends
        self.pieces.append(chunk)
        self._arrived.set()

    def done(self) -> None:
        self.ends += 1
        self._end.set()

    def failed(self, failure: Failure) -> None:
        self.failure = failure
        self.ends += 1
        self._end.set()

    async def ended(self) -> Self:
        await self._end.wait()
        assert self.ends == 1
        assert not self.after_the_end
        return self

    async def arrived(self) -> None:
        """Wait for the next piece of the answer, the head included."""
        self._arrived.clear()
        await self._arrived.wait()


class RawServer:
    """Answers each request with the next of `answers`; None means never. Closes after one that ends with CLOSE.

    `requests` are the requests as they came, `connections` how many there were.
    """

    CLOSE = b"<close>"

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = asyncio.Queue[None]()
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.put_nowait(None)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        size = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        self.requests.append(head + await reader.readexactly(int(size or 0)))
        answer = self.answers.pop(0) if self.answers else OK
        if answer is None:
            await reader.read()
            return False
        writer.write(answer.removesuffix(self.CLOSE))
        await writer.drain()
        return not answer.endswith(self.CLOSE)


class Client(HttpClient):
    """A client of a server on this machine, with its clock in the test's hands."""

    def __init__(self, port: int, **limits: float) -> None:
        self.clock = ManualClock()
        bounds = ClientLimits(**limits)  # type: ignore[arg-type]
        super().__init__(Origin("http", "127.0.0.1", port), asyncio.get_running_loop(), self.clock, bounds)

    async def get(self) -> Taken:
        """Ask and wait for the answer's end."""
        taken = Taken()
        self.send(b"GET", b"/", [], b"", taken)
        return await taken.ended()
