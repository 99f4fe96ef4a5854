"""Measures what running an agent's Python costs: `python -m bench.runner --help`."""

import argparse
import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from bench.runner import loads, table
from bench.runner.interleave import Measured, Row, measure
from bench.runner.rivals import rival_rows
from bench.runner.starts import FLOOR, pandas_rows, start_rows
from bench.runner.through import through_rows

DEFAULT_CACHE = Path.home() / ".cache" / "callgate-bench"
BUSY = 0.5


def main() -> int:
    """Run the comparison. Tables on stdout, progress on stderr; 0 unless the floor cannot be measured."""
    options = parse()
    if not shutil.which("bwrap"):
        print("needs bwrap: apt-get install bubblewrap", file=sys.stderr)
        return 2
    (options.cache / "work").mkdir(parents=True, exist_ok=True)
    # On a real disk: on tmpfs an fsync costs nothing.
    work = Path(tempfile.mkdtemp(prefix="runner-", dir=options.cache / "work"))
    try:
        return asyncio.run(compare(options, work))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.runner", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean little")
    parser.add_argument("--rivals", action="store_true", help="rivals from PyPI and npm too")
    parser.add_argument(
        "--only", metavar="TEXT", help="of the rows, those whose name contains TEXT, and the floor"
    )
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 40; quick 2)")
    parser.add_argument("--executions", type=int, help="for throughput (default 1000; quick 8; 0: none)")
    parser.add_argument("--callgate", metavar="COMMAND", help="the product (default: this environment's)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="for rivals and scratch; on a disk")
    parser.add_argument("--markdown", action="store_true", help="tables to paste (default: to read here)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every single figure as JSON")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 40)
    if options.executions is None:
        options.executions = 8 if options.quick else 1000
    return options


async def compare(options: argparse.Namespace, work: Path) -> int:
    """All rows in turn, then what is measured by itself, then the tables."""
    began = time.monotonic()
    load = os.getloadavg()[0]
    gate = tuple((options.callgate or f"{sys.executable} -m callgate").split())
    rows, measured = await rounds(options, gate, work)
    if FLOOR not in measured.rounds:
        print(f"not even the floor runs: {measured.failed.get(FLOOR)}", file=sys.stderr)
        return 1
    alone = table.Loads() if options.only else await one_by_one(options, gate, work, measured.failed)

    form = "markdown" if options.markdown else "plain"
    print(f"## bench/runner, {time.strftime('%Y-%m-%d')}\n")
    print(f"{os.cpu_count()} cores, {platform.platform()}, CPython {platform.python_version()};", end=" ")
    print(f"{options.rounds} interleaved rounds; load before: {load:.2f};", end=" ")
    print(f"{time.monotonic() - began:.0f} s in all")
    if load > BUSY:
        print("\n**The machine was busy: compare ratios, not times.**")
    print("\n".join([*table.row_tables(rows, measured, form), *table.load_tables(alone, form)]))
    print("\n### what each row is\n")
    for row in rows:
        print(f"* **{row.name}**: {row.on}")
    for name, why in measured.failed.items():
        print(f"* **{name}**: not measured: {why}")
    if options.out:
        everything = {"options": str(vars(options)), "load": load, "measured": measured, "loads": alone}
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    return 0


async def rounds(
    options: argparse.Namespace, gate: tuple[str, ...], work: Path
) -> tuple[list[Row], Measured]:
    """Open everything, measure the rows that were asked for, close everything."""
    failed: dict[str, str] = {}
    async with AsyncExitStack() as opened:
        rows = await start_rows(opened, failed)
        if not options.quick:
            rows += await pandas_rows(opened, failed, str(options.cache / "packages"))
        rows += await through_rows(opened, failed, gate, work)
        if options.rivals:
            rows += await rival_rows(opened, failed, options.cache / "rivals", work)
        if options.only:
            rows = [row for row in rows if options.only in row.name or row.name in (FLOOR, row.floor)]
        return rows, await measure(rows, options.rounds, failed)


async def one_by_one(
    options: argparse.Namespace, gate: tuple[str, ...], work: Path, failed: dict[str, str]
) -> table.Loads:
    """Throughput, refilling, memory. What fails is told in `failed`."""
    throughput: list[loads.Throughput] = []
    refilling = memory = None
    for concurrency in ((4,) if options.quick else (2, 4, 50)) if options.executions else ():
        print(f"throughput at concurrency {concurrency}", file=sys.stderr)
        try:
            throughput.append(await loads.throughput(gate, work, concurrency, options.executions))
        except Exception as error:
            failed[f"throughput at {concurrency}"] = f"{type(error).__name__}: {error}"
    print("refilling and memory", file=sys.stderr)
    try:
        refilling = await loads.refilling(1 if options.quick else 5, 20)
    except Exception as error:
        failed["refilling"] = f"{type(error).__name__}: {error}"
    try:
        memory = await loads.memory(gate, work, pandas=not options.quick)
    except Exception as error:
        failed["memory"] = f"{type(error).__name__}: {error}"
    return table.Loads(tuple(throughput), refilling, memory)


if __name__ == "__main__":
    sys.exit(main())
