"""Interleaves the rows (A B C A B C …), so that what else the machine does falls on all of them, and sums up.

Ratios are made within a round and only then reduced to their median: two rows are compared only with what ran
beside them.
"""

import sys
from collections.abc import Sequence
from statistics import median

from bench.stdio.harness import Harness, Phase, Row, RowFailedError, RunResult
from bench.stdio.rows import DIRECT, FLOOR
from msgspec import Struct


class Figures(Struct, frozen=True):
    """Medians over the rounds of one row in one phase. µs, calls/s, kB. None: no base for a ratio."""

    p50: float
    p99: float
    calls_per_s: float
    cpu: float
    pss_kb: float
    added: float | None
    added_to_floor: float | None
    cpu_to_floor: float | None
    throughput_to_floor: float | None
    cpu_least: float
    cpu_most: float


class Placement(Struct):
    """All rounds on one set of cores. A row that failed in any round is in `failed` and nowhere else."""

    cpus: str
    phases: list[Phase]
    runs: dict[str, list[RunResult]]
    failed: dict[str, str]

    def figures(self, name: str, phase: int) -> Figures:
        """The row's figures in the phase of that index."""
        own = [run.phases[phase] for run in self.runs[name]]
        direct = [run.phases[phase] for run in self.runs.get(DIRECT, [])]
        floor = [run.phases[phase] for run in self.runs.get(FLOOR, [])]
        added = [o.p50_us - d.p50_us for o, d in zip(own, direct, strict=False)]
        floor_added = [f.p50_us - d.p50_us for f, d in zip(floor, direct, strict=False)]
        return Figures(
            p50=median(o.p50_us for o in own),
            p99=median(o.p99_us for o in own),
            calls_per_s=median(o.calls_per_s for o in own),
            cpu=median(o.cpu_us for o in own),
            pss_kb=median(o.pss_kb for o in own),
            added=median(added) if added else None,
            added_to_floor=_ratio(added, floor_added),
            cpu_to_floor=_ratio([o.cpu_us for o in own], [f.cpu_us for f in floor]),
            throughput_to_floor=_ratio([o.calls_per_s for o in own], [f.calls_per_s for f in floor]),
            cpu_least=min(o.cpu_us for o in own),
            cpu_most=max(o.cpu_us for o in own),
        )


class Launches(Struct):
    """Milliseconds from the start of each row's process to its answer to `tools/list`."""

    cpus: str
    ready_ms: dict[str, list[float]]

    def over_direct(self, name: str) -> float | None:
        """Median of the differences to the direct launch of the same round."""
        pairs = zip(self.ready_ms[name], self.ready_ms.get(DIRECT, []), strict=False)
        return median(own - direct for own, direct in pairs) if self.ready_ms.get(DIRECT) else None


def _ratio(own: Sequence[float], base: Sequence[float]) -> float | None:
    ratios = [o / b for o, b in zip(own, base, strict=False) if b > 0]
    return median(ratios) if ratios else None


def probe(harness: Harness, rows: Sequence[Row], cpus: str) -> tuple[list[Row], dict[str, str]]:
    """Start each row once, unmeasured: byte code is written, files are in the page cache. Returns what ran,
    and why the rest did not.
    """
    good: list[Row] = []
    failed: dict[str, str] = {}
    for row in rows:
        try:
            harness.run(row, cpus, [Phase(1, 200, 0.2, calls=20)])
            good.append(row)
        except RowFailedError as error:
            failed[row.name] = str(error)
    return good, failed


def measure(
    harness: Harness, rows: Sequence[Row], cpus: str, phases: Sequence[Phase], rounds: int, era: str
) -> Placement:
    """`rounds` interleaved rounds of all rows on the cores `cpus`."""
    placement = Placement(cpus, list(phases), {row.name: [] for row in rows}, {})
    for number in range(rounds):
        print(f"cores {cpus}: round {number + 1} of {rounds}", file=sys.stderr)
        for row in rows:
            if row.name in placement.failed:
                continue
            try:
                placement.runs[row.name].append(harness.run(row, cpus, phases, era))
            except RowFailedError as error:
                placement.failed[row.name] = str(error)
    for name in placement.failed:
        del placement.runs[name]
    return placement


def measure_launches(harness: Harness, rows: Sequence[Row], cpus: str, launches: int, era: str) -> Launches:
    """`launches` interleaved starts of all rows on the cores `cpus`. A row that fails once is left out."""
    result = Launches(cpus, {row.name: [] for row in rows})
    print(f"cores {cpus}: {launches} launches of each row", file=sys.stderr)
    for _ in range(launches):
        for row in rows:
            if row.name in result.ready_ms:
                try:
                    result.ready_ms[row.name].append(harness.run(row, cpus, era=era).ready_ms)
                except RowFailedError:
                    del result.ready_ms[row.name]
    return result
