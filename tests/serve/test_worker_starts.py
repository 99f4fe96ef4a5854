"""Worker processes that do not stay alive: started again for a while, then told of, never silently given up."""

import os
import signal

from callgate.clock import SystemClock
from callgate.config.model import ListenConfig, ServeConfig, ServerConfig
from callgate.errors import CallgateError
from callgate.serve.workers import MAX_FAILED_STARTS, Slot, supervise


def test_workers_that_are_killed_as_soon_as_they_begin_end_the_gate_with_a_reason() -> None:
    told: list[CallgateError] = []
    read, write = os.pipe()

    def work(slot: Slot) -> int:
        os.write(write, f"{slot.number} {slot.ended}\n".encode())
        if slot.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        while True:
            signal.pause()

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        status = supervise(CONFIG, work, told.append, SystemClock())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(write)
    with open(read) as lines:
        started = [line for line in lines.read().splitlines() if line.startswith("1 ")]
    assert status == 70
    assert [error.code for error in told] == ["HTTP033"]
    assert started == ["1 None", *["1 signal 9"] * (MAX_FAILED_STARTS - 1)]


CONFIG = ServeConfig(
    path="callgate.yaml",
    revision="0",
    listen=ListenConfig(host="127.0.0.1", port=0),
    servers=(ServerConfig(name="srv", policy="p.yaml", url="http://127.0.0.1:1/mcp"),),
    workers=2,
)
