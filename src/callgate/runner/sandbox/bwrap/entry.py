"""Runs inside, before the guest: what only the first process of a sandbox may do, and must do before anything else.

It bounds the inodes of what is writable and hides the machine in `/proc`, neither of which bubblewrap can do; then it
becomes another user where it is real root, and gives every right away. Standard library alone: compiled and bound on
its own. What fails here ends the process with a line on stderr; nothing hostile has been read.
"""

import ctypes
import os

_REMOUNT = 32 | 2 | 4
"""MS_REMOUNT | MS_NOSUID | MS_NODEV."""

_SEALED = 1 | 2 | 4 | 8
"""MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC."""

_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SETGID, _SETUID = 1 << 6, 1 << 7


def settle(scratch: str, inodes: int, uid: int | None) -> None:
    """Bound `scratch`, become `uid` unless it is None, and keep no capability at all."""
    library = ctypes.CDLL(None, use_errno=True)
    bound = library.mount(b"tmpfs", scratch.encode(), b"tmpfs", _REMOUNT, b"nr_inodes=%d" % inodes)
    _check(bound, "bound the inodes")
    # Over the whole one: what remains is this process, and nothing of the machine.
    _check(
        library.mount(b"proc", b"/proc", b"proc", _SEALED, b"subset=pid,hidepid=2"),
        "hide the machine in /proc",
    )
    _check(library.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient rights")
    kept = 0 if uid is None else _SETGID | _SETUID
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    _check(library.capset(header, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)), "give rights away")
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.chdir("/work")
    os.environ["PWD"] = os.getcwd()


def _check(answer: int, what: str) -> None:
    if answer != 0:
        raise SystemExit(f"cannot {what}: {os.strerror(ctypes.get_errno())}")
