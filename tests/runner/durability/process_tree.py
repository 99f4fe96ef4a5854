"""What runs below a process, and taking in what outlives it. Linux only."""

import ctypes
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterator

from msgspec import Struct

_SUBREAPER = 36


class Process(Struct, frozen=True):
    """One line of the table of processes. `state` as in proc(5): `Z` is a zombie."""

    pid: int
    parent: int
    name: str
    state: str


def table() -> list[Process]:
    """Every process that is there now."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    head, _, tail = stat.read().rpartition(b") ")
            except OSError:
                continue
            state, parent = tail.split()[:2]
            name = head.partition(b"(")[2].decode(errors="replace")
            found.append(Process(int(entry), int(parent), name, state.decode()))
    return found


def below(pid: int) -> list[Process]:
    """All that descends from a process, nearest first."""
    children: dict[int, list[Process]] = defaultdict(list)
    for process in table():
        children[process.parent].append(process)
    found = list(children[pid])
    for process in found:
        found += children[process.pid]
    return found


def sandboxes(pid: int) -> list[Process]:
    """Every process of a sandbox below this one: bubblewrap's, and the guests that they hold."""
    outer = [process for process in below(pid) if process.name == "bwrap"]
    return list({each.pid: each for one in outer for each in (one, *below(one.pid))}.values())


def servers(pid: int) -> list[Process]:
    """The tally servers below this one."""
    return [process for process in below(pid) if b"tally_server.py" in _command_line(process.pid)]


def take_in_orphans() -> None:
    """Become the parent of whatever outlives a process below this one."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def outlived(ours: Collection[int] = (), *, seconds: float = 20.0) -> list[str]:
    """What is still there below this process, but not in `ours`, after all that could end had time to."""
    end = time.monotonic() + seconds
    while left := list(_orphans(ours)):
        for process in left:
            if process.parent == os.getpid() and process.state == "Z":
                os.waitpid(process.pid, os.WNOHANG)
        if time.monotonic() > end:
            return [f"{each.name} {each.state} {_command_line(each.pid)!r}" for each in left]
        time.sleep(0.02)
    return []


def zombies(pid: int, *, seconds: float = 5.0) -> list[Process]:
    """The dead below a process that are still dead below it after so many seconds. Blocks."""
    end = time.monotonic() + seconds
    while left := [process for process in below(pid) if process.state == "Z"]:
        if time.monotonic() > end:
            return left
        time.sleep(0.02)
    return []


def _orphans(ours: Collection[int]) -> Iterator[Process]:
    return (process for process in below(os.getpid()) if process.pid not in ours)


def _command_line(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()[:300]
    except OSError:
        return b""
