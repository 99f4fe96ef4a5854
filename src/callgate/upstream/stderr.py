"""A child's standard error on its way into the gate's log: line by line, escaped, bounded in length and in number.

It must never be mixed raw into the gate's own output, where it could pass for the gate's words or steer a terminal.
"""

import os
from collections.abc import Callable

from callgate.clock import Clock
from callgate.text import escape

Log = Callable[[str, str], None]
"""Called with a level (`debug`, `info`, `warning`, `error`) and one escaped line."""

MAX_LINE = 1_000
LINES_PER_SECOND = 20
BURST = 100


class StderrLog:
    """Feed it what was read. `last` is the last line that was not blank, escaped."""

    def __init__(self, name: str, log: Log, clock: Clock) -> None:
        self._name = name
        self._log = log
        self._clock = clock
        self._rest = b""
        self._tokens = float(BURST)
        self._refilled_ns = clock.monotonic_ns()
        self._dropped = 0
        self.last = ""

    def feed(self, data: bytes) -> None:
        """Log the lines that `data` completes."""
        *lines, rest = (self._rest + data).split(b"\n")
        # A line without end must not grow: its start is all that is shown of it.
        self._rest = rest[: MAX_LINE + 1]
        for line in lines:
            self._show(line)

    def finish(self) -> None:
        """Log what stands after the last newline, and how much was left out."""
        self._show(self._rest)
        self._rest = b""
        self._tell_dropped()

    def _show(self, line: bytes) -> None:
        line = line.rstrip()
        if not line:
            return
        text = escape(line[:MAX_LINE].decode("utf-8", "replace"))
        self.last = text if len(line) <= MAX_LINE else f"{text}…"
        now = self._clock.monotonic_ns()
        refill = (now - self._refilled_ns) / 1e9 * LINES_PER_SECOND
        self._tokens = min(float(BURST), self._tokens + refill)
        self._refilled_ns = now
        if self._tokens < 1:
            self._dropped += 1
            return
        self._tokens -= 1
        self._tell_dropped()
        self._log("info", f"{self._name}: {self.last}")

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._log("warning", f"{self._name}: {self._dropped} lines of its stderr were left out")
            self._dropped = 0


def read_some(fd: int, size: int = 65_536) -> bytes | None:
    """What can be read now; empty at the end; None if nothing is there yet."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError:
        return b""
