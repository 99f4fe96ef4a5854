"""The tables, as Markdown to paste into a page or aligned for a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from bench.http.harness import Row
from bench.http.placements import Figures, Placement, Sessions
from bench.stdio.table import markdown

HEAD = (
    "row", "p50 µs", "p99 µs", "CPU µs/request", "CPU / nginx", "requests/s", "per core", "PSS MB",
    "ready ms",
)  # fmt: skip
Lines = Sequence[Sequence[str]]


def placement_tables(placement: Placement, write: Callable[[Sequence[str], Lines], str]) -> Iterator[str]:
    """One table for each size of frame: a column for each figure, in it one number for each number in flight."""
    for size in dict.fromkeys(phase.frame_bytes for phase in placement.phases):
        flights = [phase.flight for phase in placement.phases if phase.frame_bytes == size]
        frames = [
            one.frame for runs in placement.runs.values() for one in runs[0].phases if one.bytes == size
        ]
        which = " / ".join(map(str, flights))
        yield f"\n### {placement.cores}, frames of {max(frames, default=0):,} B, {which} in flight\n"
        lines = []
        for name in placement.runs:
            found = [placement.figures(name, flight, size) for flight in flights]
            lines.append((name, *_cells(found), _number(placement.ready_ms(name), 0)))
        yield write(HEAD, lines)


def _cells(found: Sequence[Figures | None]) -> Iterator[str]:
    last = next((one for one in reversed(found) if one is not None), None)
    yield _each(found, lambda one: _number(one.p50, 0))
    yield _each(found, lambda one: _number(one.p99, 0))
    yield _each(found, lambda one: _number(one.cpu or None, 0 if one.cpu >= 100 else 1))
    yield _each(
        found, lambda one: _number(one.cpu_to_floor or None, 2 if (one.cpu_to_floor or 0) < 100 else 0)
    )
    yield _each(found, lambda one: _number(one.calls_per_s, 0))
    yield "-" if last is None or not last.cpu else _number(1e6 / last.cpu, 0)
    yield "-" if last is None else _number(last.pss_kb / 1024, 1)


def session_table(sessions: Sessions, write: Callable[[Sequence[str], Lines], str]) -> Iterator[str]:
    """The gate with ever more sessions."""
    yield "\n### the gate with sessions of the handshake eras, one core, 16 in flight, every session in use\n"
    lines = []
    base = sessions.figures(sessions.counts[0]) if sessions.counts else (0.0, 0.0, 0.0)
    for count in sessions.counts:
        p50, cpu, pss = sessions.figures(count)
        more = count - sessions.counts[0]
        each = "-" if not more else _number((pss - base[2]) / more, 2)
        lines.append(
            (
                f"{count:,}",
                _number(p50, 0),
                _number(cpu, 1),
                f"{cpu / base[1]:.2f}",
                _number(pss / 1024, 1),
                each,
            )
        )
    head = ("sessions", "p50 µs", "CPU µs/request", "CPU / one session", "PSS MB", "kB for each further one")
    yield write(head, lines)


def legend(rows: Sequence[Row], failed: Mapping[str, str]) -> Iterator[str]:
    """What each row has switched on, and what is missing and why."""
    yield "\n### what is switched on\n"
    for row in rows:
        yield f"* **{row.name}**: {row.on}"
    for name, why in failed.items():
        yield f"* **{name}**: not measured: {why}"


def notes(placements: Sequence[Placement], rows: Sequence[Row]) -> Iterator[str]:
    """Whether audits really recorded every call, whether connections stayed open, and what stores took."""
    for row in rows:
        runs = [run for placement in placements for run in placement.runs.get(row.name, [])]
        asked = sum(run.asked for run in runs)
        if row.records and asked:
            lines = sum(run.records or 0 for run in runs)
            yield f"* {row.name}: {lines / asked:.2f} audit records for each call"
        if again := sum(run.reconnects for run in runs):
            yield f"* {row.name}: {again} of {asked} calls needed another connection"
        if row.redis and runs:
            taken = [one.beside_cpu_us * one.calls for run in runs for one in run.phases]
            calls = sum(one.calls for run in runs for one in run.phases)
            yield f"* {row.name}: {sum(taken) / calls:.1f} µs of CPU a request in Redis, not in the table"


def plain(head: Sequence[str], lines: Lines) -> str:
    """The table for a terminal."""
    text = markdown(head, lines).replace("|", " ").splitlines()
    return "\n".join(line.rstrip() for line in text)


def _each(found: Sequence[Figures | None], cell: Callable[[Figures], str]) -> str:
    return " / ".join("-" if one is None else cell(one) for one in found)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


TABLES = {"markdown": markdown, "plain": plain}
