"""Giving up what the process could do that a script must not: its user, its privileges, being looked into."""

import os
import signal

from . import libc

_SET_DUMPABLE, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CLEAR_ALL = 4, 38, 47, 4
_SET_DEATH_SIGNAL = 1


def drop(uid: int | None, gid: int | None) -> None:
    """Become the given user for good, with no groups beside. Without one the user namespace is the wall.

    Raises OSError if the process may not; PermissionError if it is real root and was given no user.
    """
    if uid is not None and gid is not None:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if os.getuid() == 0:
        raise PermissionError("the guest must not stay root")
    libc.prctl(_CAP_AMBIENT, _CLEAR_ALL)
    libc.give_up_capabilities()
    libc.prctl(_SET_NO_NEW_PRIVS, 1)
    # nobody of the same user may trace it or read its memory
    libc.prctl(_SET_DUMPABLE, 0)


def end_with(parent: int) -> None:
    """Be killed when `parent`, which started us, ends; for guests without a namespace that would end with it.

    After `drop`, since changing the user takes it back, and before the filter, which lets nobody change it again.
    The runner may look into the process then, to count what it writes. Raises OSError; ProcessLookupError if the
    parent has ended already.
    """
    libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    libc.prctl(_SET_DUMPABLE, 1)
    if os.getppid() != parent:
        raise ProcessLookupError("the runner has ended")
