"""The lines of a file from its end, in bounded memory however large the file is."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from callgate.audit.chain import MAX_LINE

_CHUNK = 64 * 1024


def lines_backwards(file: BinaryIO, end: int | None = None) -> Iterator[bytes]:
    """The lines before the offset `end` (the file's end if None), the last first, newlines included.

    What stands behind the last newline is left out: it is still being written, or was torn. Of a line that is longer
    than any audit has, its last `MAX_LINE` bytes or a little more come as a line of their own.
    """
    at = file.seek(0, os.SEEK_END) if end is None else end
    pieces: list[bytes] = []
    length = 0
    whole = False
    while at > 0:
        size = min(_CHUNK, at)
        at -= size
        file.seek(at)
        chunk = file.read(size)
        if len(chunk) != size:
            return  # cut short meanwhile
        *others, last = chunk.split(b"\n")
        # `last` stands before what was read in the round before; each of `others` ended with a newline.
        if not others:
            pieces.append(last)
            length += len(last)
            if length > MAX_LINE:
                if whole:
                    yield b"".join(reversed(pieces))
                pieces, length = [], 0
            continue
        if whole:
            pieces.append(last)
            yield b"".join(reversed(pieces))
        whole = True
        for line in reversed(others[1:]):
            yield line + b"\n"
        pieces, length = [others[0] + b"\n"], len(others[0])
    if whole:
        yield b"".join(reversed(pieces))
