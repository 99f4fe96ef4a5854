"""One sandbox as processes: bubblewrap outside, and inside the first process of a namespace of its own.

Killing the first one ends all that is inside, and bubblewrap ends after it; once both have ended nothing is left. The
first one is the guest itself, but under root: there it is bubblewrap's, since the kernel lets bubblewrap's death end
only a process of the same user. No thread, no fork of this process: `posix_spawn`, and a pidfd on the event loop.
Never runs what it was not given, and never judges what a guest says.
"""

import asyncio
import contextlib
import os
import resource
import select
import signal
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Struct

from callgate.runner.sandbox.bwrap.pipes import Inflow, Outflow, above, pipe_from_child, pipe_to_child

INFO = 6
_JOB, _REPLY, NETWORK = 3, 4, 5
_INFO_SECONDS = 10.0
_ASK_AGAIN = 0.005
_WORDS = 4096
_DEFAULT_AGAIN = tuple(
    getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD")
)

Take = Callable[[bytes], None]


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


class GuestProcess(Protocol):
    """What runs one guest, whatever is around it. The flows are called with bytes as they come."""

    job: Outflow
    reply: Inflow
    out: Inflow
    err: Inflow
    exited: asyncio.Future[Exit]
    """Done when the guest has ended, and all that it said has been handed on."""
    ended: asyncio.Future[Exit]
    """Done when nothing is left of it."""

    @property
    def words(self) -> str:
        """What it said on stderr before anybody listened: why it could not start. Hostile text."""
        ...

    def find_first(self) -> bool:
        """Whether all is known that is needed to kill it."""
        ...

    def kill(self) -> None:
        """End everything inside; `ended` comes to pass soon. Idempotent."""
        ...


class Process:
    """A started sandbox. `frames`, `stdout` and `stderr` are called with bytes as they come; set them at any time."""

    def __init__(self, command: list[str], *, network: int | None = None, guest_first: bool = True) -> None:
        """Start `command` (bubblewrap's arguments, with `--info-fd` INFO). `network` becomes descriptor 5 inside.

        `guest_first`: the guest is the first process inside; otherwise what it used is known only if it was killed.

        Must be called on a running event loop. Raises OSError if nothing could be started; `network` stays the
        caller's.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._words = bytearray()
        self._guest_first = guest_first
        self._give_up_at = 0.0
        self.first: int | None = None
        self._first_fd = -1
        self._doomed = False
        self.exited: asyncio.Future[Exit] = loop.create_future()
        """The guest is no more, and all that it wrote has been handed on."""
        self.ended: asyncio.Future[Exit] = loop.create_future()
        """Nothing is left of the sandbox."""
        self._exit: Exit | None = None
        ours, theirs = self._pipes(network)
        try:
            actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
            ]
            actions += [(os.POSIX_SPAWN_DUP2, here, there) for there, here in theirs.items()]
            self._own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.pid = os.posix_spawn(
                command[0],
                command,
                {},
                file_actions=actions,
                setpgroup=0,
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
        loop.add_reader(self._pidfd, self._bubblewrap_ended)
        self.job = Outflow(loop, ours[_JOB])
        self.reply = Inflow(loop, ours[_REPLY], self._ignore)
        self.out = Inflow(loop, ours[1], self._ignore)
        self.err = Inflow(loop, ours[2], self._listen)
        self._info = ours[INFO]

    @staticmethod
    def _pipes(network: int | None) -> tuple[dict[int, int], dict[int, int]]:
        """(ours, theirs), by the number that they have inside."""
        ours: dict[int, int] = {}
        theirs: dict[int, int] = {}
        try:
            ours[_JOB], theirs[_JOB] = pipe_to_child()
            for number in (_REPLY, 1, 2):
                ours[number], theirs[number] = pipe_from_child()
            # No pipe: should this process die now, bubblewrap must not fail at writing, and leave its child behind.
            ours[INFO] = os.memfd_create("info")
            theirs[INFO] = above(os.dup(ours[INFO]))
            if network is not None:
                theirs[NETWORK] = above(os.dup(network))
        except OSError:
            for descriptor in (*ours.values(), *theirs.values()):
                os.close(descriptor)
            raise
        return ours, theirs

    def _ignore(self, data: bytes) -> None:
        """Nobody listens yet."""

    def _listen(self, data: bytes) -> None:
        self._words += data[: _WORDS - len(self._words)]

    @property
    def words(self) -> str:
        """What it said on stderr before anybody listened: why it could not start. Hostile text."""
        return self._words.decode("utf-8", "replace").strip()

    def find_first(self) -> bool:
        """Look for what bubblewrap says of the first process inside; True once there is nothing more to learn."""
        if self.first is not None or self._info < 0:
            return True
        try:
            pid = msgspec.json.decode(os.pread(self._info, _WORDS, 0))["child-pid"]
            descriptor = os.pidfd_open(pid)
        except (msgspec.DecodeError, KeyError, TypeError, OSError):
            return False
        if _parent(pid) != self.pid:
            # It has ended, and its number may be another's by now.
            os.close(descriptor)
            return False
        self.first, self._first_fd = pid, descriptor
        return True

    def kill(self) -> None:
        """End everything inside; `ended` comes to pass soon. Idempotent."""
        if not self._doomed:
            self._doomed = True
            self._give_up_at = self._loop.time() + _INFO_SECONDS
            self._kill_first()

    def _kill_first(self) -> None:
        if self._exit is not None:
            return
        if self.find_first():
            signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)
        elif self._loop.time() < self._give_up_at:
            # Killed now, bubblewrap could leave a process behind that waits for it; the first one is known soon.
            self._loop.call_later(_ASK_AGAIN, self._kill_first)
        else:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _bubblewrap_ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:
            # Somebody else waited for all children.
            self._exit = Exit(255, None, None)
        else:
            code = os.waitstatus_to_exitcode(status)
            peak = used.ru_maxrss
            # A spawned process begins with the peak of the process that spawned it.
            known = peak << 10 if peak > self._own_peak else None
            whole = self._guest_first or self._doomed
            cpu = used.ru_utime + used.ru_stime if whole else None
            self._exit = Exit(code if code >= 0 else 128 - code, cpu, known if whole else None)
        self.find_first()
        if self._first_fd < 0:
            self._finish()
        elif _over(self._first_fd):
            self._first_ended()
        else:
            if self._exit.code == 0:
                # The guest's own status, which bubblewrap passes on once the guest has ended; only the namespaces
                # are still being taken down.
                self._all_read()
                self.exited.set_result(self._exit)
            # bubblewrap does not always wait for it, and when killed itself cannot.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)
            self._loop.add_reader(self._first_fd, self._first_ended)

    def _first_ended(self) -> None:
        self._loop.remove_reader(self._first_fd)
        with contextlib.suppress(ChildProcessError):
            # It is ours to wait for only if we take in orphans.
            os.waitid(os.P_PIDFD, self._first_fd, os.WEXITED | os.WNOHANG)
        os.close(self._first_fd)
        self._first_fd = -1
        self._finish()

    def _finish(self) -> None:
        os.close(self._info)
        self._info = -1
        self.job.close()
        self._all_read()
        if self._exit is not None:
            for told in (self.exited, self.ended):
                if not told.done():
                    told.set_result(self._exit)

    def _all_read(self) -> None:
        for flow in (self.reply, self.out, self.err):
            flow.rest()


def _parent(pid: int) -> int:
    """The parent of a process; 0 if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _over(pidfd: int) -> bool:
    """Whether the process has ended. Does not wait."""

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
