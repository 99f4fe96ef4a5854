"""What a script wrote, in pieces by offset. Transactions without I/O."""

from collections.abc import Sequence

from callgate.runner.journal.attempts import hold
from callgate.runner.journal.contract import Fence, Output
from callgate.runner.journal.driver import Steps

_LOOK = 64


def append(fence: Fence, pieces: Sequence[Output]) -> Steps[None]:
    """Raises Lost."""
    written = max((piece.offset + len(piece.data) for piece in pieces), default=0)
    id = yield from hold(
        fence,
        "output_bytes = CASE WHEN output_bytes < ? THEN ? ELSE output_bytes END",
        (written, written),
    )
    for piece in pieces:
        if piece.data:
            yield (
                "INSERT INTO output (execution, start, stream, data) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (execution, start) DO NOTHING",
                (id, piece.offset, piece.stream, piece.data),
            )


def drop(fence: Fence, before: int, after: int) -> Steps[None]:
    """Forget what lies in [before, after); pieces that reach over either end are cut. Raises Lost."""
    id = yield from hold(fence)
    # Pieces do not overlap, so only the one that begins last before `before` can reach into the gap.
    touched = yield (
        "SELECT start, stream, data FROM output WHERE execution = ? AND start < ? AND start >= "
        "coalesce((SELECT max(start) FROM output WHERE execution = ? AND start < ?), ?) ORDER BY start",
        (id, after, id, before, before),
    )
    for start, stream, data in touched:
        data = bytes(data)
        end = start + len(data)
        if end <= before:
            continue
        yield "DELETE FROM output WHERE execution = ? AND start = ?", (id, start)
        for first, last in ((start, min(end, before)), (max(start, after), end)):
            if first < last:
                yield (
                    "INSERT INTO output (execution, start, stream, data) VALUES (?, ?, ?, ?)",
                    (id, first, stream, data[first - start : last - start]),
                )


def read(uuid: str, offset: int, max_bytes: int) -> Steps[tuple[list[Output], int]]:
    """What is kept from `offset` on, and where to go on. An offset beyond all that the current attempt wrote is one of
    an earlier attempt: it goes on at 0."""
    offset = max(0, offset)
    known = yield "SELECT id, output_bytes FROM execution WHERE uuid = ?", (uuid,)
    if not known:
        return [], 0
    [(id, written)] = known
    if offset > written:
        return [], 0
    pieces: list[Output] = []
    room = max(1, max_bytes)
    [(position,)] = yield (
        "SELECT coalesce((SELECT max(start) FROM output WHERE execution = ? AND start <= ?), 0)",
        (id, offset),
    )
    while room > 0:
        found = yield (
            "SELECT start, stream, data FROM output WHERE execution = ? AND start >= ? ORDER BY start LIMIT ?",
            (id, position, _LOOK),
        )
        for start, stream, data in found:
            cut = max(offset - start, 0)
            kept = bytes(data)[cut : cut + room]
            position = start + max(len(data), 1)
            if kept and room > 0:
                room -= len(kept)
                pieces.append(Output(start + cut, stream, kept))
        if len(found) < _LOOK:
            break
    if pieces and room <= 0:
        return pieces, pieces[-1].offset + len(pieces[-1].data)
    return pieces, written
