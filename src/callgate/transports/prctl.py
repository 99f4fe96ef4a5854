"""Two Linux process settings that the standard library does not offer (prctl(2)).

Elsewhere both calls do nothing and say so by returning False: the process groups of `keeper` remain.
"""

import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        import ctypes
    except (ImportError, OSError):
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def become_subreaper() -> bool:
    """Orphaned descendants become children of this process instead of init's."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> bool:
    """The kernel kills this process when the thread that forked it ends; survives exec, not fork."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
