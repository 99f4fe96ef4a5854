"""What the system says of this process: processor time, memory, descriptors. Leaves out what it does not say."""

import os
import platform
import resource
import time
from contextlib import suppress

import callgate
from callgate.telemetry import families as f
from callgate.telemetry.snapshot import Snapshot

_started = time.time()
_PAGE = resource.getpagesize()


def measure_process(snapshot: Snapshot) -> None:
    """Add the process's values to `snapshot`."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    snapshot.counters[f.CPU.name] = [((), usage.ru_utime + usage.ru_stime)]
    gauges = snapshot.gauges
    gauges[f.STARTED.name] = [((), _started)]
    gauges[f.BUILD.name] = [((callgate.__version__, platform.python_version()), 1)]
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        gauges[f.MEMORY.name] = [((), int(file.read().split()[1]) * _PAGE)]
    with suppress(OSError):
        # One of them is the descriptor that lists them.
        gauges[f.DESCRIPTORS.name] = [((), len(os.listdir("/dev/fd")) - 1)]
