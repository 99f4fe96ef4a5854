"""How full the limits are that were charged lately: of each the fullest counter, in bounded memory.

A limit may have a counter for every session, caller or argument; which of them is near its end is not told here
(that would be as many time series as there are callers), only that one is.
"""

from callgate.clock import Clock
from callgate.telemetry.snapshot import fullness

MAX_LIMITS = 1_000
_SPAN_NS = 30_000_000_000
"""Half of the time for which a reading counts."""


class LimitUsage:
    """Takes the ledger's answers; gives the fullest counter of each limit within the last half to whole minute."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic_ns = clock.monotonic_ns
        self._span = 0
        self._now: dict[tuple[str, str], tuple[float, float]] = {}
        self._before: dict[tuple[str, str], tuple[float, float]] = {}

    def seen(self, server: str, rule: str, used: float, most: float) -> None:
        """A counter of the limit `rule` holds `used` of `most`."""
        self._turn()
        key = (server, rule)
        known = self._now.get(key)
        if known is None:
            if len(self._now) < MAX_LIMITS:
                self._now[key] = (used, most)
        elif fullness(used, most) > fullness(*known):
            self._now[key] = (used, most)

    def recent(self) -> list[tuple[str, str, float, float]]:
        """(server, limit, used, max) of every limit seen lately."""
        self._turn()
        fullest = self._before.copy()
        for key, reading in self._now.copy().items():
            before = fullest.get(key)
            if before is None or fullness(*reading) >= fullness(*before):
                fullest[key] = reading
        return [(server, rule, used, most) for (server, rule), (used, most) in fullest.items()]

    def _turn(self) -> None:
        span = self._monotonic_ns() // _SPAN_NS
        if span != self._span:
            self._before = self._now if span == self._span + 1 else {}
            self._now = {}
            self._span = span
