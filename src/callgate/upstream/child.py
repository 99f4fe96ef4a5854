"""One server process on the event loop: lines in, frames out, and how it ends.

It knows nothing of MCP but that a frame is a line. What a server writes to its stderr goes to the log.
"""

import asyncio
import contextlib
import os
from typing import Protocol

from callgate.clock import Clock
from callgate.transports.outbox import Outbox
from callgate.transports.spawner import ChildPipes
from callgate.upstream.stderr import Log, StderrLog, read_some
from callgate.wire.framing import LineReader, Oversized

STATUS_SECONDS = 0.25
"""How long the exit status may take to come after the end of the output."""

STDERR_PAUSE_SECONDS = 0.05
"""After each full read of stderr: a server that does nothing but complain must not keep the gate busy."""

_CHUNK = 65_536


class ChildUser(Protocol):
    """Whoever uses a child."""

    def started(self) -> None:
        """The command runs."""

    def frames(self, frames: "list[bytes | Oversized]") -> None:
        """It has written these."""

    def ended(self, why: str, errno: int) -> None:
        """Nothing more comes. `errno` is not 0 if it could not even be started."""

    def gone(self) -> None:
        """No process of it is left."""


class Child:
    """`queued` and `written` count bytes of its input since the start: what was queued at `written` or later
    has not reached anybody."""

    def __init__(
        self,
        name: str,
        pipes: ChildPipes,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        log: Log,
        user: ChildUser,
        max_frame: int,
    ) -> None:
        self._name = name
        self._pipes = pipes
        self._loop = loop
        self._user = user
        self._reader = LineReader(max_frame)
        self._outbox = Outbox(pipes.stdin)
        self._stderr = StderrLog(name, log, clock)
        self._log = log
        self._report = b""
        self._open = {pipes.control, pipes.report, pipes.stdin, pipes.stdout, pipes.stderr}
        self._paused = False
        self._writing = False
        self._over = False
        self._discarding = False
        self._ending = False
        self._errno = 0
        self._status: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stderr_timer: asyncio.TimerHandle | None = None
        self.running = False
        self.deaf = False
        """Whether it can be sent nothing any more."""
        self.queued = 0
        loop.add_reader(pipes.report, self._on_report)
        loop.add_reader(pipes.stdout, self._on_stdout)
        loop.add_reader(pipes.stderr, self._on_stderr)

    @property
    def waiting(self) -> int:
        """Bytes that it has not taken yet."""
        return self._outbox.size

    @property
    def written(self) -> int:
        """How much of `queued` went into its pipe; 0 if no process has ever had the other end."""
        return self.queued - self._outbox.size if self.running else 0

    def write(self, line: bytes) -> None:
        """Queue one frame, without its newline; whoever calls has seen to `waiting`."""
        if self.deaf:
            return
        self.queued += len(line) + 1
        try:
            self._outbox.send(line + b"\n")
        except OSError:
            # Nothing of this line has reached anybody.
            self.queued -= len(line) + 1
            self._leave_deaf()
            return
        if self._outbox.size and not self._writing:
            self._writing = True
            self._loop.add_writer(self._pipes.stdin, self._on_room)

    def pause(self) -> None:
        """Read nothing of its output for now: it has to wait."""
        if not self._paused and self._pipes.stdout in self._open:
            self._paused = True
            self._loop.remove_reader(self._pipes.stdout)

    def resume(self) -> None:
        """Go on reading its output."""
        if self._paused and self._pipes.stdout in self._open:
            self._loop.add_reader(self._pipes.stdout, self._on_stdout)
        self._paused = False

    def leave(self) -> None:
        """Have it end: end of input, a grace, SIGTERM, SIGKILL (the keeper's work). What it still says counts."""
        self._ending = True
        self.deaf = True
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._pipes.stdin)
        self._close(self._pipes.stdin)
        self._close(self._pipes.control)

    def discard(self) -> None:
        """Have it end, and hear nothing more of it but that it is gone."""
        self._discarding = True
        self._over = True
        self.leave()
        self.resume()

    def close(self) -> None:
        """Let go of it at once; the keeper ends it."""
        self._discarding = self._over = True
        self._let_go()

    def _on_room(self) -> None:
        try:
            self._outbox.flush()
        except OSError:
            self._leave_deaf()
            return
        if not self._outbox.size:
            self._writing = False
            self._loop.remove_writer(self._pipes.stdin)

    def _leave_deaf(self) -> None:
        # It closed its input. What it has read before may still be answered, until the keeper ends it.
        self.leave()

    def _on_stdout(self) -> None:
        data = read_some(self._pipes.stdout, _CHUNK)
        if data:
            self._take(data)
        elif data is not None:
            self._close(self._pipes.stdout)
            if self._status is not None or self._ending:
                self._finish()
            else:
                # A server without output is none. Its status tells the log why, if it comes soon.
                self.leave()
                self._timer = self._loop.call_later(STATUS_SECONDS, self._finish)

    def _take(self, data: bytes) -> None:
        if not self._discarding:
            frames = self._reader.feed(data)
            if frames:
                self._user.frames(frames)

    def _on_stderr(self) -> None:
        data = read_some(self._pipes.stderr)
        if data:
            self._stderr.feed(data)
            if len(data) == _CHUNK:
                self._loop.remove_reader(self._pipes.stderr)
                self._stderr_timer = self._loop.call_later(STDERR_PAUSE_SECONDS, self._go_on_with_stderr)
        elif data is not None:
            self._close(self._pipes.stderr)

    def _go_on_with_stderr(self) -> None:
        if self._pipes.stderr in self._open:
            self._loop.add_reader(self._pipes.stderr, self._on_stderr)

    def _on_report(self) -> None:
        data = read_some(self._pipes.report, 4096)
        if data is None:
            return
        *lines, self._report = (self._report + data).split(b"\n")
        for line in lines:
            word, _, value = line.partition(b" ")
            if word == b"started":
                self.running = True
                if not self._over:
                    self._user.started()
            elif word == b"failed":
                self._errno = int(value)
            elif word == b"exited":
                self._status = int(value)
                if self._pipes.stdout not in self._open:
                    self._finish()
        if not data:
            self._all_gone()

    def _all_gone(self) -> None:
        """The keeper has ended, and with it every process: what stands in the pipes is all there will be."""
        if self._pipes.stdout in self._open:
            while data := read_some(self._pipes.stdout, _CHUNK):
                self._take(data)
        if self._pipes.stderr in self._open:
            # Bounded: whoever still holds the other end is none of ours.
            for _ in range(16):
                data = read_some(self._pipes.stderr)
                if not data:
                    break
                self._stderr.feed(data)
        self._finish()
        self._let_go()
        self._user.gone()

    def _finish(self) -> None:
        """Tell how it ended, once."""
        if self._over:
            return
        self._over = True
        self._take_last()
        why = self._why()
        if not self._errno:
            last = f"; it said last: {self._stderr.last}" if self._stderr.last else ""
            self._log("warning", f"{self._name}: {why}{last}")
        if not self._discarding:
            self._user.ended(why, self._errno)
        self.leave()

    def _take_last(self) -> None:
        frames = self._reader.finish()
        if frames:
            self._user.frames(frames)

    def _why(self) -> str:
        if self._status is None:
            return "the server closed its output" if self.running else "the server could not be started"
        if os.WIFSIGNALED(self._status):
            return f"the server ended: signal {os.WTERMSIG(self._status)}"
        return f"the server ended: exit status {os.waitstatus_to_exitcode(self._status)}"

    def _let_go(self) -> None:
        for timer in (self._timer, self._stderr_timer):
            if timer is not None:
                timer.cancel()
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._pipes.stdin)
        for fd in tuple(self._open):
            self._close(fd)
        self._stderr.finish()

    def _close(self, fd: int) -> None:
        if fd not in self._open:
            return
        self._open.discard(fd)
        if fd in (self._pipes.report, self._pipes.stdout, self._pipes.stderr):
            self._loop.remove_reader(fd)
        with contextlib.suppress(OSError):
            os.close(fd)
