"""A runner's process with the weaker walls that is killed at a chosen moment, and whether anything outlives it.

python killed_weak_host.py          takes in all orphans, kills one host per moment, prints what is left of each
python killed_weak_host.py MOMENT   is that host: prints a line when the moment has come, and goes on
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys

from weak_runs import LIMITS, Listener, reachable_python, weak_job

from callgate.runner.sandbox.bwrap.backend import environment_of
from callgate.runner.sandbox.contract import Stream
from callgate.runner.sandbox.weak.backend import WeakBackend

_SUBREAPER = 36
SCRIPTS = {
    "spinning": "print('on', flush=True)\nwhile True: pass\n",
    "disarming": (
        "import ctypes, os\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\nos.close(3)\nprint('on', flush=True)\n"
        "while True: pass\n"
    ),
    "sleeping": (
        "import os, time\nos.makedirs('a/b')\nos.mkdir('locked', 0)\nprint('on', flush=True)\ntime.sleep(1000)\n"
    ),
}
MOMENTS = ("spawned", "waiting", *SCRIPTS)


class _Loud(Listener):
    def output(self, stream: Stream, data: bytes) -> None:  # noqa: ARG002
        print("now", flush=True)


async def host(moment: str) -> None:
    backend = WeakBackend(limits=LIMITS, pool=1, python=reachable_python())
    await backend.open()
    if moment == "spawned":
        starting = asyncio.create_task(backend._start(environment_of(LIMITS)))
        await asyncio.sleep(0)
        print("now", flush=True)
        await starting
    elif moment == "waiting":
        print("now", flush=True)
    else:
        limits = LIMITS.__class__(memory=LIMITS.memory)
        await backend.run(weak_job(SCRIPTS[moment], limits), _Loud())
    await asyncio.Event().wait()


def outlived(moment: str) -> None:
    """Kill a host at the moment; wait for all that it leaves to this process."""
    started = subprocess.Popen([sys.executable, __file__, moment], stdout=subprocess.PIPE)
    assert started.stdout is not None
    assert started.stdout.readline() == b"now\n"
    os.kill(started.pid, signal.SIGKILL)
    started.stdout.close()
    # Never comes to an end if anything outlives it; the test has a time-out.
    while True:
        try:
            os.wait()
        except ChildProcessError:
            started.returncode = -9
            return


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(host(sys.argv[1]))
    else:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        for each in MOMENTS:
            outlived(each)
            print(each, flush=True)
