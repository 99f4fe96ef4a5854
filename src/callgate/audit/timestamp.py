"""Wall-clock readings as RFC 3339 text. The date is worked out once a second, not once a record."""

import time

from callgate.clock import Clock


class Timestamp:
    """Call it for the time now: `2026-03-01T09:30:00.125Z`. Follows the wall clock wherever it steps."""

    def __init__(self, clock: Clock) -> None:
        self._wall_ns = clock.wall_ns
        self._second = -1
        self._prefix = ""
        self._milliseconds = -1
        self._text = ""

    def __call__(self) -> str:
        milliseconds = self._wall_ns() // 1_000_000
        if milliseconds == self._milliseconds:
            return self._text
        self._milliseconds = milliseconds
        second = milliseconds // 1000
        if second != self._second:
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            self._second = second
        self._text = "%s%03dZ" % (self._prefix, milliseconds % 1000)  # noqa: UP031  (half the time of an f-string)
        return self._text
