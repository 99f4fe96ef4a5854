"""What a script wrote, as text: bytes of two streams, perhaps with a gap, perhaps cut within a character. Pure."""

from typing import Any

from msgspec import Struct

from callgate.runner.jobs.contract import View


class OutputText(Struct, frozen=True):
    """`told` is the `output` of an answer, `next_offset` where the next look should begin."""

    told: dict[str, Any]
    next_offset: int


def output_text(view: View, offset: int) -> OutputText:
    """The output of a view from `offset` on as its owner reads it. What is not UTF-8 is shown as U+FFFD."""
    pieces = view.output
    kept = sum(len(piece.data) for piece in pieces)
    next_offset = view.next_offset
    streams = {"stdout": bytearray(), "stderr": bytearray()}
    for piece in pieces:
        streams[piece.stream] += piece.data
    dropped = max(0, next_offset - offset - kept)
    if pieces and pieces[-1].offset + len(pieces[-1].data) == next_offset:
        # The rest of the character comes with the next look.
        tail = _unfinished(pieces[-1].data)
        if 0 < tail < kept:
            del streams[pieces[-1].stream][-tail:]
            next_offset -= tail
    told: dict[str, Any] = {name: data.decode("utf-8", "replace") for name, data in streams.items()}
    return OutputText({**told, "offset": offset, "next_offset": next_offset, "dropped": dropped}, next_offset)


def _unfinished(data: bytes) -> int:
    """How many bytes at the end begin a character of UTF-8 that is not complete."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:
            # 0xF5 and above begin nothing.
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0
            return length if length < needed else 0
        if byte < 0x80:
            return 0
    return 0
