"""The host's eye on a script that no file system and no namespace bounds: files, bytes written, threads.

Looks again and again while the script runs, on a thread of its own, and names the bound that is broken. Decides
nothing else.
"""

import asyncio
import contextlib
import ctypes
from collections.abc import Callable, Iterator

from callgate.runner.sandbox.bwrap.endings import Stop
from callgate.runner.sandbox.contract import Limits
from callgate.runner.sandbox.weak.work_folder import measure

WRITTEN = 64
"""How many times its bound on disk space a script may write in all: bytes that it has unlinked are not seen."""

_PAUSE = 0.05
_SHARE = 9.0
"""Pauses are so much longer than looks: a look at many files must not take a core."""

_MIB = 1 << 20

Broken = tuple[Stop, str]


class Watch:
    """Looks at the process `pid` and its `folder`. `uid` is whose it is, if it has a user of its own."""

    def __init__(self, pid: int, folder: str, uid: int | None, limits: Limits) -> None:
        self._pid = pid
        self._folder = folder
        self._uid = uid
        self._limits = limits

    async def run(self, received: Callable[[], int], end: Callable[[Stop, str], None]) -> None:
        """Look until a bound is broken, then call `end`. `received` is how many bytes came from it by pipes."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            broken = await asyncio.to_thread(self.broken, received())
            if broken is not None:
                end(*broken)
                return
            await asyncio.sleep(max(_PAUSE, _SHARE * (loop.time() - began)))

    def broken(self, received: int) -> Broken | None:
        """Which bound is broken, and in which words; None if none is."""
        limits = self._limits
        room = measure(self._folder, limits.inodes)
        if room.files > limits.inodes:
            return "inodes", f"the script made more than {limits.inodes} files"
        if room.deep:
            return "inodes", "the script nested folders too deep to be counted"
        if room.size > limits.disk:
            return "disk", f"the script's files take more than {limits.disk / _MIB:g} MiB"
        written = bytes_written(self._pid, self._uid)
        if written is not None and written - received > limits.disk * WRITTEN:
            return "disk", f"the script wrote more than {limits.disk * WRITTEN / _MIB:g} MiB to files in all"
        if threads(self._pid) > limits.threads:
            return "processes", f"the script had more than {limits.threads} threads"
        return None


def threads(pid: int) -> int:
    """How many threads the process has; 0 if there is no such process."""
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/status", "rb") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(b"Threads:"))
    return 0


def bytes_written(pid: int, uid: int | None) -> int | None:
    """How many bytes the process has written, to pipes too; None if that is not to be known."""
    try:
        try:
            return _accounted(pid)
        except PermissionError:
            if uid is None:
                return None
            with _files_as(uid):
                return _accounted(pid)
    except (OSError, ValueError, IndexError):
        return None


def _accounted(pid: int) -> int:
    with open(f"/proc/{pid}/io", "rb") as file:
        fields = dict(line.split(b": ") for line in file.read().splitlines())
    # What was written through memory shows in the second only, and what went to a file in memory in the first.
    return max(int(fields[b"wchar"]), int(fields[b"write_bytes"]))


@contextlib.contextmanager
def _files_as(uid: int) -> Iterator[None]:
    """Let this thread alone reach files as another user: a container's root may not look into others' processes."""
    library = ctypes.CDLL(None)
    library.setfsgid(uid)
    library.setfsuid(uid)
    try:
        yield
    finally:
        library.setfsuid(0)
        library.setfsgid(0)
