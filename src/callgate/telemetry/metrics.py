"""Counts what the gate reports. A report costs about a microsecond and never raises.

Written by one loop without a lock; `snapshot` may be taken from another thread: it copies each table in one step.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import TypeVar

from callgate.clock import Clock
from callgate.decision import Amount
from callgate.telemetry import families as f
from callgate.telemetry.contract import Levels
from callgate.telemetry.labels import OTHER, ToolNames, method_label
from callgate.telemetry.limit_usage import LimitUsage
from callgate.telemetry.process import measure_process
from callgate.telemetry.snapshot import Histogram, Labels, Snapshot

MAX_SERIES = 20_000
"""Samples of one family in one process; what comes beyond is counted under `other`."""

_K = TypeVar("_K", bound="tuple[object, ...]")
_V = TypeVar("_V")


class Metrics:
    """The `Observer` whose counters are scraped. `levels` is asked at every snapshot, in the thread that takes it."""

    def __init__(self, clock: Clock, levels: Callable[[], Levels] = Levels) -> None:
        self._clock = clock
        self._levels = levels
        self._tools = ToolNames()
        self._judged: dict[tuple[str, str, str, str | None], int] = {}
        self._ended: dict[tuple[str, str, str], int] = {}
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._answered: dict[tuple[str, str, int], int] = {}
        self._answer_durations: dict[tuple[str, str], Histogram] = {}
        self._failed: dict[tuple[str, str], int] = {}
        self._refused: dict[tuple[str, str], int] = {}
        self._limits = LimitUsage(clock)
        self._dropped = 0

    def know(self, server: str, tools: Iterable[str]) -> None:
        """Names that may be labels: those of the policy, and those of every tools/list that passes."""
        self._tools.know(server, tools)

    def judged(self, server: str, tool: str, verdict: str, code: str | None) -> None:
        counts = self._judged
        key = (server, tool, verdict, code)
        if key in counts:
            counts[key] += 1
        else:
            label = self._tools.label(server, tool, admitted=verdict == "allow")
            _increment(counts, (server, label, verdict, code), (OTHER, OTHER, verdict, code))

    def ended(self, server: str, tool: str, status: str, seconds: float) -> None:
        counts = self._ended
        key = (server, tool, status)
        if key in counts:
            counts[key] += 1
        else:
            label = self._tools.label(server, tool, admitted=False)
            _increment(counts, (server, label, status), (OTHER, OTHER, status))
        histogram = self._durations.get((server, tool))
        if histogram is None:
            label = self._tools.label(server, tool, admitted=False)
            histogram = _histogram(self._durations, (server, label), (OTHER, OTHER))
        histogram.buckets[bisect_left(f.SECONDS, seconds)] += 1
        histogram.sum += seconds

    def answered(self, server: str, method: str, status: int, seconds: float) -> None:
        counts = self._answered
        key = (server, method, status)
        if key in counts:
            counts[key] += 1
        else:
            _increment(counts, (server, method_label(method), status), (OTHER, OTHER, status))
        histogram = self._answer_durations.get((server, method))
        if histogram is None:
            label = method_label(method)
            histogram = _histogram(self._answer_durations, (server, label), (OTHER, OTHER))
        histogram.buckets[bisect_left(f.SECONDS, seconds)] += 1
        histogram.sum += seconds

    def upstream_failed(self, server: str, code: str) -> None:
        _increment(self._failed, (server, code), (OTHER, code))

    def refused(self, server: str, code: str) -> None:
        _increment(self._refused, (server, code), (OTHER, code))

    def limit(self, server: str, rule: str, used: Amount, max: Amount) -> None:
        self._limits.seen(server, rule, float(used), float(max))

    def log_lines_dropped(self, lines: int) -> None:
        """So many lines of the log were not written."""
        self._dropped += lines

    def snapshot(self) -> Snapshot:
        """All values now."""
        taken = Snapshot(self._clock.monotonic_ns())
        taken.counters = {
            f.CALLS.name: [
                ((server, tool, verdict, code or ""), count)
                for (server, tool, verdict, code), count in self._judged.copy().items()
            ],
            f.OUTCOMES.name: [*self._ended.copy().items()],
            f.REQUESTS.name: [
                ((server, method, str(status)), count)
                for (server, method, status), count in self._answered.copy().items()
            ],
            f.UPSTREAM_ERRORS.name: [*self._failed.copy().items()],
            f.REFUSED.name: [*self._refused.copy().items()],
            f.LOG_DROPPED.name: [((), self._dropped)],
        }
        taken.histograms = {
            f.CALL_SECONDS.name: _copied(self._durations),
            f.REQUEST_SECONDS.name: _copied(self._answer_durations),
        }
        taken.gauges = _gauges(self._levels())
        taken.limits = self._limits.recent()
        measure_process(taken)
        return taken


def _increment(counts: dict[_K, int], key: _K, beyond: _K) -> None:
    if key not in counts and len(counts) >= MAX_SERIES:
        key = beyond
    counts[key] = counts.get(key, 0) + 1


def _histogram(histograms: dict[_K, Histogram], key: _K, beyond: _K) -> Histogram:
    found = histograms.get(key)
    if found is None:
        if len(histograms) >= MAX_SERIES:
            key = beyond
        found = histograms.setdefault(key, Histogram([0] * (len(f.SECONDS) + 1)))
    return found


def _copied(histograms: dict[tuple[str, str], Histogram]) -> list[tuple[Labels, Histogram]]:
    return [(labels, Histogram([*each.buckets], each.sum)) for labels, each in histograms.copy().items()]


def _gauges(levels: Levels) -> dict[str, list[tuple[Labels, float]]]:
    return {
        f.SESSIONS.name: _by_server(levels.sessions),
        f.CHILDREN.name: _by_server(levels.children),
        f.IN_FLIGHT.name: _by_server(levels.in_flight),
        f.STREAMS.name: [((), levels.streams)],
        f.CONNECTIONS.name: [((), levels.connections)],
        f.AUDIT_FAILING.name: [((), float(levels.audit_failing))],
        f.STORE_FAILING.name: [((), float(levels.store_failing))],
        f.POLICY.name: [((server, revision), 1) for server, revision in levels.policies.items()],
        f.WORKERS.name: [((), 1)],
    }


def _by_server(counts: dict[str, int]) -> list[tuple[Labels, float]]:
    return [((server,), count) for server, count in counts.items()]
