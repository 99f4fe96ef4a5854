"""End every descendant of this process, however it was started, and collect it.

Used by a subreaper (see `keeper`): killed parents hand their children up, so "waitpid knows no child any more" is
the exact proof that nothing is left. Elsewhere than on Linux only the direct children's process groups are ended.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable

Reaped = Callable[[int, int], None]


def descendants() -> set[int]:
    """The pids of all live descendants of this process (Linux; an empty set elsewhere)."""
    return _below({os.getpid()}, _children())


def end_orphans(keepers: set[int]) -> bool:
    """Kill every descendant of this process that is neither one of `keepers` nor below one; True if there was any.

    They are what a killed keeper was the subreaper of. Killing a parent hands its children up: call it again after
    the dead have been collected, until it returns False.
    """
    children = _children()
    orphans = set(children.get(os.getpid(), ())) - keepers
    orphans |= _below(orphans, children)
    for pid in orphans:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return bool(orphans)


def _children() -> dict[int, list[int]]:
    """Every process of this machine that can be seen, by its parent."""
    children: dict[int, list[int]] = {}
    try:
        entries = os.listdir("/proc")
    except OSError:
        return children
    for entry in entries:
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{entry}/stat", "rb") as file:
                    stat = file.read()
                # The command name is in parentheses and may itself hold spaces and parentheses.
                parent = int(stat[stat.rindex(b")") + 2 :].split()[1])
                children.setdefault(parent, []).append(int(entry))
    return children


def _below(roots: set[int], children: dict[int, list[int]]) -> set[int]:
    found: set[int] = set()
    queue = list(roots)
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in found:
                found.add(pid)
                queue.append(pid)
    return found


def _signal_all(number: int, groups: set[int]) -> None:
    for pid in descendants():
        with contextlib.suppress(OSError):
            os.kill(pid, number)
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, number)


def _collect(seconds: float, reaped: Reaped) -> bool:
    """Wait at most `seconds` for all children to end; True if none is left."""
    end = time.monotonic() + seconds
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid:
            reaped(pid, status)
        elif time.monotonic() >= end:
            return False
        else:
            time.sleep(0.005)


def end_descendants(grace_seconds: float, reaped: Reaped, groups: set[int] | None = None) -> None:
    """Let descendants end by themselves, then ask (SIGTERM), then kill, until none is left.

    `grace_seconds` bounds the first two stages each; `reaped(pid, wait_status)` is told of every child that ended.
    """
    groups = groups or set()
    if grace_seconds and _collect(grace_seconds, reaped):
        return
    _signal_all(signal.SIGTERM, groups)
    if _collect(grace_seconds or 0.25, reaped):
        return
    # Bounded: a process in uninterruptible sleep cannot be killed by anybody.
    for _ in range(200):
        _signal_all(signal.SIGKILL, groups)
        if _collect(0.05, reaped):
            return
