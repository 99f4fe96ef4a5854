"""Folders of installed packages on the disk: measured, made read-only, removed. Blocking; follows no link."""

import os
import stat
from collections.abc import Iterator

from msgspec import Struct


class Measure(Struct, frozen=True):
    """Bytes and entries of a tree. `odd` is the first entry that is neither a folder nor a file of one name."""

    size: int
    entries: int
    odd: str | None = None


def measure(folder: str, *, enough_size: int | None = None) -> Measure:
    """Measure a tree; stops counting above `enough_size` bytes. What vanishes meanwhile is not counted."""
    size = entries = 0
    odd = None
    for entry in _walk(folder):
        try:
            state = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        entries += 1
        size += state.st_size
        plain = stat.S_ISDIR(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink == 1)
        if not plain and odd is None:
            odd = os.path.relpath(entry.path, folder)
        if enough_size is not None and size > enough_size:
            break
    return Measure(size, entries, odd)


def seal(folder: str) -> None:
    """Make a tree readable for everyone and writable for nobody, with no set-id bit.

    Everyone: a sandbox has a user of its own. Who may come this far at all is the cache folder's mode.
    """
    for entry in _walk(folder):
        os.chmod(entry.path, 0o555 if entry.is_dir(follow_symlinks=False) else 0o444)
    os.chmod(folder, 0o555)  # noqa: S103


def remove(folder: str) -> None:
    """Remove a tree, sealed or not. What is not there is removed already; other errors are raised at the end."""
    pending = [folder]
    folders: list[str] = []
    while pending:
        path = pending.pop()
        folders.append(path)
        try:
            os.chmod(path, 0o700)
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        os.unlink(entry.path)
        except FileNotFoundError:
            continue
    for path in reversed(folders):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            continue


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except FileNotFoundError:
            continue
