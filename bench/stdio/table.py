"""The tables, as Markdown that can be read in a terminal and pasted into a page."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from bench.stdio.harness import Row
from bench.stdio.rounds import Figures, Launches, Placement

PHASE_HEAD = (
    "row", "p50 µs", "added", "added / relay", "p99 µs", "CPU µs/call", "least…most", "CPU / relay", "PSS MB",
)  # fmt: skip
FLIGHT_HEAD = ("row", "calls/s", "of the relay", "p50 µs", "p99 µs", "CPU µs/call", "PSS MB")


def placement_tables(placement: Placement) -> Iterator[str]:
    """One table for each phase."""
    cores = "one core" if placement.cpus.isdigit() else f"cores {placement.cpus}"
    for index, phase in enumerate(placement.phases):
        frame = max(runs[0].phases[index].frame for runs in placement.runs.values())
        yield f"\n### {cores}, frames of {frame:,} B, {phase.flight} in flight\n"
        figures = {name: placement.figures(name, index) for name in placement.runs}
        if phase.flight == 1:
            yield markdown(PHASE_HEAD, [_latency_line(name, f) for name, f in figures.items()])
        else:
            yield markdown(FLIGHT_HEAD, [_flight_line(name, f) for name, f in figures.items()])


def launch_table(launches: Launches) -> Iterator[str]:
    """From start to the answer to `tools/list`."""
    yield f"\n### launch → first `tools/list`, cores {launches.cpus}\n"
    lines = []
    for name, times in launches.ready_ms.items():
        over = launches.over_direct(name)
        lines.append(
            (name, f"{median(times):,.1f}", _number(over, 1), f"{min(times):,.1f}…{max(times):,.1f}")
        )
    yield markdown(("row", "ms", "over direct", "least…most"), lines)


def legend(rows: Sequence[Row], failed: Mapping[str, str]) -> Iterator[str]:
    """What each row has switched on, and what is missing and why."""
    yield "\n### what is switched on\n"
    for row in rows:
        yield f"* **{row.name}**: {row.on}"
    for name, why in failed.items():
        yield f"* **{name}**: not measured: {why}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """An aligned Markdown table; the first column is text, the others are numbers."""
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]

    def row(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join((first, *rest))} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([row(head), f"|{rule}|", *(row(line) for line in lines)])


def _latency_line(name: str, f: Figures) -> tuple[str, ...]:
    return (
        name,
        _number(f.p50, 1),
        _number(f.added, 1),
        _number(f.added_to_floor, 2),
        _number(f.p99, 1),
        _number(f.cpu, 1),
        f"{f.cpu_least:,.1f}…{f.cpu_most:,.1f}",
        _number(f.cpu_to_floor, 2),
        _number(f.pss_kb / 1024, 1),
    )


def _flight_line(name: str, f: Figures) -> tuple[str, ...]:
    share = "-" if f.throughput_to_floor is None else f"{f.throughput_to_floor:.1%}"
    numbers = (_number(f.p50, 0), _number(f.p99, 0), _number(f.cpu, 2), _number(f.pss_kb / 1024, 1))
    return (name, _number(f.calls_per_s, 0), share, *numbers)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
