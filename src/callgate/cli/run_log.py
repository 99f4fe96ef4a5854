"""The lines `callgate run` writes to stderr. Imports nothing that a fast start would miss."""

import os
from collections.abc import Callable

_LEVELS = ("debug", "info", "warning", "error")


def make_log(level: str) -> Callable[[str, str], None]:
    """Return a function (level, one escaped line) that writes to stderr what is at least as grave as `level`.

    A stderr that cannot be written to is nobody's concern: the gate goes on.
    """
    least = _LEVELS.index(level)

    def log(line_level: str, line: str) -> None:
        if line_level == "banner" or _LEVELS.index(line_level) >= least:
            head = "" if line_level in ("banner", "info") else f"{line_level}: "
            try:
                os.write(2, f"callgate {head}{line}\n".encode("utf-8", "replace"))
            except OSError:
                return

    return log
