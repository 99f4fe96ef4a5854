"""Measures what a call over HTTP costs: `python -m bench.http --help`."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from bench.http import placements, rivals, rows, table
from bench.http.harness import Harness, Row
from bench.stdio.rows import gate_command

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
    parser = argparse.ArgumentParser(prog="python -m bench.http", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean little")
    parser.add_argument("--rivals", nargs="*", metavar="PACKAGE", help="rivals from PyPI and npm too")
    parser.add_argument("--only", metavar="TEXT", help="of the gate's rows, those whose name contains TEXT")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5; quick 1)")
    parser.add_argument("--seconds", type=float, help="length of a phase (default 0.3; quick 0.1)")
    parser.add_argument("--callgate", metavar="COMMAND", help="the gate (default: this checkout)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="for rivals and scratch; on a disk")
    parser.add_argument("--markdown", action="store_true", help="tables to paste (default: to read here)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every single figure as JSON")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.1 if options.quick else 0.3)
    return options


def compare(harness: Harness, options: argparse.Namespace) -> int:
    """All placements and the sessions, then the tables."""
    began = time.monotonic()
    chosen, failed = collect(harness, options)
    if not options.quick:
        chosen, not_started = placements.probe(harness, chosen)
        failed |= not_started
    load = os.getloadavg()[0]
    measured = placements.measure_all(harness, chosen, options.rounds, options.seconds, quick=options.quick)
    counts = (1, 50) if options.quick else placements.SESSIONS
    session_rounds = min(options.rounds, 3)
    sessions = placements.measure_sessions(harness, chosen, counts, session_rounds, options.seconds)
    for placement in measured:
        failed |= placement.failed
    failed |= sessions.failed
    if rows.DIRECT in failed:
        print(f"not even the direct row runs: {failed[rows.DIRECT]}", file=sys.stderr)
        return 1

    write = table.TABLES["markdown" if options.markdown else "plain"]
    print(f"## bench/http, {time.strftime('%Y-%m-%d')}\n")
    print(f"{os.cpu_count()} cores, {platform.platform()}, CPython {platform.python_version()};", end=" ")
    print(
        f"{options.rounds} interleaved rounds, phases of {options.seconds} s; load before: {load:.2f};",
        end=" ",
    )
    print(f"{time.monotonic() - began:.0f} s in all")
    if load > BUSY:
        print("**The machine was busy: compare ratios and CPU, not times.**")
    for placement in measured:
        print("\n".join(table.placement_tables(placement, write)))
    print("\n".join([*table.session_table(sessions, write), *table.legend(chosen, failed)]))
    for note in table.notes(measured, chosen):
        print(note)
    if options.out:
        everything = {"options": str(vars(options)), "load": load, "failed": failed}
        everything |= {"placements": measured, "sessions": sessions, "rows": chosen}
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    return 0


def collect(harness: Harness, options: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """The rows that were asked for, and for what is missing, why."""
    chosen, failed = rows.floor_rows(), {}
    for program, package in (("nginx", "nginx-light"), ("redis-server", "redis-server")):
        if not shutil.which(program):
            failed[program] = f"not installed (apt-get install {package})"
    try:
        gate = rows.gate_rows(harness, gate_command(options.callgate, options.cache / "gate"))
        chosen += [row for row in gate if options.only is None or options.only in row.name]
    except subprocess.CalledProcessError as error:
        failed[rows.GATE] = f"not installed: {error}"
    if options.rivals is not None:
        only = frozenset(options.rivals) or None
        more, not_installed = rivals.rival_rows(harness, options.cache / "rivals", only)
        chosen += more
        failed |= not_installed
    return chosen, failed


if __name__ == "__main__":
    sys.exit(main())
