"""One sandbox as processes: bubblewrap outside, and inside the first process of a namespace of its own.

Killing the first one ends all that is inside, and bubblewrap ends after it; once both have ended nothing is left. The
first one is the guest itself, but under root: there it is bubblewrap's, since the kernel lets bubblewrap's death end
only a process of the same user. No thread, no fork of this process: `posix_spawn`, and a pidfd on the event loop.
Never runs what it was not given, and never judges what a guest says.
"""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Callable
from typing import Protocol

import msgspec

from callgate.runner.sandbox.bwrap.pipes import Inflow, Outflow
from callgate.runner.sandbox.bwrap.spawned import Exit, Spawned

INFO = 6
NETWORK = 5
_INFO_SECONDS = 10.0
_ASK_AGAIN = 0.005
_INFO_BYTES = 4096
Take = Callable[[bytes], None]


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


class Process(Spawned):
    """A started sandbox."""

    def __init__(self, command: list[str], *, network: int | None = None, guest_first: bool = True) -> None:
        """Start `command` (bubblewrap's arguments, with `--info-fd` INFO). `network` becomes descriptor 5 inside.

        `guest_first`: the guest is the first process inside; otherwise what it used is known only if it was killed.

        Must be called on a running event loop. Raises OSError if nothing could be started; `network` stays the
        caller's.
        """
        self._guest_first = guest_first
        self._give_up_at = 0.0
        self.first: int | None = None
        self._first_fd = -1
        self._doomed = False
        self._exit: Exit | None = None
        # No pipe: should this process die now, bubblewrap must not fail at writing, and leave its child behind.
        self._info = os.memfd_create("info")
        also = {INFO: self._info} if network is None else {INFO: self._info, NETWORK: network}
        try:
            super().__init__(command, {}, also)
        except OSError:
            os.close(self._info)
            raise

    def find_first(self) -> bool:
        """Look for what bubblewrap says of the first process inside; True once there is nothing more to learn."""
        if self.first is not None or self._info < 0:
            return True
        try:
            pid = msgspec.json.decode(os.pread(self._info, _INFO_BYTES, 0))["child-pid"]
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

    def _waited(self, end: Exit) -> None:
        whole = self._guest_first or self._doomed
        self._exit = end if whole else Exit(end.code, None, None)
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
