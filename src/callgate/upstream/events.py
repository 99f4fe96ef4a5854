"""The latest events of one session by id, so that a client whose stream broke can fetch the rest of it.

Source: MCP 2025-11-25, transports, resumability: an id belongs to one stream, and only that stream is replayed.
Bounded: a stream of which an event after the client's last one has been forgotten cannot be resumed.
"""

from collections import deque
from collections.abc import Collection

MAX_EVENTS = 256
MAX_BYTES = 256 << 10


class EventLog:
    """Ids are `<stream>-<n>`, `n` counting from 1 within its stream."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, int, bytes]] = deque()
        self._size = 0
        self._last: dict[int, int] = {}
        self._forgotten: dict[int, int] = {}

    def add(self, stream: int, data: bytes) -> str:
        """Keep an event as the next one of `stream`. Returns its id."""
        number = self._last.get(stream, 0) + 1
        self._last[stream] = number
        self._events.append((stream, number, data))
        self._size += len(data)
        while self._size > MAX_BYTES or len(self._events) > MAX_EVENTS:
            gone, last, forgotten = self._events.popleft()
            self._size -= len(forgotten)
            self._forgotten[gone] = last
        return f"{stream}-{number}"

    def after(self, id: str) -> tuple[int, list[tuple[str, bytes]]] | None:
        """The stream of an id, and what came after it there; None if that is not, or no longer, known."""
        name, _, count = id.partition("-")
        if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (name, count)):
            return None
        stream, number = int(name), int(count)
        last = self._last.get(stream, 0)
        if not 0 < number <= last or number < self._forgotten.get(stream, 0) or id != f"{stream}-{number}":
            return None
        rest = [(f"{of}-{n}", data) for of, n, data in self._events if of == stream and n > number]
        return stream, rest

    def prune(self, open_streams: Collection[int]) -> None:
        """Forget streams of which nothing is left but their number, except `open_streams`."""
        kept = {*open_streams} | {stream for stream, _, _ in self._events}
        for stream in self._last.keys() - kept:
            del self._last[stream]
            self._forgotten.pop(stream, None)
