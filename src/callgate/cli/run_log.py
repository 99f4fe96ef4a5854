"""The lines `callgate run` writes to stderr. It must never make the gate wait for whoever reads them."""

import os
import select
from collections.abc import Callable

_LEVELS = ("debug", "info", "warning", "error")
_LONGEST = 4000
"""Bytes of a line. A pipe that can be written to takes this much without blocking (POSIX: PIPE_BUF is 4,096)."""


def make_log(level: str) -> Callable[[str, str], None]:
    """Return a function (level, one escaped line) that writes to stderr what is at least as grave as `level`.

    Lines that nobody reads are dropped, and counted; a stderr that cannot be written to is nobody's concern.
    """
    least = _LEVELS.index(level)
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    dropped = 0

    def log(line_level: str, line: str) -> None:
        nonlocal dropped
        if line_level != "banner" and _LEVELS.index(line_level) < least:
            return
        if not any(event & select.POLLOUT for _, event in poll.poll(0)):
            dropped += 1
            return
        head = "" if line_level in ("banner", "info") else f"{line_level}: "
        text = f"callgate {head}{line}".encode("utf-8", "replace")[:_LONGEST]
        if dropped:
            text = b"callgate warning: %d lines were dropped, as nobody read them\n%s" % (
                dropped,
                text[:3900],
            )
            dropped = 0
        try:
            os.write(2, text + b"\n")
        except OSError:
            return

    return log
