"""Removal of a folder that a script has had: however deep, and whatever rights the script took from itself.

Follows no symbolic link and leaves the folder never. Nothing may be writing in it any more.
"""

import contextlib
import os
import stat

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_POINT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def enter(name: str, within: int | None = None) -> int:
    """Open a folder for reading, made readable to its owner if it is not. Raises OSError (a link is no folder)."""
    try:
        return os.open(name, _ENTER, dir_fd=within)
    except PermissionError:
        make_usable(name, within)
        return os.open(name, _ENTER, dir_fd=within)


def make_usable(name: str, within: int | None = None) -> None:
    """Give the owner of a folder all rights to it. Raises OSError."""
    place = os.open(name, _POINT, dir_fd=within)
    try:
        # By the open folder, not by its name: that may be a link by now.
        os.chmod(f"/proc/self/fd/{place}", stat.S_IRWXU)
    finally:
        os.close(place)


def remove_tree(path: str) -> None:
    """Remove the folder with all that is in it, as far as that can be done. Never raises OSError.

    Folders are moved up before they are emptied, so that depth costs neither stack nor descriptors nor path length.
    """
    with contextlib.suppress(OSError):
        top = enter(path)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(path)


def _empty(top: int) -> None:
    waiting: list[str] = []
    moved = 0

    def clear(folder: int) -> None:
        nonlocal moved
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            with contextlib.suppress(OSError):
                if not is_folder:
                    os.unlink(name, dir_fd=folder)
                    continue
                make_usable(name, folder)
                free = f".removed-{moved}"
                moved += 1
                if folder != top or name != free:
                    os.rename(name, free, src_dir_fd=folder, dst_dir_fd=top)
                waiting.append(free)

    clear(top)
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            folder = enter(name, top)
            try:
                clear(folder)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
