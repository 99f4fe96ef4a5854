"""The tables, as Markdown to paste into a page or aligned for a terminal."""

from collections.abc import Iterator, Sequence

from bench.http.table import TABLES
from bench.runner.interleave import Measured, Row
from bench.runner.loads import Memory, Refilling, Throughput
from bench.runner.through import GATE, INNER, INNER_FULL, INNER_NORMAL
from msgspec import Struct

__all__ = ["TABLES", "Loads", "load_tables", "row_tables"]


class Loads(Struct, frozen=True):
    """What was measured by itself; None: it was not."""

    throughput: tuple[Throughput, ...] = ()
    refilling: Refilling | None = None
    memory: Memory | None = None


def row_tables(rows: Sequence[Row], measured: Measured, form: str) -> Iterator[str]:
    """One table for each kind of row, and what inner calls add to the gate."""
    write = TABLES[form]
    for table in dict.fromkeys(row.table for row in rows):
        chosen = [row for row in rows if row.table == table and row.name in measured.rounds]
        if not chosen:
            continue
        lines = []
        for row in chosen:
            found = measured.figures(row)
            ratio = "-" if found.ratio is None else f"{found.ratio:.2f}"
            lines.append((row.name, f"{found.p50:,.2f}", f"{found.p99:,.2f}", ratio, str(found.count)))
        yield f"\n### {table}\n"
        yield write(("row", "p50 ms", "p99 ms", f"/ {chosen[0].floor}", "measured"), lines)
        if table == INNER:
            for name in (INNER_FULL, INNER_NORMAL):
                added = measured.added(name, GATE)
                if added is not None:
                    yield f"\n{name}: {added:+.2f} ms beside the gate alone"


def load_tables(loads: Loads, form: str) -> Iterator[str]:
    """What was measured by itself."""
    write = TABLES[form]
    if loads.throughput:
        yield "\n### throughput of print(1), submitted all at once\n"
        lines = [
            (
                f"{one.count:,} at concurrency {one.concurrency}",
                f"{one.per_second:,.1f}",
                f"{one.bare:,.1f}",
                f"{one.per_second / one.bare:.2f}",
                f"{one.submits_per_second:,.0f}",
            )
            for one in loads.throughput
        ]
        yield write(("row", "executions/s", "python -I -S /s", "ratio", "submits/s meanwhile"), lines)
    if (refilling := loads.refilling) is not None:
        yield f"\n### a script of one busy thread, beside up to {refilling.starts} starts one after the other\n"
        beside = [
            (name, f"{seconds * 1e3:,.0f}", f"{seconds / refilling.alone:.2f}")
            for name, seconds in (
                ("alone", refilling.alone),
                ("beside bare python -I -S", refilling.beside_bare),
                ("beside pooled starts and their refilling", refilling.beside_pool),
            )
        ]
        yield write(("row", "ms", "/ alone"), beside)
    if (memory := loads.memory) is not None:
        yield "\n### memory, PSS\n"
        rows = [
            (f"the runner, waiting ({memory.processes} processes)", memory.runner),
            ("one sandbox, waiting", memory.sandbox),
            ("one sandbox that has imported pandas", memory.pandas),
        ]
        yield write(("row", "MB"), [(name, f"{kb / 1024:,.1f}") for name, kb in rows if kb])
