"""Which block of users is this process's own: by a lock that ends with the process. Never waits for one.

Blocks are shared by all runners of the machine that are root; a number from the process's own would repeat.
"""

import contextlib
import fcntl
import os
import random
import stat
import tempfile

from callgate.errors import SandboxError

_FOLDER = "callgate-users"
_PARENTS = ("/run", "/var/run")


class UserBlock:
    """One of `count` numbers that no other living process on this machine has. `folder` is where the locks are."""

    def __init__(self, count: int, folder: str | None = None) -> None:
        """Take one. Raises SandboxError (SBX014) if all are taken, or there is no folder for locks."""
        self._lock = -1
        try:
            place = folder or _lock_folder()
            # Containers that share users may not share this folder: then chance keeps them apart.
            first = random.SystemRandom().randrange(count)
            for step in range(count):
                self.number = (first + step) % count
                if self._take(os.path.join(place, str(self.number))):
                    return
        except OSError as problem:
            raise SandboxError(
                "SBX014",
                f"users for scripts cannot be reserved: {problem.strerror}",
                "let the runner write to /run or to its folder for temporary files (TMPDIR)",
            ) from None
        raise SandboxError("SBX014", f"{count} runners on this machine hold all users for scripts")

    def _take(self, path: str) -> bool:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._lock = lock
            return True
        os.close(lock)
        return False

    def give_back(self) -> None:
        """Let others have it. The end of the process does that too. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _lock_folder() -> str:
    """A folder that this user alone may enter. Raises OSError."""
    parents = [each for each in _PARENTS if os.access(each, os.W_OK)]
    folder = os.path.join(parents[0] if parents else tempfile.gettempdir(), _FOLDER)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(1, f"{folder} is another's")
    return folder
