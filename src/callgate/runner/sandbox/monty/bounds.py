"""What the operating system holds the two processes of one execution to. Standard library only; runs in the child.

The interpreter keeps its own limits first; these hold if it is broken. Without a descriptor to open, a broken
interpreter can neither read a file nor make a socket.
"""

import os
import resource

_SLACK = 1 << 30
"""What code, stacks and arenas may take of the address space beside the script's own memory."""


def bound_child(memory: int) -> None:
    """Bound this process for a script that may use `memory` bytes. Its values are held here twice at most."""
    _lower(0, resource.RLIMIT_AS, 2 * memory + _SLACK)
    _lower(0, resource.RLIMIT_CORE, 0)


def bound_worker(pid: int, memory: int) -> None:
    """Bound the interpreter's process: its memory, no further descriptor, no file, no core dump."""
    _lower(pid, resource.RLIMIT_AS, memory + _SLACK)
    _lower(pid, resource.RLIMIT_NOFILE, 0)
    _lower(pid, resource.RLIMIT_FSIZE, 0)
    _lower(pid, resource.RLIMIT_CORE, 0)


def usage(pid: int) -> dict[str, int | float]:
    """Return `peak_memory` in bytes and `cpu_ms` of a process, or nothing where the system does not tell."""
    try:
        with open(f"/proc/{pid}/status") as file:
            peak = next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except (OSError, StopIteration, ValueError):
        return {}
    ticks = int(fields[11]) + int(fields[12])
    return {"peak_memory": peak, "cpu_ms": ticks * 1000 / os.sysconf("SC_CLK_TCK")}


def _lower(pid: int, what: int, most: int) -> None:
    if not hasattr(resource, "prlimit"):
        if pid == 0:
            resource.setrlimit(what, (min(most, resource.getrlimit(what)[1] % (1 << 63)),) * 2)
        return
    _, hard = resource.prlimit(pid, what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.prlimit(pid, what, (most, most))
