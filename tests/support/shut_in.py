"""Run a program with nothing but the system calls that a unit's `SystemCallFilter` leaves it; others fail with EPERM.

    python -m tests.support.shut_in FILE PROGRAM [ARGUMENT ...]

FILE names the calls, one a line. What a kernel or this machine's libseccomp does not know is left out.
"""

import ctypes
import ctypes.util
import errno
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM


@cache
def calls_of(group: str) -> frozenset[str]:
    """The system calls of a group of systemd's such as `@system-service`, those of the groups in it included."""
    listed = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", group], capture_output=True, text=True, check=True
    ).stdout
    found: set[str] = set()
    for line in listed.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            found |= calls_of(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return frozenset(found)


def left_by(filters: list[str]) -> frozenset[str]:
    """What the values of `SystemCallFilter` leave, in their order; the first one is a list of what is allowed."""
    left: set[str] = set(calls_of("@default"))
    for text in filters:
        groups = text.removeprefix("~").split()
        calls = {call for name in groups for call in (calls_of(name) if name[0] == "@" else {name})}
        left = left - calls if text.startswith("~") else left | calls
    return frozenset(left)


def shut_in(calls: list[str]) -> None:
    """Leave this process, and all that it starts, nothing but `calls`."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"), use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_REFUSE)))
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0, name
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    shut_in(Path(sys.argv[1]).read_text().split())
    os.execvp(sys.argv[2], sys.argv[2:])
