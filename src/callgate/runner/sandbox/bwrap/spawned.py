"""A process that this one starts, with a guest's pipes. No thread, no fork: `posix_spawn`, and a pidfd on the loop.

Never runs what it was not given, and never judges what it says.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Mapping

from msgspec import Struct

from callgate.runner.sandbox.bwrap.pipes import Inflow, Outflow, above, pipe_from_child, pipe_to_child

_JOB, _REPLY = 3, 4
_WORDS = 4096
_DEFAULT_AGAIN = tuple(
    getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD")
)


class Exit(Struct, frozen=True):
    """How a sandbox ended. `code` as a shell has it: 128 and the signal's number if a signal ended the guest.

    `cpu_seconds` is that of all its processes, its own start included, `peak_memory` in bytes; None if not known.
    """

    code: int
    cpu_seconds: float | None
    peak_memory: int | None

    @property
    def signal(self) -> int | None:
        return self.code - 128 if 128 < self.code < 128 + 65 else None


class Spawned:
    """A started process. The flows are called with bytes as they come; set what they call at any time."""

    def __init__(self, command: list[str], environment: Mapping[str, str], also: Mapping[int, int]) -> None:
        """Start `command`, in a session of its own, with exactly that environment and `also` (inside → here).

        Must be called on a running event loop. Raises OSError if nothing could be started. What is in `also` stays
        the caller's.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._words = bytearray()
        self.exited: asyncio.Future[Exit] = loop.create_future()
        """The guest is no more, and all that it wrote has been handed on."""
        self.ended: asyncio.Future[Exit] = loop.create_future()
        """Nothing is left of it."""
        ours, theirs = _pipes(also)
        try:
            actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            ]
            actions += [(os.POSIX_SPAWN_DUP2, here, there) for there, here in theirs.items()]
            self._own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.pid = os.posix_spawn(
                command[0],
                command,
                environment,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULT_AGAIN,
            )
        except OSError:
            for descriptor in ours.values():
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs.values():
                os.close(descriptor)
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._reap)
        self.job = Outflow(loop, ours[_JOB])
        self.reply = Inflow(loop, ours[_REPLY], self._ignore)
        self.out = Inflow(loop, ours[1], self._ignore)
        self.err = Inflow(loop, ours[2], self._listen)

    def _ignore(self, data: bytes) -> None:
        """Nobody listens yet."""

    def _listen(self, data: bytes) -> None:
        self._words += data[: _WORDS - len(self._words)]

    @property
    def words(self) -> str:
        """What it said on stderr before anybody listened: why it could not start. Hostile text."""
        return self._words.decode("utf-8", "replace").strip()

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:
            # Somebody else waited for all children.
            self._waited(Exit(255, None, None))
            return
        code = os.waitstatus_to_exitcode(status)
        # A spawned process begins with the peak of the process that spawned it.
        peak = used.ru_maxrss << 10 if used.ru_maxrss > self._own_peak else None
        self._waited(Exit(code if code >= 0 else 128 - code, used.ru_utime + used.ru_stime, peak))

    def _waited(self, end: Exit) -> None:
        """The process has ended: set `exited` and `ended` when each has come to pass."""
        raise NotImplementedError

    def _all_read(self) -> None:
        for flow in (self.reply, self.out, self.err):
            flow.rest()


def _pipes(also: Mapping[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """(ours, theirs), by the number that they have inside."""
    ours: dict[int, int] = {}
    theirs: dict[int, int] = {}
    try:
        ours[_JOB], theirs[_JOB] = pipe_to_child()
        for number in (_REPLY, 1, 2):
            ours[number], theirs[number] = pipe_from_child()
        for number, descriptor in also.items():
            theirs[number] = above(os.dup(descriptor))
    except OSError:
        for descriptor in (*ours.values(), *theirs.values()):
            os.close(descriptor)
        raise
    return ours, theirs
