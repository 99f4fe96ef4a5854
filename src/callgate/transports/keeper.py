"""The keeper: a small process between the gate and the server that outlives both just long enough to clean up.

    agent ── gate ──(control, report)── keeper ── server ── whatever the server starts

A pipe's end of file is the only death notice that no `kill -9` can suppress, so the keeper waits for the end of
`control`. It is the subreaper of everything below it: a server started by `npx` or one that daemonised is still
its descendant, and is gone before the keeper ends. If the keeper itself is killed, the kernel kills the server,
and the gate, a subreaper too, takes the rest.

The keeper is forked before the gate imports anything large, and must import nothing itself.

control (gate → keeper): first the order to start (`START`), then single bytes: a signal number to pass on;
    255 = end now (terminate, then kill). End of file = the gate is gone.
report (keeper → gate): lines `started PID`, `failed ERRNO`, `exited WAITSTATUS`. End of file = nothing is left.
"""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence

from callgate.transports import reaping
from callgate.transports.prctl import become_subreaper, die_with_parent

START = b"\x00"
END = b"\xff"
GRACE_SECONDS = 1.0
"""How long a server may take to end by itself, and again after SIGTERM, before it is killed."""


class KeeperPipes:
    """The gate's ends of everything shared with the keeper and the server (file descriptors)."""

    def __init__(self, pid: int, control: int, report: int, server_in: int, server_out: int) -> None:
        self.pid = pid
        self.control = control
        self.report = report
        self.server_in = server_in
        self.server_out = server_out


def fork_keeper(command: Sequence[str], more: Mapping[str, str] | None = None) -> KeeperPipes:
    """Fork the keeper, which waits for `START` before it runs `command`; `more` goes on top of this process's
    environment. Raises OSError."""
    control_r, control_w = os.pipe()
    report_r, report_w = os.pipe()
    stdin_r, stdin_w = os.pipe()
    stdout_r, stdout_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            for fd in (control_w, report_r, stdin_w, stdout_r):
                os.close(fd)
            status = Keeper(
                command, control_r, report_w, (stdin_r, stdout_w), {**os.environ, **(more or {})}
            ).keep()
        finally:
            os._exit(status)
    for fd in (control_r, report_w, stdin_r, stdout_w):
        os.close(fd)
    # A keeper that does not read must not hold up the gate.
    os.set_blocking(control_w, False)
    return KeeperPipes(pid, control_w, report_r, stdin_w, stdout_r)


class Keeper:
    """Runs in the forked process only.

    `stdio` are the server's ends of its standard streams, two or three of them: without a third it shares ours.
    `env` and `cwd` None: those of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        control: int,
        report: int,
        stdio: Sequence[int],
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self._command = command
        self._control = control
        self._report = report
        self._stdio = stdio
        self._env = env
        self._cwd = cwd
        self._server: int | None = None
        self._groups: set[int] = set()
        self._ending = False

    def keep(self) -> int:
        """Wait for `START`, run the server, and return the exit status when no process of it is left."""
        wake_r, wake_w = os.pipe()
        os.set_blocking(wake_w, False)
        os.set_blocking(wake_r, False)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Signals meant for the gate reach its whole foreground group; the gate passes them on in order.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        os.setpgid(0, 0)
        become_subreaper()
        if os.read(self._control, 1) != START:
            return 0
        # The gate's own standard input and output are the protocol's: nothing here may hold them open.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        if not self._start():
            return 0
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_r, select.POLLIN)
        while not self._ending:
            for fd, _ in poll.poll():
                if fd == wake_r:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_r, 4096)
                    self._reap()
                else:
                    self._obey(os.read(self._control, 64))
        reaping.end_descendants(0.0 if self._server is None else GRACE_SECONDS, self._reaped, self._groups)
        return 0

    def _start(self) -> bool:
        """Fork and exec the server; an exec that fails reports its errno through a close-on-exec pipe."""
        error_r, error_w = os.pipe()
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.setpgid(0, 0)
                die_with_parent()
                if os.getppid() != keeper:
                    os._exit(1)
                signal.set_wakeup_fd(-1)
                for number in range(1, signal.NSIG):
                    with contextlib.suppress(OSError, ValueError):
                        signal.signal(number, signal.SIG_DFL)
                for number, fd in enumerate(self._stdio):
                    os.dup2(fd, number)
                if self._cwd is not None:
                    os.chdir(self._cwd)
                if self._env is None:
                    os.execvp(self._command[0], list(self._command))
                os.execvpe(self._command[0], list(self._command), dict(self._env))
            except OSError as error:
                os.write(error_w, str(error.errno or 1).encode())
            finally:
                os._exit(127)
        for fd in (error_w, *self._stdio):
            os.close(fd)
        failure = os.read(error_r, 16)
        os.close(error_r)
        if failure:
            os.waitpid(pid, 0)
            self._tell(b"failed " + failure)
            return False
        self._server = pid
        if sys.platform != "linux":
            self._groups.add(pid)
        self._tell(b"started %d" % pid)
        return True

    def _obey(self, orders: bytes) -> None:
        if not orders:
            # The gate is gone, and with it the write end of the server's input: give the server that moment.
            self._ending = True
            return
        for order in orders:
            if order == END[0]:
                self._ending = True
            elif self._server is not None:
                # A server of another user (sudo) cannot be signalled; that must not end its keeper.
                with contextlib.suppress(OSError):
                    os.kill(self._server, order)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._reaped(pid, status)

    def _reaped(self, pid: int, status: int) -> None:
        if pid == self._server:
            self._server = None
            self._ending = True
            self._tell(b"exited %d" % status)

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._report, line + b"\n")
