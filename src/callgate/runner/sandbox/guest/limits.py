"""Resource limits of the guest's process: the operator's first, each job's below them. Sizes in bytes.

There is one process only, so what RLIMIT_AS and RLIMIT_CPU bound is the whole run.
"""

from __future__ import annotations

import math
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENDING = 16 << 20
"""Address space between soft and hard limit: what telling of a MemoryError may take."""

_SMALL: dict[str, int] = {
    "RLIMIT_CORE": 0,
    "RLIMIT_MEMLOCK": 0,
    "RLIMIT_MSGQUEUE": 0,
    "RLIMIT_NOFILE": 512,
    "RLIMIT_STACK": 8 << 20,
}


def set_most(limits: dict[str, Any], others: int) -> None:
    """Set what no job may exceed. `limits` has memory, threads and disk.

    RLIMIT_NPROC counts threads, of all processes of this user in this user namespace. `others` are those that are
    not ours: bwrap's own processes, unless the guest has a user of its own.
    """
    for name, value in _SMALL.items():
        _lower(getattr(resource, name), value)
    set_for_job(limits, others)


def set_for_job(limits: dict[str, Any], others: int) -> None:
    """Lower the limits to those of one job; what is absent or None stays as it is. Raises nothing for a higher one."""
    memory, disk, cpu, threads = (limits.get(name) for name in ("memory", "disk", "cpu_seconds", "threads"))
    if memory is not None:
        hard = min(int(memory) + _ENDING, _hard(resource.RLIMIT_AS))
        resource.setrlimit(resource.RLIMIT_AS, (min(int(memory), hard), hard))
    if disk is not None:
        _lower(resource.RLIMIT_FSIZE, int(disk))
    if threads is not None:
        _lower(resource.RLIMIT_NPROC, int(threads) + others)
    if cpu is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        # SIGKILL, not SIGXCPU: the first process of a namespace does not hear a signal that it does not handle
        most = min(math.ceil(float(cpu) + used.ru_utime + used.ru_stime), _hard(resource.RLIMIT_CPU))
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))


def room_for_ending() -> None:
    """Let the guest itself allocate a little more than the script could."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _lower(which: int, value: int) -> None:
    value = min(value, _hard(which))
    resource.setrlimit(which, (value, value))


def _hard(which: int) -> int:
    hard = resource.getrlimit(which)[1]
    return (1 << 62) if hard == resource.RLIM_INFINITY else hard


def other_processes() -> int:
    """How many processes there are beside this one in its pid namespace."""
    return sum(name.isdigit() for name in os.listdir("/proc")) - 1


_SLACK = 256


def other_threads() -> int:
    """What a bound on threads must leave for those of our user that are none of ours, where others share the user.

    They come and go, so there is some room to spare; the runner counts our own.
    """
    mine, found = os.getuid(), _SLACK
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid == mine or _real_user(name) == mine:
                found += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return found


def _real_user(process: str) -> int:
    """Whom the kernel counts a process for, whoever owns its files in /proc."""
    with open(f"/proc/{process}/status", "rb") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(b"Uid:"))
