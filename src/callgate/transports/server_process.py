"""The server as the gate sees it: started through the keeper, signalled through it, and reported by it."""

import contextlib
import os
import signal
from collections.abc import Sequence

from callgate.errors import UpstreamError
from callgate.text import quote
from callgate.transports import reaping
from callgate.transports.keeper import END, START, KeeperPipes

PASSED_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


class ServerProcess:
    """`status` is the server's wait status once it has ended; `lost` is True if the keeper was killed."""

    def __init__(self, pipes: KeeperPipes, command: Sequence[str]) -> None:
        self._pipes = pipes
        self._command = command
        self._buffer = b""
        self.server_in = pipes.server_in
        self.server_out = pipes.server_out
        self.report = pipes.report
        self.pid: int | None = None
        self.status: int | None = None
        self.lost = False
        self.ending = False

    def start(self) -> None:
        """Run the command. Raises UpstreamError if that is not possible."""
        os.write(self._pipes.control, START)
        while self.pid is None:
            data = os.read(self.report, 4096)
            if not data:
                raise UpstreamError(
                    "UPS001", f"cannot start {quote(self._command[0])}: the keeper process ended"
                )
            self._buffer += data
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                word, _, value = line.partition(b" ")
                if word == b"failed":
                    raise UpstreamError(
                        "UPS001",
                        f"cannot start {quote(self._command[0])}: {os.strerror(int(value)).lower()}",
                        "check the command behind `--`: it is looked up in PATH and run without a shell",
                    )
                self.pid = int(value)
        os.set_blocking(self.server_in, False)

    def pass_signal(self, number: int) -> None:
        """Send a signal to the server."""
        with contextlib.suppress(OSError):
            os.write(self._pipes.control, bytes([number]))

    def end(self) -> None:
        """Have the server and all that it started ended: a moment to end by itself, SIGTERM, SIGKILL."""
        if self.ending:
            return
        self.ending = True
        try:
            os.write(self._pipes.control, END)
        except BlockingIOError:
            # The end of the pipe says the same as the order that does not fit into it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._pipes.control)
        except OSError:
            return

    def read_report(self) -> bool:
        """Take in what the keeper says. False when the keeper has ended, and all processes with it."""
        data = os.read(self.report, 4096)
        self._buffer += data
        # A server that ends at once may be told of together with its start.
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            word, _, value = line.partition(b" ")
            if word == b"exited":
                self.status = int(value)
        if not data:
            self.lost = self.status is None
            if self.lost:
                # Its descendants are ours now: this process is a subreaper too.
                reaping.end_descendants(0.0, lambda *_: None)
            return False
        return True

    def close(self) -> None:
        """Let go of the keeper, which ends whatever is left, and collect it."""
        for fd in (self._pipes.control, self.report):
            with contextlib.suppress(OSError):
                os.close(fd)
        with contextlib.suppress(OSError):
            os.waitpid(self._pipes.pid, 0)
