"""The server's log: lines on stderr, never on stdout, which is the protocol's. No values of agents, no secrets."""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from callgate.text import escape

log = logging.getLogger("callgate.runner")


class Plain(logging.Formatter):
    """One line a record, escaped. Of an exception its type and place: its text may hold what somebody sent."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return escape(super().format(record).replace("\n", ": "))

    def formatException(self, ei: Any) -> str:  # noqa: N802 -- the base class's name
        error: BaseException | None = ei[1]
        trace: TracebackType | None = ei[2]
        places = traceback.extract_tb(trace)
        where = f" at {places[-1].filename}:{places[-1].lineno}" if places else ""
        return f"{type(error).__name__}{where}"


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Send what this process logs to stderr, the libraries' warnings too, unless it goes somewhere already."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(Plain())
        root.addHandler(handler)
        root.setLevel(level)
