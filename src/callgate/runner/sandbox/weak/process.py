"""One guest as a process of this machine, in a session of its own, with the folder that it may write in.

It can start no other process, so its end is the end of all of it, and the kernel ends it when this process ends.
`exited` comes to pass when the process is gone, `ended` when its folder is too. Never runs what it was not given.
"""

import signal

from callgate.runner.sandbox.bwrap.spawned import Exit, Spawned
from callgate.runner.sandbox.removal import remove_tree


class GuestAlone(Spawned):
    """A started guest, as `bwrap.process.GuestProcess` has it."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: str) -> None:
        """Start `command` with exactly that environment. The existing `folder` is removed at its end.

        Must be called on a running event loop. Raises OSError if nothing could be started; the folder stays then.
        """
        super().__init__(command, environment, {})
        self.folder = folder

    def find_first(self) -> bool:
        return True

    def kill(self) -> None:
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _waited(self, end: Exit) -> None:
        self.job.close()
        self._all_read()
        if not self.exited.done():
            self.exited.set_result(end)
        removal = self._loop.run_in_executor(None, remove_tree, self.folder)
        removal.add_done_callback(lambda _: self._finish(end))

    def _finish(self, end: Exit) -> None:
        if not self.ended.done():
            self.ended.set_result(end)
