"""Measures what a call over stdio costs: `python -m bench.stdio --help`."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from bench.stdio import rivals, rounds, rows, table
from bench.stdio.harness import Harness, Phase, Row

DEFAULT_CACHE = Path.home() / ".cache" / "callgate-bench"
BUSY = 0.5


def main() -> int:
    """Run the comparison. Tables on stdout, progress on stderr; 0 unless the floor cannot be measured."""
    options = parse()
    if missing := [tool for tool in ("cc", "taskset") if not shutil.which(tool)]:
        print(f"needs {' and '.join(missing)}: apt-get install gcc libc6-dev util-linux", file=sys.stderr)
        return 2
    harness = Harness(options.cache / "work")
    try:
        return compare(harness, options)
    finally:
        harness.close()


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.stdio", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean little")
    parser.add_argument("--rivals", nargs="*", metavar="PACKAGE", help="rivals from PyPI too (default: all)")
    parser.add_argument("--only", metavar="TEXT", help="of the gate's rows, those whose name contains TEXT")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 7; quick 2)")
    parser.add_argument("--seconds", type=float, help="length of a phase (default 1; quick 0.25)")
    parser.add_argument("--launches", type=int, help="starts of each row (default 15; quick 3)")
    parser.add_argument("--era", choices=("legacy", "modern"), default="legacy", help="whose frames")
    parser.add_argument("--cores", nargs="+", help="placements (default: 0 0,1; quick 0)")
    parser.add_argument("--callgate", metavar="COMMAND", help="the gate (default: this checkout)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="for rivals and scratch; on a disk")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every single figure as JSON")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 7)
    options.seconds = options.seconds or (0.25 if options.quick else 1.0)
    options.cores = options.cores or (["0"] if options.quick else ["0", "0,1"])
    options.launches = options.launches or (3 if options.quick else 15)
    return options


def compare(harness: Harness, options: argparse.Namespace) -> int:
    """All placements and the launches, then the tables."""
    chosen, failed = collect(harness, options)
    chosen, not_started = rounds.probe(harness, chosen, options.cores[-1])
    failed |= not_started
    if rows.DIRECT in failed or rows.FLOOR in failed:
        print(f"the floor does not run: {failed}", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    phases = [Phase(flight, size, options.seconds) for size in (200, 10_000) for flight in (1, 64)]
    placements = [
        rounds.measure(harness, chosen, cpus, phases, options.rounds, options.era) for cpus in options.cores
    ]
    launches = rounds.measure_launches(harness, chosen, options.cores[-1], options.launches, options.era)
    for placement in placements:
        failed |= placement.failed

    print(f"## bench/stdio, {time.strftime('%Y-%m-%d')}, {options.era} era\n")
    print(f"{os.cpu_count()} cores, {platform.platform()}, CPython {platform.python_version()};", end=" ")
    print(f"{options.rounds} interleaved rounds, phases of {options.seconds} s; load before: {load:.2f}")
    if load > BUSY:
        print("**The machine was busy: compare ratios and CPU, not times.**")
    for placement in placements:
        print("\n".join(table.placement_tables(placement)))
    print("\n".join([*table.launch_table(launches), *table.legend(chosen, failed)]))
    for note in record_notes(placements, chosen):
        print(note)
    if options.out:
        everything = {"options": str(vars(options)), "load": load, "failed": failed}
        everything |= {"placements": placements, "launches": launches, "rows": chosen}
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    return 0


def collect(harness: Harness, options: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """The rows that were asked for, and for what is missing, why."""
    chosen, failed = rows.floor_rows(harness), {}
    if not shutil.which("socat"):
        failed["socat"] = "not installed (apt-get install socat)"
    try:
        gate = rows.gate_rows(harness, rows.gate_command(options.callgate, options.cache / "gate"))
        chosen += [row for row in gate if options.only is None or options.only in row.name]
    except subprocess.CalledProcessError as error:
        failed[rows.GATE] = f"not installed: {error}"
    if options.rivals is not None:
        only = frozenset(options.rivals) or None
        more, not_installed = rivals.rival_rows(harness, options.cache / "rivals", only)
        chosen += more
        failed |= not_installed
    return chosen, failed


def record_notes(placements: list[rounds.Placement], chosen: list[Row]) -> list[str]:
    """Whether audits really recorded every call, and how many calls were refused."""
    notes = []
    for row in chosen:
        runs = [run for placement in placements for run in placement.runs.get(row.name, [])]
        asked = sum(run.asked for run in runs)
        if row.records and asked:
            lines = sum(run.records or 0 for run in runs)
            notes.append(f"* {row.name}: {lines / asked:.2f} audit records for each call")
        if refused := sum(run.refused for run in runs):
            notes.append(f"* {row.name}: refused {refused} of {asked} calls that its settings allow")
    return notes


if __name__ == "__main__":
    sys.exit(main())
