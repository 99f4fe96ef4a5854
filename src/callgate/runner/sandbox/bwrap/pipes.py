"""Pipes to and from a sandbox, on the event loop. Never blocks; knows nothing of frames."""

import asyncio
import fcntl
import os
from collections.abc import Callable

_READ = 1 << 16
_FIRST_FREE = 10
"""Children's descriptors are kept above those that they are to have, so that none overwrites another."""


def pipe_from_child() -> tuple[int, int]:
    """(ours, to be read; the child's)."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    return ours, above(theirs)


def pipe_to_child() -> tuple[int, int]:
    """(ours, to be written; the child's)."""
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    return ours, above(theirs)


def above(descriptor: int) -> int:
    """The same open file under a number that no child is promised; the given one is closed if it had such a one."""
    if descriptor >= _FIRST_FREE:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    os.close(descriptor)
    return moved


class Inflow:
    """Reads a descriptor as it fills, and hands the bytes to `take`. Owns the descriptor."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, descriptor: int, take: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self.take = take
        loop.add_reader(descriptor, self._read)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, _READ)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self.take(data)
        return self._descriptor >= 0

    def pause(self) -> None:
        """Read no more until `resume`: whoever writes has to wait."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        if self._descriptor >= 0:
            self._loop.add_reader(self._descriptor, self._read)

    def rest(self) -> None:
        """Read what is left, whoever wrote it being dead; close."""
        while self._descriptor >= 0 and self._read():
            pass
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class Outflow:
    """Writes bytes to a descriptor as it takes them. Owns the descriptor. A reader that is gone is no error."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._watched = False

    @property
    def waiting(self) -> int:
        """How many bytes the other side has not taken yet."""
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        if self._descriptor < 0:
            return
        self._waiting += data
        if not self._watched:
            self._write()

    def _write(self) -> None:
        try:
            written = os.write(self._descriptor, self._waiting)
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError:
            self.close()
            return
        del self._waiting[:written]
        if self._waiting and not self._watched:
            self._watched = True
            self._loop.add_writer(self._descriptor, self._write)
        elif not self._waiting and self._watched:
            self._watched = False
            self._loop.remove_writer(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            if self._watched:
                self._watched = False
                self._loop.remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self._waiting.clear()
