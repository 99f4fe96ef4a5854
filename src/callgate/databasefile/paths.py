"""A database's files as the file system has them: who owns them, and are they still the same.

Must never make an empty file in place of one that this process has seen.
"""

import os
import stat

from callgate.databasefile.kind import Kind

_COMPANIONS = ("-wal", "-shm", "-journal")

Identity = list[tuple[str, int, int]]
"""Each open file's path, device and inode; the database itself is the first."""


def prepare(path: str, kind: Kind, *, seen: bool) -> None:
    """Make what is missing, unless the file was `seen` before; refuse what others could change.

    The kind's error (unsafe, gone); OSError.
    """
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        if seen:
            raise kind.gone(path, "is gone, and its directory with it")
        _make_directories(directory)
    found = os.stat(directory)
    open_to_others = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if open_to_others or found.st_uid not in (os.geteuid(), 0):
        raise kind.unsafe_directory(path)
    if not os.path.lexists(path):
        if seen:
            raise kind.gone(path, "was deleted while it was in use")
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            pass  # Another process was faster; its file is checked like any other.
        else:
            _sync_directory(directory)
    for name in (path, *(path + end for end in _COMPANIONS)):
        _check_owner(name, kind)


def identify(path: str) -> Identity:
    """What `check_still_there` holds the files against. OSError."""
    found = [(name, os.lstat(name)) for name in (path, path + "-wal", path + "-shm")]
    return [(name, one.st_dev, one.st_ino) for name, one in found]


def check_still_there(identity: Identity, kind: Kind) -> int:
    """After a write: was it the file at the path that was written to? The database's size in bytes.

    The kind's error (gone) if it was not.
    """
    path = identity[0][0]
    sizes = []
    for name, device, inode in identity:
        try:
            found = os.lstat(name)
        except FileNotFoundError:
            raise kind.gone(path, "was deleted while it was in use") from None
        if found.st_ino != inode or found.st_dev != device:
            raise kind.gone(path, "was replaced while it was in use")
        sizes.append(found.st_size)
    return sizes[0]


def _check_owner(name: str, kind: Kind) -> None:
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
    elif kind.private and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = "is open to other users"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = "can be written by other users"
    else:
        return
    raise kind.unsafe(name, what)


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
