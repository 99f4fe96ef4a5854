"""A script's own folder on the machine's file system: made for one process, measured while it runs, then removed.

There is no file system of its own to bound it, so it is looked at. Follows no link, trusts no name.
"""

import os

from msgspec import Struct

from callgate.runner.sandbox.removal import enter

TEMPORARY = "tmp"
"""The folder in it for temporary files."""

_BLOCK = 512
"""Bytes in a unit of `st_blocks`, whatever the file system's own are."""

_DEEPEST = 64


class Room(Struct, frozen=True):
    """What a folder takes: bytes on the disk, files and folders. `deep`: nested deeper than can be measured."""

    size: int
    files: int
    deep: bool = False


def make(path: str, uid: int | None) -> None:
    """Make the folder, for `uid` alone if one is given, else for this user. Raises OSError."""
    for folder in (path, os.path.join(path, TEMPORARY)):
        os.mkdir(folder, 0o700)
        if uid is not None:
            os.chown(folder, uid, uid)


def measure(path: str, most_files: int) -> Room:
    """What is in the folder now; stops counting above `most_files`. What vanishes meanwhile is not counted."""
    size = files = 0
    deep = False
    linked: set[int] = set()
    try:
        top = enter(path)
    except OSError:
        return Room(0, 0)
    open_folders = [(top, os.scandir(top))]
    try:
        while open_folders and files <= most_files:
            folder, entries = open_folders[-1]
            entry = next(entries, None)
            if entry is None:
                entries.close()
                os.close(open_folders.pop()[0])
                continue
            files += 1
            try:
                status = entry.stat(follow_symlinks=False)
                inside = enter(entry.name, folder) if entry.is_dir(follow_symlinks=False) else -1
            except OSError:
                continue
            if status.st_nlink == 1 or inside >= 0 or status.st_ino not in linked:
                size += status.st_blocks * _BLOCK
                linked.add(status.st_ino)
            if inside >= 0 and len(open_folders) >= _DEEPEST:
                os.close(inside)
                deep = True
                break
            if inside >= 0:
                open_folders.append((inside, os.scandir(inside)))
    finally:
        for folder, entries in open_folders:
            entries.close()
            os.close(folder)
    return Room(size, files, deep)
