"""Locks as files (flock): between processes, and gone with whoever held them, however that one ended.

A lock file may be unlinked by whoever holds it alone, so every taker makes sure that the file it has locked is still
the one of that name.
"""

import contextlib
import fcntl
import os


def try_lock(path: str, *, shared: bool = False) -> int | None:
    """An open descriptor that holds the lock, to be closed; None if somebody else holds it. Raises OSError."""
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            if _is_still(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def drop(path: str, descriptor: int) -> None:
    """Remove the file of a lock that is held alone, and let go."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.close(descriptor)


def _is_still(descriptor: int, path: str) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
