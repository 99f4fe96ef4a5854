"""Landlock: what may be read is read only, but for the folders that are given, and no TCP but to the proxy.

Takes the best that the kernel has. Source: linux/landlock.h, landlock(7). The calls have the same numbers everywhere.
"""

import os
import stat
import struct
from collections.abc import Sequence

from . import libc

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ASK_VERSION = 1
_BENEATH, _PORT = 1, 2

_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_FOLDER, _MAKE_FILE, _MAKE_LINK = 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_BIND, _CONNECT = 1, 2

_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights on files by version; a later version than 5 adds none."""

_READABLE = _READ | _READ_FOLDER
# no device, no socket, no pipe, nothing to execute
_WRITABLE = (
    _READABLE
    | _WRITE
    | _REMOVE_FOLDER
    | _REMOVE_FILE
    | _MAKE_FOLDER
    | _MAKE_FILE
    | _MAKE_LINK
    | _REFER
    | _TRUNCATE
)


def version() -> int:
    """The kernel's version of Landlock; 0 if it has none, or has it switched off."""
    try:
        return libc.syscall(_CREATE, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(
    writable: Sequence[str], port: int | None, readable: Sequence[str] = ("/",), listable: Sequence[str] = ()
) -> int:
    """Shut this thread in, and all that it starts from now on; `port` is the one TCP port it may connect to.

    Of the folders `listable`, and of those in them, the names may be read.

    Returns the version that was used. Raises OSError if the kernel has no Landlock or a folder is missing. Needs
    no_new_privs.
    """
    best = version()
    files = _FILE_RIGHTS[min(max(best, 1), 5)]
    network = _BIND | _CONNECT if best >= 4 else 0
    scoped = 3 if best >= 6 else 0  # abstract unix sockets and signals, both to the outside
    size = 24 if best >= 6 else 16 if best >= 4 else 8
    handled = libc.buffer(struct.pack("=QQQ", files, network, scoped))
    ruleset = libc.syscall(_CREATE, handled, size, 0)
    try:
        for path in readable:
            _allow(ruleset, path, _READABLE & files)
        for folder in listable:
            _allow(ruleset, folder, _READ_FOLDER & files)
        for folder in writable:
            _allow(ruleset, folder, _WRITABLE & files)
        for device in ("/dev/null", "/dev/zero"):
            if os.path.exists(device):
                _allow(ruleset, device, (_READ | _WRITE | _TRUNCATE) & files)
        if port is not None and network:
            libc.syscall(_ADD, ruleset, _PORT, libc.buffer(struct.pack("=QQ", _CONNECT, port)), 0)
        libc.syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return best


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= ~_READ_FOLDER  # which the kernel refuses for what is no folder
        libc.syscall(_ADD, ruleset, _BENEATH, libc.buffer(struct.pack("=Qi", rights, place)), 0)
    finally:
        os.close(place)
