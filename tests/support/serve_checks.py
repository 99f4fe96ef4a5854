"""What must hold whatever has happened to a gate: nothing leaked, the audit whole, every started call with its end."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

PATIENCE_SECONDS = 30.0


class Footprint(Struct, frozen=True):
    """What a process has: open descriptors by kind, processes below it (zombies too), memory of its own in bytes."""

    fds: Counter[str]
    processes: int
    memory: int


def footprint(pid: int) -> Footprint:
    """What the process has now."""
    kinds: Counter[str] = Counter()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            kinds[os.readlink(entry.path).partition(":")[0].rpartition("/")[2]] += 1
        except OSError:
            continue
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    memory = int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return Footprint(kinds, len(descendants(pid)), memory)


def baseline(pid: int, port: int) -> Footprint:
    """What a gate has that serves already, with no connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        while client.recv(4096):
            continue
    return footprint(pid)


def descendants(pid: int) -> list[int]:
    """Every process below this one."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for path in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                below = [int(one) for one in path.read_text().split()]
            except OSError:
                continue
            found += below
            waiting += below
    return found


def settles_to(pid: int, before: Footprint, *, memory: int = 8 << 20) -> None:
    """Wait until the process has no more than `before`: not a descriptor, not a process; memory within a bound.

    Idle connections to servers end after a few seconds. It blocks: not for a thread whose loop has things to close.
    """
    wait_until(lambda: _within(footprint(pid), before), lambda: f"{footprint(pid)} after {before}")
    grown = footprint(pid).memory - before.memory
    assert grown <= memory, f"{grown} bytes more than before"


def _within(now: Footprint, before: Footprint) -> bool:
    return not now.fds - before.fds and now.processes <= before.processes


def wait_until(condition: Callable[[], bool], what: Callable[[], str] | str) -> None:
    """Look at another process until it has come about; fails if it does not."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what if isinstance(what, str) else what()
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def records(audit: Path, kind: str) -> list[dict[str, Any]]:
    """The records of one kind."""
    entries = (json.loads(line) for line in audit.read_bytes().split(b"\n")[:-1])
    return [entry for entry in entries if entry["kind"] == kind]


def verified(audit: Path) -> bool:
    """Whether `callgate audit verify` finds nothing."""
    command = [sys.executable, "-m", "callgate", "audit", "verify", str(audit)]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done.returncode == 0


def outcomes(audit: Path) -> Counter[str]:
    """How often calls that were let through ended in each way; `(none)` for those of which nothing is recorded."""
    ends: dict[str, list[str]] = {}
    for record in records(audit, "outcome"):
        ends.setdefault(record["id"], []).append(record["status"])
    decisions = [record for record in records(audit, "decision") if record["effect"] == "allow"]
    assert len({decision["id"] for decision in decisions}) == len(decisions), "an id stands for two calls"
    assert all(len(found) == 1 for found in ends.values()), "a call has two outcomes"
    return Counter(ends.get(decision["id"], ["(none)"])[0] for decision in decisions)


def every_call_is_recorded(audit: Path, executed: int, *, unfinished: int | None = 0) -> Counter[str]:
    """The audit is intact, knows as many calls as a server `executed` at least, and how all but `unfinished` ended.

    None: as many as may be, for a gate that was killed.
    """
    assert verified(audit)
    found = outcomes(audit)
    assert unfinished is None or found["(none)"] == unfinished, found
    assert found.total() - found["not_forwarded"] >= executed, found
    return found
