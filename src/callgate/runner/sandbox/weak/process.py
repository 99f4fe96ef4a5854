"""One guest as a process of this machine, in a session of its own, with the folder that it may write in.

It can start no other process, so its end is the end of all of it, and the kernel ends it when this process ends.
`exited` comes to pass when the process is gone, `ended` when its folder is too. Never runs what it was not given.
"""

import asyncio
import os
import resource
import signal

from callgate.runner.sandbox.bwrap.pipes import Inflow, Outflow, pipe_from_child, pipe_to_child
from callgate.runner.sandbox.bwrap.process import Exit
from callgate.runner.sandbox.removal import remove_tree

_JOB, _REPLY = 3, 4
_WORDS = 4096
_DEFAULT_AGAIN = tuple(
    getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD")
)


class GuestAlone:
    """A started guest, as `bwrap.process.GuestProcess` has it."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: str) -> None:
        """Start `command` with exactly that environment. The existing `folder` is removed at its end.

        Must be called on a running event loop. Raises OSError if nothing could be started; the folder stays then.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.folder = folder
        self._words = bytearray()
        self.exited: asyncio.Future[Exit] = loop.create_future()
        self.ended: asyncio.Future[Exit] = loop.create_future()
        ours, theirs = _pipes()
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
        loop.add_reader(self._pidfd, self._over)
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
        return self._words.decode("utf-8", "replace").strip()

    def find_first(self) -> bool:
        return True

    def kill(self) -> None:
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _over(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:
            # Somebody else waited for all children.
            end = Exit(255, None, None)
        else:
            code = os.waitstatus_to_exitcode(status)
            # A spawned process begins with the peak of the process that spawned it.
            peak = used.ru_maxrss << 10 if used.ru_maxrss > self._own_peak else None
            end = Exit(code if code >= 0 else 128 - code, used.ru_utime + used.ru_stime, peak)
        self.job.close()
        for flow in (self.reply, self.out, self.err):
            flow.rest()
        if not self.exited.done():
            self.exited.set_result(end)
        removal = self._loop.run_in_executor(None, remove_tree, self.folder)
        removal.add_done_callback(lambda _: self._finish(end))

    def _finish(self, end: Exit) -> None:
        if not self.ended.done():
            self.ended.set_result(end)


def _pipes() -> tuple[dict[int, int], dict[int, int]]:
    """(ours, theirs), by the number that they have in the guest."""
    ours: dict[int, int] = {}
    theirs: dict[int, int] = {}
    try:
        ours[_JOB], theirs[_JOB] = pipe_to_child()
        for number in (_REPLY, 1, 2):
            ours[number], theirs[number] = pipe_from_child()
    except OSError:
        for descriptor in (*ours.values(), *theirs.values()):
            os.close(descriptor)
        raise
    return ours, theirs
