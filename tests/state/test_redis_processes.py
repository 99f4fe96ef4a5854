"""Many processes on one Redis admit exactly `max` together, also when some are killed in the middle."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from redis_servers import prefix_of, shared_server
from state_stores import charge, limit, refused

from callgate.clock import SystemClock
from callgate.decision import SlidingWindow
from callgate.state.redis import RedisLedger

MAX = 240
HOURS = SlidingWindow(6 * 3_600_000)

# Writes one byte to the pipe for every admitted call, after the store said so; ends when refused.
WORKER = """
import os, sys
from callgate.clock import SystemClock
from callgate.decision import Charge, Limit, SlidingWindow
from callgate.state.ledger import Refused, Reserved
from callgate.state.redis import RedisLedger
url, maximum, window, pipe, refunds, batch = sys.argv[1], *map(int, sys.argv[2:7])
of = Limit(id="calls", max=maximum, window=SlidingWindow(window), scope="global", text="", rule="")
ledger = RedisLedger(url, SystemClock())
turn, going = 0, True
while going:
    for answer in ledger.reserve_many([([Charge(of, "calls|")], ())] * batch):
        if isinstance(answer, Refused):
            going = False
            continue
        if not isinstance(answer, Reserved):
            raise answer
        turn += 1
        if refunds and turn % 3 == 0:
            ledger.settle(answer.id, spent=False)
            going = True
            continue
        os.write(pipe, b"x")
        ledger.settle(answer.id, spent=True)
ledger.close()
"""


def _start(url: str, pipe: int, *, refunds: bool, batch: int = 1) -> subprocess.Popen[bytes]:
    arguments = [url, str(MAX), str(HOURS.milliseconds), str(pipe), str(int(refunds)), str(batch)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], pass_fds=[pipe], env=environment)


def _count_all(pipe: int) -> int:
    count = 0
    while chunk := os.read(pipe, 4096):
        count += len(chunk)
    return count


def _url(tmp_path: Path) -> str:
    return shared_server().url(f"prefix={prefix_of(str(tmp_path))}")


def test_ten_processes_admit_exactly_max(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    workers = [
        _start(_url(tmp_path), writing, refunds=index % 2 == 0, batch=1 + index % 3) for index in range(10)
    ]
    os.close(writing)
    assert _count_all(reading) == MAX
    assert [worker.wait() for worker in workers] == [0] * 10
    os.close(reading)


def test_killing_processes_midway_lets_no_more_than_max_through(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    workers = [_start(_url(tmp_path), writing, refunds=False) for _ in range(8)]
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
    ledger = RedisLedger(_url(tmp_path), SystemClock())
    assert ledger.used("calls|", HOURS)[0] == MAX
    assert refused(ledger, charge(limit(MAX, HOURS))).used == MAX
    ledger.close()
