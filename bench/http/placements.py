"""What runs on which cores, in which order: the rows are interleaved (A B C A B C …), so that what else the machine
does falls on all of them, and then summed up.

Ratios are made within a round and only then reduced to their median: two rows are compared only with what ran
beside them. What is slower by orders of magnitude runs in the first rounds only.
"""

import sys
from collections.abc import Callable, Sequence
from statistics import median

from bench.http.harness import Cores, Harness, Phase, PhaseResult, Row, RowFailedError, RunResult
from bench.http.rows import FLOOR, GATE
from msgspec import Struct

ONE_CORE = Cores("0", "0")
APART = Cores("0", "1")
TWO_CORES = Cores("0,1", "0,1")
FLIGHTS = (1, 16, 64)
SIZES = (200, 10_000, 1_000_000)
SESSIONS = (1, 100, 1_000, 10_000)
RIVAL_ROUNDS = 2


class Figures(Struct, frozen=True):
    """Medians over the rounds of one row in one phase. µs, calls/s, kB. None: no base for a ratio."""

    p50: float
    p99: float
    calls_per_s: float
    cpu: float
    beside: float
    pss_kb: float
    cpu_to_floor: float | None


class Placement(Struct):
    """All rounds on one set of cores. A row that failed in any round is in `failed` and nowhere else.

    A row has results for those phases that it is put through; phases are known by flight and size.
    """

    cores: Cores
    phases: list[Phase]
    runs: dict[str, list[RunResult]]
    failed: dict[str, str]

    def figures(self, name: str, flight: int, size: int) -> Figures | None:
        """The row's figures; None if it was not put through that phase."""
        own = [_phase(run, flight, size) for run in self.runs[name]]
        results = [one for one in own if one is not None]
        if not results:
            return None
        floor = [_phase(run, flight, size) for run in self.runs.get(FLOOR, [])]
        pairs = [(o, f) for o, f in zip(own, floor, strict=False) if o is not None and f is not None]
        return Figures(
            p50=median(one.p50_us for one in results),
            p99=median(one.p99_us for one in results),
            calls_per_s=median(one.calls_per_s for one in results),
            cpu=median(one.cpu_us for one in results),
            beside=median(one.beside_cpu_us for one in results),
            pss_kb=median(one.pss_kb for one in results),
            cpu_to_floor=_ratio(pairs, lambda one: one.cpu_us),
        )

    def ready_ms(self, name: str) -> float:
        """Median of the time from the start of the process to its answer to `tools/list`."""
        return median(run.ready_ms for run in self.runs[name])


class Sessions(Struct):
    """The gate with more and more sessions of the handshake eras: what a call costs, and what memory there is."""

    counts: list[int]
    runs: dict[int, list[RunResult]]
    failed: dict[str, str]

    def figures(self, count: int) -> tuple[float, float, float]:
        """p50 and CPU of a call in µs, and PSS in kB: medians."""
        results = [run.phases[0] for run in self.runs[count]]
        return (
            median(one.p50_us for one in results),
            median(one.cpu_us for one in results),
            median(one.pss_kb for one in results),
        )


def _phase(run: RunResult, flight: int, size: int) -> PhaseResult | None:
    return next((one for one in run.phases if (one.flight, one.bytes) == (flight, size)), None)


def _ratio(
    pairs: Sequence[tuple[PhaseResult, PhaseResult]], value: Callable[[PhaseResult], float]
) -> float | None:
    ratios = [value(own) / value(base) for own, base in pairs if value(base) > 0]
    return median(ratios) if ratios else None


def probe(harness: Harness, rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    """Start each row once, unmeasured: byte code is written, files are in the page cache. Returns what ran,
    and why the rest did not.
    """
    good: list[Row] = []
    failed: dict[str, str] = {}
    for row in rows:
        try:
            harness.run(row, TWO_CORES if row.workers > 1 else ONE_CORE, [Phase(1, 200, 0.2, calls=20)])
            good.append(row)
        except RowFailedError as error:
            failed[row.name] = str(error)
    return good, failed


def measure(
    harness: Harness, rows: Sequence[Row], cores: Cores, phases: Sequence[Phase], rounds: int
) -> Placement:
    """`rounds` interleaved rounds of `rows` on `cores`."""
    placement = Placement(cores, list(phases), {row.name: [] for row in rows}, {})
    for number in range(rounds):
        print(f"{cores}: round {number + 1} of {rounds}", file=sys.stderr)
        for row in rows:
            if row.name in placement.failed or (row.rival and number >= RIVAL_ROUNDS):
                continue
            own = [
                phase for phase in phases if not row.light or phase.flight == 1 or phase.frame_bytes == 200
            ]
            try:
                placement.runs[row.name].append(harness.run(row, cores, own))
            except RowFailedError as error:
                placement.failed[row.name] = str(error)
    for name in placement.failed:
        del placement.runs[name]
    return placement


def measure_all(
    harness: Harness, rows: Sequence[Row], rounds: int, seconds: float, *, quick: bool
) -> list[Placement]:
    """Everything on one core; the gate on a core of its own; two workers beside one."""
    one = [row for row in rows if row.workers == 1]
    busy = [Phase(64, 200, seconds)]
    if quick:
        return [
            measure(harness, one, ONE_CORE, [Phase(1, 200, seconds), Phase(16, 10_000, seconds)], rounds),
            measure(harness, [row for row in rows if row.workers > 1], TWO_CORES, busy, rounds),
        ]
    phases = [Phase(flight, size, seconds) for size in SIZES for flight in FLIGHTS]
    twins = {row.name.removesuffix(", 2 workers") for row in rows if row.workers > 1}
    pairs = [row for row in rows if row.workers > 1 or row.name in twins]
    return [
        measure(harness, one, ONE_CORE, phases, rounds),
        measure(harness, one, APART, busy, rounds),
        measure(harness, pairs, TWO_CORES, busy, rounds),
    ]


def measure_sessions(
    harness: Harness, rows: Sequence[Row], counts: Sequence[int], rounds: int, seconds: float
) -> Sessions:
    """`rounds` interleaved rounds of the gate with each number of sessions, all of them in use."""
    sessions = Sessions(list(counts), {count: [] for count in counts}, {})
    gate = next((row for row in rows if row.name == GATE), None)
    for number in range(rounds if gate is not None else 0):
        print(f"sessions: round {number + 1} of {rounds}", file=sys.stderr)
        for count in counts:
            try:
                result = harness.run(gate, ONE_CORE, [Phase(16, 200, seconds)], sessions=count)  # type: ignore[arg-type]
                sessions.runs[count].append(result)
            except RowFailedError as error:
                sessions.failed[f"{GATE}, {count} sessions"] = str(error)
    sessions.counts = [count for count in counts if sessions.runs[count]]
    return sessions
