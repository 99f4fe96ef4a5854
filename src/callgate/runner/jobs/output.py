"""What a script writes, on its way into the journal: secrets taken out, head and tail kept, written in batches.

The middle of a long output is forgotten, never the end; memory stays bounded however much comes.
"""

from collections.abc import Awaitable, Callable, Sequence

from callgate.errors import JournalError
from callgate.runner.journal.contract import Output
from callgate.runner.redaction import Redactor
from callgate.runner.sandbox.contract import Stream

Append = Callable[[Sequence[Output]], Awaitable[None]]
Drop = Callable[[int, int], Awaitable[None]]

_PIECE = 64 << 10


class OutputKeeper:
    """Takes output as it comes, and hands it to the journal when `flush` is awaited."""

    def __init__(self, keep: int, redactor: Redactor, append: Append, drop: Drop) -> None:
        """`keep` is how many bytes are kept: one half from the start, the other from the end."""
        self._half = max(keep // 2, 1)
        self._append = append
        self._drop = drop
        self._streams = {"stdout": redactor.stream(), "stderr": redactor.stream()}
        self._waiting: list[Output] = []
        self._waiting_bytes = 0
        self._dropped_to = self._half
        self.total = 0
        """Bytes so far, of both streams."""

    def feed(self, stream: Stream, data: bytes) -> None:
        """Take what a stream brought."""
        self._take(stream, self._streams[stream].feed(data))

    def end(self) -> None:
        """Nothing more comes: let go of what was held back because it could have been the start of a secret."""
        for stream in ("stdout", "stderr"):
            self._take(stream, self._streams[stream].flush())

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    async def flush(self) -> None:
        """Write what waits. Raises what the journal raises."""
        self._prune()
        pieces, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if pieces:
            try:
                await self._append(pieces)
            except JournalError:
                self._waiting = pieces + self._waiting
                self._waiting_bytes = sum(len(piece.data) for piece in self._waiting)
                raise
        end_of_middle = self.total - self._half
        # Not at every flush: each is a write of its own.
        if end_of_middle - self._dropped_to >= self._half // 2 or (
            not pieces and end_of_middle > self._dropped_to
        ):
            await self._drop(self._half, end_of_middle)
            self._dropped_to = end_of_middle

    async def finish(self) -> None:
        """Write all that is kept, and forget all that is not."""
        self.end()
        await self.flush()
        if self.total - self._half > self._dropped_to:
            await self._drop(self._half, self.total - self._half)
            self._dropped_to = self.total - self._half

    def _take(self, stream: Stream, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self._waiting.append(Output(self.total, stream, piece))
            self._waiting_bytes += len(piece)
            self.total += len(piece)
        if self._waiting_bytes > 4 * self._half + _PIECE:
            self._prune()

    def _prune(self) -> None:
        """Forget pieces that lie wholly in the middle."""
        end_of_middle = self.total - self._half
        self._waiting = [
            piece
            for piece in self._waiting
            if piece.offset < self._half or piece.offset + len(piece.data) > end_of_middle
        ]
        self._waiting_bytes = sum(len(piece.data) for piece in self._waiting)
