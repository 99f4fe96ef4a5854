"""What is appended to an audit while somebody looks on, over rotation and truncation. Reads, never waits."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from callgate.audit.chain import MAX_LINE
from callgate.audit.logfile import identity_at
from callgate.clock import Clock

_CHUNK = 256 * 1024
_GRACE_NS = 1_500_000_000
"""A gate goes on writing to a renamed file for up to a second (`audit.jsonl`)."""


class Follow:
    """Call `lines` again and again: it gives the whole lines that have come since."""

    def __init__(self, path: str, file: BinaryIO, at: int, clock: Clock) -> None:
        self._path = path
        self._file = file
        self._at = at
        self._clock = clock
        self._part = b""
        self._left_ns: int | None = None

    def lines(self) -> Iterator[bytes]:
        """The lines that are complete by now, newlines included."""
        yield from self._appended()
        found = os.fstat(self._file.fileno())
        if identity_at(self._path) in (None, (found.st_dev, found.st_ino)):
            self._left_ns = None
            return
        now = self._clock.monotonic_ns()
        if self._left_ns is None:
            self._left_ns = now
        elif now - self._left_ns >= _GRACE_NS:
            yield from self._next_file()

    def close(self) -> None:
        """Close the file that is open now."""
        self._file.close()

    def _next_file(self) -> Iterator[bytes]:
        try:
            file = open(self._path, "rb")  # noqa: SIM115
        except OSError:
            return  # renamed again; the next round looks again
        yield from self._appended()
        self._file.close()
        self._file, self._at, self._part, self._left_ns = file, 0, b"", None
        yield from self._appended()

    def _appended(self) -> Iterator[bytes]:
        if os.fstat(self._file.fileno()).st_size < self._at:
            self._at, self._part = 0, b""
        self._file.seek(self._at)
        while chunk := self._file.read(_CHUNK):
            self._at += len(chunk)
            *whole, rest = (self._part + chunk).split(b"\n")
            for line in whole:
                yield line + b"\n"
            # A line that is too long comes in parts, none of which is a record.
            self._part = rest if len(rest) <= MAX_LINE else b""
