"""The guest from its first line to its last: walls, then `ready`, then one job, then the end.

The order matters: the user is given away first, since limits on processes do not bind root; the filter comes last,
since it forbids what sets the others. Where a wall does not hold the process says so on stderr and ends, without ever
having been ready for a script.
"""

from __future__ import annotations

import json
import os
import struct
import sys

from . import landlock, libc, limits, seccomp, verify, wire
from .drop import drop, end_with
from .listener import hand_over
from .run import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

UNHELD = 70
"""The exit status of a guest whose walls do not hold (EX_SOFTWARE)."""

_SET_MODE_FILTER = 1

COMMON = ("collections", "datetime", "functools", "itertools", "json", "math", "random", "re", "time")
"""What most scripts import, and the guest mostly needs itself; more may be asked for as `preload`."""


def main() -> NoReturn:
    """Read the settings from the command line and never come back."""
    try:
        settings = json.loads(sys.argv[1])
        others, port, walls = harden(settings)
    except Exception as error:
        _refuse(f"the walls cannot be set ({_where(error)}): {type(error).__name__}: {error}")
    for name, wall in walls.items():
        if not wall["held"]:
            _refuse(f"the wall `{name}` does not hold: {wall['detail']}")
    sys.path.extend(settings["paths"])
    for name in (*COMMON, *settings["preload"]):
        __import__(name)
    # the compiler makes its tables when it is first used: better now than when the script waits
    exec(compile("def f(x=1):\n    return f'{x}'", "", "exec"), {})  # noqa: S102
    wire.send(wire.encode({"t": "ready", "walls": walls}))
    try:
        job = wire.receive()
    except EOFError:
        os._exit(0)
    run(job, others, port)


def _where(error: Exception) -> str:
    """The part of the guest that the exception comes from, below `harden`."""
    names = ["start"]
    trace = error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_globals.get("__name__", "").rpartition(".")[2])
        trace = trace.tb_next
    return next((name for name in reversed(names) if name not in ("libc", "")), "start")


def _refuse(why: str) -> NoReturn:
    os.write(2, f"{why[:300]}\n".encode(errors="replace"))
    os._exit(UNHELD)


def harden(settings: dict[str, Any]) -> tuple[int, int | None, verify.Walls]:
    """Set every wall and try it.

    The processes of the same user beside us, the port of the proxy if there is a network, and what held.
    Raises OSError, ValueError, KeyError or TypeError if a wall cannot be set.
    """
    profile = settings["profile"]
    port = hand_over() if profile == "network" else None
    # whatever the host leaked into us: nothing but the standard streams and the wire is ours
    os.closerange(wire.WRITES + 1, 1 << 16)
    uid, gid = settings["uid"], settings["gid"]
    others = 0 if uid is not None else limits.other_processes()
    drop(uid, gid)
    if profile == "shared":
        end_with(settings["parent"])
        others = 0 if uid is not None else limits.other_threads()
    limits.set_most(settings["limits"], others)
    # opened here: there may be nothing to read in /proc behind the walls
    status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    version = landlock.restrict(settings["writable"], port, settings["readable"], settings["listable"])
    machine = os.uname().machine
    load_filter(seccomp.program(machine, profile, os.getpid()), machine)
    return others, port, verify.walls(machine, version, settings["writable"], profile, status)


def load_filter(program: bytes, machine: str) -> None:
    """Hand the kernel an assembled seccomp program, for this thread and all that it starts. Raises OSError."""
    instructions = libc.buffer(program)
    # struct sock_fprog
    header = libc.buffer(struct.pack("=H6xQ", len(program) // 8, libc.address(instructions)))
    libc.syscall(seccomp.numbers(machine)["seccomp"], _SET_MODE_FILTER, 0, header)
