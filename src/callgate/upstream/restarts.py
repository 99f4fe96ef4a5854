"""How soon a server that keeps ending may be started again. Arithmetic only."""

from msgspec import Struct

from callgate.clock import Clock

FREE_STRIKES = 3
"""So many bad ends in a row cost no waiting."""

LONGEST_SECONDS = 30
STEADY_SECONDS = 10.0
"""A child that lived so long has not ended because of its start."""

_MAX_KEYS = 1_000


class _Strikes(Struct):
    count: int
    until_ns: int


class Restarts:
    """Counts bad ends by key: one for the server as such, one for each lane."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._strikes: dict[str, _Strikes] = {}

    def wait(self, key: str) -> int:
        """Whole seconds until the next start; 0 if it may be now."""
        strikes = self._strikes.get(key)
        if strikes is None:
            return 0
        left = strikes.until_ns - self._clock.monotonic_ns()
        return 0 if left <= 0 else -(-left // 1_000_000_000)

    def ended_badly(self, key: str) -> None:
        """A child ended soon after its start, or was never one."""
        strikes = self._strikes.pop(key, None) or _Strikes(0, 0)
        strikes.count += 1
        over = strikes.count - FREE_STRIKES
        # The shift is bounded, or a long loop would compute with giant numbers.
        seconds = 0 if over < 0 else min(LONGEST_SECONDS, 1 << min(over, 10))
        strikes.until_ns = self._clock.monotonic_ns() + seconds * 1_000_000_000
        self._strikes[key] = strikes
        if len(self._strikes) > _MAX_KEYS:
            del self._strikes[next(iter(self._strikes))]

    def works(self, key: str) -> None:
        """What was wrong is over."""
        self._strikes.pop(key, None)

    def prune(self) -> None:
        """Forget what is long past."""
        past = self._clock.monotonic_ns() - 2 * LONGEST_SECONDS * 1_000_000_000
        for key in [key for key, strikes in self._strikes.items() if strikes.until_ns < past]:
            del self._strikes[key]
