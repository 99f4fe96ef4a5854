"""What one process has counted, as data, and what several processes have counted together. No I/O, no clock."""

from collections.abc import Iterable
from operator import add

from msgspec import Struct

from callgate.telemetry import families as f

Labels = tuple[str, ...]


class Histogram(Struct):
    """How many observations fell into each bucket (of `families.SECONDS` and one for the rest), and their sum."""

    buckets: list[int]
    sum: float = 0.0


class Snapshot(Struct):
    """The values of one process. Samples are under the name of their family, labels in the family's order.

    `at_ns` is when it was taken, on the clock that all processes of a boot share; `limits` holds (server, limit,
    used, max).
    """

    at_ns: int
    counters: dict[str, list[tuple[Labels, float]]] = {}
    histograms: dict[str, list[tuple[Labels, Histogram]]] = {}
    gauges: dict[str, list[tuple[Labels, float]]] = {}
    limits: list[tuple[str, str, float, float]] = []


class Totals:
    """The values of all processes as one: counters also of those that have ended, gauges of the living."""

    def __init__(self, living: Iterable[Snapshot], ended: Iterable[Snapshot] = ()) -> None:
        self.counters: dict[str, dict[Labels, float]] = {}
        self.histograms: dict[str, dict[Labels, Histogram]] = {}
        self.gauges: dict[str, dict[Labels, float]] = {}
        self.limits: dict[Labels, tuple[float, float]] = {}
        for snapshot in ended:
            self._count(snapshot)
        for snapshot in living:
            self._count(snapshot)
            self._measure(snapshot)

    def as_snapshot(self, at_ns: int) -> Snapshot:
        """The counters and histograms as those of one process that has ended."""
        return Snapshot(
            at_ns,
            {name: list(samples.items()) for name, samples in self.counters.items()},
            {name: list(samples.items()) for name, samples in self.histograms.items()},
        )

    def _count(self, snapshot: Snapshot) -> None:
        for name, samples in snapshot.counters.items():
            counts = self.counters.setdefault(name, {})
            for labels, value in samples:
                counts[labels] = counts.get(labels, 0) + value
        for name, observed in snapshot.histograms.items():
            histograms = self.histograms.setdefault(name, {})
            for labels, histogram in observed:
                sofar = histograms.get(labels)
                if sofar is None:
                    histograms[labels] = Histogram(list(histogram.buckets), histogram.sum)
                else:
                    sofar.buckets = [*map(add, sofar.buckets, histogram.buckets)]
                    sofar.sum += histogram.sum

    def _measure(self, snapshot: Snapshot) -> None:
        for name, samples in snapshot.gauges.items():
            values = self.gauges.setdefault(name, {})
            for labels, value in samples:
                before = values.get(labels)
                values[labels] = value if before is None else _together(name, before, value)
        for server, limit, used, most in snapshot.limits:
            known = self.limits.get((server, limit))
            if known is None or fullness(used, most) > fullness(*known):
                self.limits[server, limit] = (used, most)


def fullness(used: float, most: float) -> float:
    """How far a counter has come; a limit of nothing is always full."""
    return used / most if most > 0 else 1.0


_ANY = frozenset(family.name for family in (f.AUDIT_FAILING, f.STORE_FAILING, f.POLICY, f.BUILD))


def _together(name: str, one: float, other: float) -> float:
    if name in _ANY:
        return max(one, other)
    if name == f.STARTED.name:
        return min(one, other)
    return one + other
