"""Frames of a child for which there is no stream yet. Bounded: notifications make room first, oldest first."""

from collections import deque

from callgate.wire.envelope import RequestId

MAX_FRAMES = 256
MAX_BYTES = 256 << 10


class Unclaimed:
    """Kept until somebody listens."""

    def __init__(self) -> None:
        self._frames: deque[tuple[bytes, RequestId | None]] = deque()
        self._size = 0

    def add(self, data: bytes, request: RequestId | None) -> list[RequestId]:
        """Keep a frame; `request` is its id if it wants an answer. Returns the requests that had to make room."""
        self._frames.append((data, request))
        self._size += len(data)
        refused: list[RequestId] = []
        while len(self._frames) > MAX_FRAMES or self._size > MAX_BYTES:
            place = next((at for at, (_, id) in enumerate(self._frames) if id is None), 0)
            gone, id = self._frames[place]
            del self._frames[place]
            self._size -= len(gone)
            if id is not None:
                refused.append(id)
        return refused

    def take(self) -> list[bytes]:
        """All of them, in order; none is left."""
        frames = [data for data, _ in self._frames]
        self._frames.clear()
        self._size = 0
        return frames
