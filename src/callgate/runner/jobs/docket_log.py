"""What Docket logs, said in few words: with its server away it would write a traceback every second."""

import logging
import time

SILENCE_SECONDS = 30.0
_log = logging.getLogger("callgate.runner")


class _InFewWords(logging.Handler):
    """Passes on that something is wrong, the same thing once in `SILENCE_SECONDS`. Of an exception only its type."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        what = "a note of its library" if error is None else type(error).__name__
        now = time.monotonic()
        if now - self._said.get(what, -SILENCE_SECONDS) < SILENCE_SECONDS:
            return
        self._said[what] = now
        _log.warning("[RUN051] the queue does not work, and is tried again until it does: %s", what)


def quieten_docket() -> None:
    """Once is enough for a process; more often does no harm."""
    docket = logging.getLogger("docket")
    docket.setLevel(logging.WARNING)
    docket.propagate = False
    docket.handlers = [_InFewWords()]
