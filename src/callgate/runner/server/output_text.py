"""What a script wrote, as text: bytes of two streams, perhaps with a gap, perhaps cut within a character. Pure."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from callgate.runner.execution import Owner
from callgate.runner.jobs.contract import Engine, View
from callgate.runner.journal.contract import Output

END_BYTES = 24 << 10
"""Of output that is too long for one answer, how much of its beginning and of its end is shown."""


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


async def end_of(engine: Engine, owner: Owner, view: View) -> View | None:
    """The end of the output of an execution that has ended; None where the view has all."""
    written = view.execution.output_bytes
    if not view.execution.ended or view.next_offset >= written:
        return None
    end = await engine.view(owner, view.execution.uuid, offset=max(written - END_BYTES, 0))
    # Its results are in the view already, and may be large.
    return end and replace(end, execution=replace(end.execution, results=None))


def both_ends(view: View, end: View) -> OutputText:
    """The beginning of the output by `view`, its end by `end`, and what lies between as `omitted`."""
    begun, next_offset, room = [], 0, END_BYTES
    for piece in view.output:
        begun.append(Output(piece.offset, piece.stream, piece.data[:room]))
        next_offset = piece.offset + len(begun[-1].data)
        room -= len(begun[-1].data)
        if not room:
            break
    first = output_text(View(execution=view.execution, output=begun, next_offset=next_offset), 0)
    pieces = list(end.output)
    start = max(view.execution.output_bytes - END_BYTES, 0)
    if pieces and pieces[0].offset == start:
        # It may begin within a character.
        rest = pieces[0].data.lstrip(_CONTINUATION)
        start += len(pieces[0].data) - len(rest)
        pieces[0] = Output(start, pieces[0].stream, rest)
    last = output_text(View(execution=end.execution, output=pieces, next_offset=end.next_offset), start)
    between = start - first.next_offset
    mark = f"\n[... {between} bytes left out: output_offset={first.next_offset} ...]\n"
    told: dict[str, Any] = {
        name: f"{first.told[name]}{mark}{last.told[name]}" if first.told[name] or last.told[name] else ""
        for name in ("stdout", "stderr")
    }
    told |= {
        "offset": 0,
        "next_offset": last.next_offset,
        "dropped": first.told["dropped"] + last.told["dropped"],
    }
    told["omitted"] = {"offset": first.next_offset, "bytes": between}
    return OutputText(told, last.next_offset)


_CONTINUATION = bytes(range(0x80, 0xC0))


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
