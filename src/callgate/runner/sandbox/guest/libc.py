"""System calls that Python has no function for, by number and through the C library's `syscall` and `prctl`."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_prctl = _libc.prctl
_prctl.restype = ctypes.c_int


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """What the call answers. Raises OSError."""
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    answer: int = _syscall(ctypes.c_long(number), *wide)
    if answer == -1:
        raise _failure()
    return answer


def prctl(option: int, *arguments: int) -> int:
    """What the call answers; missing arguments are zero, as many options demand. Raises OSError."""
    four = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    answer: int = _prctl(ctypes.c_int(option), *four)
    if answer == -1:
        raise _failure()
    return answer


def give_up_capabilities() -> None:
    """Empty the inheritable, permitted and effective sets, capset(2). Raises OSError."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    if _libc.capset(header, (ctypes.c_uint32 * 6)()) == -1:
        raise _failure()


def buffer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    """Bytes that a call may be given the address of."""
    return ctypes.create_string_buffer(data, len(data))


def address(place: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(place)


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
