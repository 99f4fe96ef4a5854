"""Bytes both ways, counted, until one side is silent for too long."""

import asyncio
import contextlib
from types import TracebackType

from callgate.runner.sandbox.egress.dial import Streams

_PIECE = 1 << 16


class Spent(Exception):
    """The execution has carried as many bytes as it may."""


class Meter:
    """Bytes of all connections of one execution. `sent` leaves the sandbox."""

    def __init__(self, most: int | None) -> None:
        self.sent = 0
        self.received = 0
        self._most = most

    def count(self, size: int, *, sent: bool) -> None:
        """Raises Spent when nothing more may be carried."""
        if self._most is not None and self.sent + self.received + size > self._most:
            raise Spent
        if sent:
            self.sent += size
        else:
            self.received += size


class Idle:
    """Ends a connection that carries nothing in either direction for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer = asyncio.timeout(None)

    def touch(self) -> None:
        """Something was carried."""
        self._timer.reschedule(asyncio.get_running_loop().time() + self._seconds)

    async def __aenter__(self) -> "Idle":
        await self._timer.__aenter__()
        self.touch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timer.__aexit__(kind, error, trace)


async def carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    meter: Meter,
    idle: Idle,
    *,
    sent: bool,
    length: int | None = None,
) -> None:
    """Carry from `reader` to `writer` until its end, or `length` bytes; then the other side is told of the end.

    With a length it is not told: an HTTP server that sees the end of its client may not answer any more.
    """
    left = length
    while left is None or left > 0:
        data = await reader.read(_PIECE if left is None else min(_PIECE, left))
        if not data:
            break
        meter.count(len(data), sent=sent)
        idle.touch()
        writer.write(data)
        await writer.drain()
        if left is not None:
            left -= len(data)
    if length is None and writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


async def both(first: "asyncio.Future[None]", second: "asyncio.Future[None]") -> None:
    """Wait for both; if one fails the other is cancelled, and the failure raised."""
    try:
        await asyncio.gather(first, second)
    finally:
        for each in (first, second):
            each.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def shut(streams: Streams) -> None:
    """Close at once what may still wait to be written."""
    streams[1].transport.abort()
    with contextlib.suppress(OSError):
        await streams[1].wait_closed()
