"""Request bodies while they arrive: of a length that is known before, and chunked. No I/O.

Memory is taken in proportion to what has arrived, but for the first block of a body whose head was accepted.
"""

from io import BytesIO
from typing import Final

from httptools import HttpParserError, HttpRequestParser

from callgate.http1.refusals import Refused

READ: Final = 65_536
"""The most that one read brings: larger ones cost more per byte, since they leave the processor's caches."""
_BLOCK: Final = 1 << 20
_CHUNKED_HEAD: Final = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_END: Final = b"\r\n\r\n"
_OVERHEAD: Final = 65_536
_OVERHEAD_OF_END: Final = 64


class Budget:
    """How many bytes of bodies may be held together while they arrive: each alone is bounded, their sum is not."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> None:
        """Raises Refused (HTTP021) if there are not so many left; nothing is taken then."""
        if size > self.left:
            raise Refused("HTTP021")
        self.left -= size


class SizedBody:
    """A body of `length` bytes, read straight into the object that it will be: up to 1 MiB it is never copied."""

    __slots__ = ("_block", "_blocks", "_budget", "_filled", "_held", "_view", "left", "received")

    def __init__(self, length: int, first: bytes, budget: Budget) -> None:
        """Raises Refused. Whoever made it calls `release` once it is over, whole or not."""
        self._budget = budget
        self._held = 0
        self.received = len(first)
        self.left = length - len(first)
        """How many bytes are still to come."""
        self._blocks: list[bytes] = []
        self._begin(min(length, _BLOCK), first)

    def _begin(self, size: int, first: bytes = b"") -> None:
        self._budget.take(size)
        self._held += size
        self._block = BytesIO(bytes(size))
        self._view = self._block.getbuffer()
        self._view[: len(first)] = first
        self._filled = len(first)

    def room(self) -> memoryview:
        """Where the next read goes; never more than the body lacks."""
        return self._view[self._filled : self._filled + READ]

    def took(self, size: int) -> bool:
        """So much was read into the room. Whether the body is whole. Raises Refused."""
        self._filled += size
        self.received += size
        self.left -= size
        if not self.left:
            return True
        if self._filled == len(self._view):
            self._view.release()
            self._blocks.append(self._block.getvalue())
            self._begin(min(self.left, _BLOCK))
        return False

    def value(self) -> bytes:
        """The whole body."""
        self._view.release()
        last = self._block.getvalue()
        return b"".join((*self._blocks, last)) if self._blocks else last

    def release(self) -> None:
        """Give back what was taken of the budget."""
        self._budget.left += self._held
        self._held = 0


class ChunkedBody:
    """A chunked body of at most `limit` bytes. Extensions and trailers are bounded, checked and dropped."""

    def __init__(self, limit: int, budget: Budget) -> None:
        """Whoever made it calls `release` once it is over, whole or not."""
        self.received = 0
        self._budget = budget
        self._held = 0
        self._limit = limit
        self._raw = 0
        self._ends = 0
        self._tail = b""
        # Chunks may be as small as one byte: kept as objects they would cost many times what they hold.
        self._content = bytearray()
        self._complete = False
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(_CHUNKED_HEAD)

    def on_body(self, data: bytes) -> None:
        self.received += len(data)
        if self.received <= self._limit:
            self._content += data

    def on_message_complete(self) -> None:
        self._complete = True

    def feed(self, data: bytes, at: int) -> int | None:
        """Take the bytes of `data` from `at` on. Where the body ends in them; None if it goes on. Raises Refused."""
        # A chunked message ends with an empty line, so nothing behind its end is ever handed to the parser if it gets
        # no more at a time than up to an empty line.
        while at < len(data):
            end = self._next_end(data, at)
            piece = data[at:end]
            self._raw += len(piece)
            self._tail = (self._tail + piece)[-3:] if len(piece) < 3 else piece[-3:]
            at = end
            try:
                self._parser.feed_data(piece)
            except HttpParserError:
                raise Refused("HTTP001") from None
            if self.received > self._limit:
                raise Refused("HTTP008")
            self._budget.take(self.received - self._held)
            self._held = self.received
            if self._complete:
                return at
            overhead = self._raw - self.received + _OVERHEAD_OF_END * self._ends
            if overhead > _OVERHEAD + self.received:
                raise Refused("HTTP013")
        return None

    def _next_end(self, data: bytes, at: int) -> int:
        """The place behind the next empty line, or the end of `data`."""
        tail = self._tail
        for size in range(min(3, len(tail)), 0, -1):
            # The line may have begun in what came before.
            if _END.startswith(tail[-size:]) and data.startswith(_END[size:], at):
                self._ends += 1
                return at + 4 - size
        found = data.find(_END, at)
        if found < 0:
            return len(data)
        self._ends += 1
        return found + 4

    def value(self) -> bytes:
        """The whole body."""
        return bytes(self._content)

    def release(self) -> None:
        """Give back what was taken of the budget."""
        self._budget.left += self._held
        self._held = 0
