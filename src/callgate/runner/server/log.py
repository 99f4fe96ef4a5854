"""The server's log: lines on stderr, never on stdout, which is the protocol's."""

import logging
import sys

log = logging.getLogger("callgate.runner")


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Send what this process logs to stderr, the libraries' warnings too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)
    root.setLevel(level)
