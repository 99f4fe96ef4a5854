"""The first few remarks of a source in full, the rest as counts: for what somebody hostile can cause at will.

No I/O and no timers: whoever owns a sampler calls `tick`. What passes here is for logs and records of events, never
for the record of a decision, of which none may be missing.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from callgate.clock import Clock

MOST = 5
"""Remarks of one source that pass in a window."""
MAX_SOURCES = 1000
"""Sources that are told apart in a window."""
_WINDOW_NS = 10 * 1_000_000_000

Source = TypeVar("Source", bound=Hashable)


class _Window:
    __slots__ = ("began_ns", "counts", "passed")

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self.passed = 0
        self.counts: Counter[str] = Counter()


class Sampler(Generic[Source]):
    """`tell(source, counts)` gets the number of remarks that did not pass, by code, when their window has ended.

    `source` is None for those that were too many to be told apart.
    """

    def __init__(self, clock: Clock, tell: Callable[[Source | None, Counter[str]], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._windows: dict[Source | None, _Window] = {}

    def passes(self, source: Source, code: str) -> bool:
        """Whether a remark is to be made in full; it is counted otherwise."""
        self.tick()
        key: Source | None = source
        window = self._windows.get(key)
        if window is None and len(self._windows) >= MAX_SOURCES:
            key = None
            window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(self._clock.monotonic_ns())
        if window.passed < MOST:
            window.passed += 1
            return True
        window.counts[code] += 1
        return False

    def tick(self) -> None:
        """Tell the counts of the windows that have ended."""
        least = self._clock.monotonic_ns() - _WINDOW_NS
        windows = self._windows
        # In the order in which they began.
        while windows and windows[key := next(iter(windows))].began_ns <= least:
            self._close(key)

    def end(self) -> None:
        """Tell every count now."""
        while self._windows:
            self._close(next(iter(self._windows)))

    def _close(self, key: Source | None) -> None:
        counts = self._windows.pop(key).counts
        if counts:
            self._tell(key, counts)


def by_code(counts: Counter[str]) -> str:
    """The counts as words, the largest first."""
    return ", ".join(f"{count} with {code}" for code, count in counts.most_common())
