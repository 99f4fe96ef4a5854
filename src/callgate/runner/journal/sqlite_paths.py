"""The files of a journal in SQLite, as the file system has them: who owns them, and are they still the same.

Must never make an empty journal in place of one that this process has seen.
"""

import os
import stat

from callgate.errors import JournalError

_COMPANIONS = ("-wal", "-shm", "-journal")


def prepare(path: str, *, seen: bool) -> None:
    """Make what is missing, unless the journal was `seen` before; refuse what others could change.

    JournalError JRN003, JRN004 or JRN011; OSError.
    """
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        if seen:
            raise gone(path, "is gone, and its directory with it")
        _make_directories(directory)
    found = os.stat(directory)
    open_to_others = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if open_to_others or found.st_uid not in (os.geteuid(), 0):
        raise JournalError(
            "JRN004",
            f"the directory of journal `{path}` belongs to or can be changed by other users",
            "keep the journal in a directory of your own, with mode 0700",
        )
    if not os.path.lexists(path):
        if seen:
            raise gone(path, "was deleted while it was in use")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            pass  # Another process was faster; its file is checked like any other.
        else:
            _sync_directory(directory)
    for name in (path, *(path + end for end in _COMPANIONS)):
        _check_owner(name)


def identify(path: str) -> list[tuple[str, int, int]]:
    """What `check_still_there` holds the files against. OSError."""
    found = [(name, os.lstat(name)) for name in (path, path + "-wal", path + "-shm")]
    return [(name, one.st_dev, one.st_ino) for name, one in found]


def check_still_there(identity: list[tuple[str, int, int]]) -> None:
    """After a write: was it the file at the path that was written to? JournalError JRN011 if not."""
    for name, device, inode in identity:
        try:
            found = os.lstat(name)
        except FileNotFoundError:
            raise gone(identity[0][0], "was deleted while it was in use") from None
        if found.st_ino != inode or found.st_dev != device:
            raise gone(identity[0][0], "was replaced while it was in use")


def gone(path: str, what: str) -> JournalError:
    return JournalError("JRN011", f"journal `{path}` {what}", "put it back, or restart to begin an empty one")


def _check_owner(name: str) -> None:
    try:
        found = os.lstat(name)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        what = "is a symbolic link"
    elif not stat.S_ISREG(found.st_mode):
        what = "is not a regular file"
    elif found.st_uid != os.geteuid():
        what = "belongs to another user"
    elif found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = "is open to other users"
    else:
        return
    raise JournalError(
        "JRN004", f"journal `{name}` {what}", "name a regular file of your own, with mode 0600"
    )


def _make_directories(directory: str) -> None:
    """Create `directory` and its missing parents, for this user alone."""
    parent = os.path.dirname(directory)
    if not os.path.isdir(parent):
        _make_directories(parent)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        return


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
