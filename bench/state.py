"""What reserve + settle costs, per store and durability, beside a bare dict update and a bare SQLite insert.

    python bench/state.py [DIRECTORY]     # DIRECTORY: where the files go; the disk under it is what is measured

All contenders run in turn, in rounds; printed are the medians of the rounds, in µs of wall time and of CPU. Redis is
one that is started here, on a Unix socket, with its journal on (`appendonly`, written before each answer, synced
once a second) or off; its own CPU is beside the gate's.
"""

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from callgate.clock import SystemClock
from callgate.decision import Charge, Limit, Scope, SlidingWindow
from callgate.state.ledger import Ledger, Reserved
from callgate.state.memory import MemoryLedger
from callgate.state.redis import RedisLedger
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


class Redis:
    """A redis-server of its own in `directory`."""

    def __init__(self, directory: str, appendonly: str) -> None:
        os.mkdir(directory)
        self.socket = f"{directory}/s"
        command = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            self.socket,
            "--dir",
            directory,
            "--save",
            "",
        ]
        command += ["--appendonly", appendonly, "--logfile", f"{directory}/log"]
        self.process = subprocess.Popen(command)
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def cpu_us(self) -> float:
        """What the server has used so far."""
        with open(f"/proc/{self.process.pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1000

    def ledger(self) -> RedisLedger:
        return RedisLedger(f"unix://{self.socket}?timeout=5", SystemClock())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def _ping(ledger: RedisLedger) -> Callable[[int], None]:
    ping = b"*1\r\n$4\r\nPING\r\n"
    link = ledger._script.link

    def run(times: int) -> None:
        for _ in range(times):
            link.exchange([ping])

    return run


def _batches(ledger: RedisLedger, size: int) -> Callable[[int], None]:
    batch = [(_charges("global"), ())] * size

    def run(times: int) -> None:
        for _ in range(times // size):
            answers = ledger.reserve_many(batch)
            ledger.settle_many([(answer.id, True) for answer in answers if isinstance(answer, Reserved)])

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
        servers: dict[str, Redis] = {}
        ledgers: list[RedisLedger] = []
        for title, appendonly in (
            (("redis", "no"), ("redis, journal", "yes")) if shutil.which("redis-server") else ()
        ):
            server = Redis(f"{directory}/{appendonly}", appendonly)
            ledgers.append(server.ledger())
            rows: dict[str, tuple[int, str, Callable[[int], None]]] = {
                f"{title}: bare PING": (200, "", _ping(ledgers[-1])),
                f"{title}": (200, f"{title}: bare PING", _call(ledgers[-1], "global")),
                f"{title}, 16 at once": (480, f"{title}: bare PING", _batches(ledgers[-1], 16)),
                f"{title}, 64 at once": (640, f"{title}: bare PING", _batches(ledgers[-1], 64)),
            }
            contenders |= rows
            servers |= dict.fromkeys(rows, server)
        of_server: dict[str, list[float]] = {name: [] for name in contenders}
        wall: dict[str, list[float]] = {name: [] for name in contenders}
        cpu: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(ROUNDS):
            for name, (times, _base, run) in contenders.items():
                began_there = servers[name].cpu_us() if name in servers else 0.0
                began, began_cpu = time.perf_counter(), time.process_time()
                run(times)
                wall[name].append((time.perf_counter() - began) / times * 1e6)
                cpu[name].append((time.process_time() - began_cpu) / times * 1e6)
                if name in servers:
                    of_server[name].append((servers[name].cpu_us() - began_there) / times)
        print(
            f"{'one call (reserve + settle)':28} {'wall us':>9} {'cpu us':>9} {'server':>9} {'ratio':>7}  of"
        )
        for name, (_times, base, _run) in contenders.items():
            median = statistics.median(wall[name])
            ratio = f"{median / statistics.median(wall[base]):7.1f}  {base}" if base else ""
            there = f"{statistics.median(of_server[name]):9.2f}" if of_server[name] else " " * 9
            print(f"{name:28} {median:9.2f} {statistics.median(cpu[name]):9.2f} {there} {ratio}")
        for ledger in ledgers:
            ledger.close()
        for server in set(servers.values()):
            server.end()
        full.close()
        normal.close()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")


if __name__ == "__main__":
    main()
