"""Many processes on one file admit exactly `max` together, also when some are killed in the middle."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from state_stores import charge, limit, refused

from callgate.clock import SystemClock
from callgate.decision import SlidingWindow
from callgate.state.sqlite import SqliteLedger

MAX = 240
HOURS = SlidingWindow(6 * 3_600_000)

# Writes one byte to the pipe for every admitted call, after the store said so; ends when refused.
WORKER = """
import os, sys
from callgate.clock import SystemClock
from callgate.decision import Charge, Limit, SlidingWindow
from callgate.errors import StateError
from callgate.state.ledger import Refused
from callgate.state.sqlite import SqliteLedger
path, maximum, window, pipe, refunds = sys.argv[1], *map(int, sys.argv[2:6])
of = Limit(id="calls", max=maximum, window=SlidingWindow(window), scope="global", text="", rule="")
ledger = SqliteLedger(path, SystemClock(), synchronous="NORMAL")
turn = 0
while True:
    try:
        answer = ledger.reserve([Charge(of, "calls|")])
        if isinstance(answer, Refused):
            break
        turn += 1
        if refunds and turn % 3 == 0:
            ledger.settle(answer.id, spent=False)
            continue
        os.write(pipe, b"x")
        ledger.settle(answer.id, spent=True)
    except StateError as error:
        if error.code != "STA009":
            raise
"""


def _start(path: Path, pipe: int, *, refunds: bool) -> subprocess.Popen[bytes]:
    arguments = [str(path), str(MAX), str(HOURS.milliseconds), str(pipe), str(int(refunds))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], pass_fds=[pipe], env=environment)


def _count_all(pipe: int) -> int:
    count = 0
    while chunk := os.read(pipe, 4096):
        count += len(chunk)
    return count


def test_eight_processes_admit_exactly_max(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    workers = [_start(tmp_path / "state.db", writing, refunds=index % 2 == 0) for index in range(8)]
    os.close(writing)
    assert _count_all(reading) == MAX
    assert [worker.wait() for worker in workers] == [0] * 8
    os.close(reading)


def test_killing_processes_midway_lets_no_more_than_max_through_and_corrupts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    reading, writing = os.pipe()
    workers = [_start(path, writing, refunds=False) for _ in range(8)]
    os.close(writing)
    seen = 0
    for victim in workers[:4]:
        for _ in range(25):
            seen += len(os.read(reading, 1))
        victim.send_signal(signal.SIGKILL)
    seen += _count_all(reading)
    os.close(reading)
    statuses = [worker.wait() for worker in workers]
    assert statuses[4:] == [0] * 4
    # A victim may have been killed between its reservation and its byte: spent, never let through.
    assert MAX - 4 <= seen <= MAX
    ledger = SqliteLedger(str(path), SystemClock())
    assert ledger.used("calls|", HOURS)[0] == MAX
    assert refused(ledger, charge(limit(MAX, HOURS))).used == MAX
    ledger.close()


def test_a_reservation_of_a_dead_process_can_be_given_back_by_its_id(tmp_path: Path) -> None:
    path, calls = str(tmp_path / "state.db"), limit(1, HOURS)
    script = WORKER.split("turn = 0")[0] + "print(ledger.reserve([Charge(of, 'calls|')]).id)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    name = subprocess.run(
        [sys.executable, "-c", script, path, "1", str(HOURS.milliseconds), "1", "0"],
        capture_output=True,
        check=True,
        text=True,
        env=environment,
    ).stdout.strip()
    ledger = SqliteLedger(path, SystemClock())
    refused(ledger, charge(calls))
    ledger.settle(name, spent=False)
    assert ledger.used("calls|", HOURS) == (0, 0.0)
    ledger.close()
