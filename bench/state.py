"""What reserve + settle costs, per store and durability, beside a bare dict update and a bare SQLite insert.

    python bench/state.py [DIRECTORY]     # DIRECTORY: where the files go; the disk under it is what is measured

All contenders run in turn, in rounds; printed are the medians of the rounds, in µs of wall time and of CPU.
"""

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from callgate.clock import SystemClock
from callgate.decision import Charge, Limit, Scope, SlidingWindow
from callgate.state.ledger import Ledger, Reserved
from callgate.state.memory import MemoryLedger
from callgate.state.routed import RoutedLedger
from callgate.state.sqlite import SqliteLedger

ROUNDS = 15


def _charges(scope: Scope) -> tuple[Charge, ...]:
    of = Limit(id="calls", max=10**9, window=SlidingWindow(60_000), scope=scope, text="", rule="")
    return (Charge(of, "calls|agent"),)


def _call(ledger: Ledger, scope: Scope) -> Callable[[int], None]:
    charges = _charges(scope)

    def run(times: int) -> None:
        for _ in range(times):
            answer = ledger.reserve(charges)
            assert isinstance(answer, Reserved)
            ledger.settle(answer.id, spent=True)

    return run


def _dict_update() -> Callable[[int], None]:
    counters = {"calls|agent": 0}

    def run(times: int) -> None:
        for _ in range(times):
            counters["calls|agent"] = counters.get("calls|agent", 0) + 1

    return run


def _bare_insert(path: str, synchronous: str) -> Callable[[int], None]:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("CREATE TABLE spent (id INTEGER PRIMARY KEY, at INTEGER)")

    def run(times: int) -> None:
        for at in range(times):
            db.execute("INSERT INTO spent (at) VALUES (?)", (at,))

    return run


def main() -> None:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        full = SqliteLedger(f"{directory}/full.db", clock)
        normal = SqliteLedger(f"{directory}/normal.db", clock, synchronous="NORMAL")
        routed = RoutedLedger(MemoryLedger(clock), lambda: full)
        contenders: dict[str, tuple[int, str, Callable[[int], None]]] = {
            "dict update": (20_000, "", _dict_update()),
            "memory": (20_000, "dict update", _call(MemoryLedger(clock), "session")),
            "routed, session": (20_000, "dict update", _call(routed, "session")),
            "bare insert, NORMAL": (200, "", _bare_insert(f"{directory}/bare-normal.db", "NORMAL")),
            "sqlite, NORMAL": (200, "bare insert, NORMAL", _call(normal, "global")),
            "bare insert, FULL": (100, "", _bare_insert(f"{directory}/bare-full.db", "FULL")),
            "sqlite, FULL": (100, "bare insert, FULL", _call(full, "global")),
        }
        wall: dict[str, list[float]] = {name: [] for name in contenders}
        cpu: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, (times, _base, run) in contenders.items():
                began, began_cpu = time.perf_counter(), time.process_time()
                run(times)
                wall[name].append((time.perf_counter() - began) / times * 1e6)
                cpu[name].append((time.process_time() - began_cpu) / times * 1e6)
        print(f"{'one call (reserve + settle)':28} {'wall us':>9} {'cpu us':>9} {'ratio':>7}  of")
        for name, (_times, base, _run) in contenders.items():
            median = statistics.median(wall[name])
            ratio = f"{median / statistics.median(wall[base]):7.1f}  {base}" if base else ""
            print(f"{name:28} {median:9.2f} {statistics.median(cpu[name]):9.2f} {ratio}")
        full.close()
        normal.close()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")


if __name__ == "__main__":
    main()
