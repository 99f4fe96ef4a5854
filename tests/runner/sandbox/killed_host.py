# ruff: noqa: ARG002
"""A runner's process that is killed at a chosen moment, and whether anything outlives it.

    python killed_host.py          takes in all orphans, kills one host per moment, prints what is left of each
    python killed_host.py MOMENT   is that host: prints a line when the moment has come, and goes on

Run as root and as a plain user by the tests.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

from callgate.runner.answer import Answer
from callgate.runner.sandbox.bwrap.backend import BwrapBackend, environment_of
from callgate.runner.sandbox.contract import Job, Limits, Stream

_SUBREAPER = 36
MOMENTS = ("spawned", "waiting", "spinning", "disarming", "sleeping")
SCRIPTS = {
    "spinning": "print('on', flush=True)\nwhile True: pass\n",
    "disarming": (
        "import ctypes, os\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\nos.close(3)\nprint('on', flush=True)\n"
        "while True: pass\n"
    ),
    "sleeping": "import time\nprint('on', flush=True)\ntime.sleep(1000)\n",
}


class _Loud:
    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        return Answer()

    def output(self, stream: Stream, data: bytes) -> None:
        print("now", flush=True)

    def progress(self, fraction: float | None, text: str | None) -> None:
        return


async def host(moment: str) -> None:
    limits = Limits(memory=256 << 20)
    backend = BwrapBackend(limits=limits, pool=1)
    await backend.open()
    if moment == "spawned":
        starting = asyncio.create_task(backend._start(environment_of(limits)))
        await asyncio.sleep(0)
        print("now", flush=True)
        await starting
    elif moment == "waiting":
        print("now", flush=True)
    else:
        await backend.run(Job(uuid="u", attempt=1, script=SCRIPTS[moment], limits=limits), _Loud())
    await asyncio.Event().wait()


def outlived(moment: str) -> int:
    """Kill a host at the moment; wait for all that it leaves to this process. How many ended."""
    started = subprocess.Popen([sys.executable, __file__, moment], stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"now\n"
    os.kill(started.pid, signal.SIGKILL)
    started.stdout.close()
    ended = 0
    # Never comes to an end if anything outlives it; the test has a time-out.
    while True:
        try:
            os.wait()
        except ChildProcessError:
            started.returncode = -9
            return ended
        ended += 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(host(sys.argv[1]))
    else:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        for each in MOMENTS:
            print(each, outlived(each), flush=True)
