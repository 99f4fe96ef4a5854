"""The file under the audit: opened safely, locked, read from its end. Knows lines, not what is in them.

Never follows a symbolic link at the path itself, never opens anything but a regular file that belongs to this
user, and leaves the file readable and writable for its owner alone.
"""

import fcntl
import os
import stat
import sys
import time
from fcntl import LOCK_EX, LOCK_NB, flock

from msgspec import Struct

from callgate.audit.chain import MAX_LINE, ORIGIN, TAIL, Link, begins_a_file, follows, place
from callgate.digest import lean
from callgate.errors import AuditError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MODE = 0o600
LOCK = LOCK_EX | LOCK_NB
_CHUNK = 64 * 1024


class Opened(Struct, frozen=True):
    """A descriptor, and which file it is of."""

    fd: int
    identity: tuple[int, int]


class End(Struct, frozen=True):
    """The end of a file: its last line and how many bytes make up whole lines.

    `link` is None if there is no whole line. `fragment_sha256` describes the `fragment_size` bytes after it.
    """

    link: Link | None
    whole_size: int
    fragment_size: int = 0
    fragment_sha256: str | None = None


def open_log(path: str) -> Opened:
    """Open or create the file.

    Raises AuditError: AUD001 it cannot be opened, AUD002 it is not a regular file, AUD007 it belongs to
    somebody else.
    """
    try:
        # Looked at first because merely opening a device can do something; looked at again once open.
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot_open(path, error) from error
    else:
        _require_regular(path, found)
    try:
        fd = os.open(path, _FLAGS, _MODE)
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        found = os.fstat(fd)
        _require_regular(path, found)
        _require_own(path, found)
    except OSError as error:
        os.close(fd)
        raise _cannot_open(path, error) from error
    except AuditError:
        os.close(fd)
        raise
    return Opened(fd, (found.st_dev, found.st_ino))


def tighten(fd: int) -> int | None:
    """See to it that the file is for its owner alone; returns the mode it had if it was open to others.

    Not part of opening: a file that turns out to be something else must not be changed in any way.
    """
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if mode == _MODE:
        return None
    os.fchmod(fd, _MODE)
    return mode if mode & 0o077 else None


def identity_at(path: str) -> tuple[int, int] | None:
    """Which file the path names now; None if it names none."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def wait_for_lock(fd: int, path: str, patience: float) -> None:
    """Take the lock that every writer of this file takes, while another one has it.

    Raises AuditError (AUD005) after `patience` seconds: a writer that was stopped in the middle must not hold
    up the calls of the others for ever. They are denied instead.
    """
    deadline = time.monotonic() + patience
    pause = 0.0001
    while True:
        time.sleep(pause)
        try:
            flock(fd, LOCK)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise AuditError(
                    "AUD005",
                    f"the audit file `{path}` is locked by another process",
                    "gates may share a file; `fuser` or `lslocks` names one that is stuck",
                ) from None
            pause = min(pause * 2, 0.002)
        else:
            return


def read_end(fd: int, size: int, path: str) -> End:
    """Read the last line of a file of `size` bytes, and what is left of one that was cut short.

    Raises AuditError (AUD003) if the file does not end as an audit file does: it is somebody else's file, or
    its end was damaged, and nothing may be appended to it.
    """
    window = 8 * 1024
    while True:
        start = max(0, size - window)
        data = _read(fd, start, size)
        end = data.rfind(b"\n") + 1
        begin = data.rfind(b"\n", 0, end - 1) + 1 if end else 0
        if start == 0 or begin >= TAIL:
            break
        if window > 2 * MAX_LINE + TAIL:
            raise _foreign(path)
        window *= 8
    fragment = data[end:]
    if not end:
        if not begins_a_file(fragment):
            raise _foreign(path)
        return End(None, 0, len(fragment), lean(fragment).hexdigest())
    line = data[begin:end]
    link = place(line)
    before = data[begin - TAIL : begin] if start + begin else ORIGIN
    if link is None or not follows(line, before):
        raise _foreign(path)
    if fragment:
        return End(link, start + end, len(fragment), lean(fragment).hexdigest())
    return End(link, size)


def sync_directory(path: str) -> None:
    """Make the name of a new file durable."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_data(fd: int) -> None:
    """Return when everything written to the file is on the disk."""
    if sys.platform == "darwin":
        # fsync alone leaves the data in the drive's own cache.
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def _read(fd: int, start: int, end: int) -> bytes:
    parts = []
    while start < end:
        part = os.pread(fd, min(end - start, _CHUNK), start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _require_regular(path: str, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFDIR: "a directory",
        stat.S_IFSOCK: "a socket",
    }
    kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
    raise AuditError(
        "AUD002",
        f"the audit file `{path}` is {kind}",
        "name a regular file: its end must be readable, and a record on its disk before a call is forwarded",
    )


def _require_own(path: str, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise AuditError(
            "AUD007",
            f"the audit file `{path}` belongs to another user",
            "whoever owns the file can rewrite it: give it to the user that the gate runs as",
        )


def _cannot_open(path: str, error: OSError) -> AuditError:
    if isinstance(error, FileNotFoundError):
        return AuditError(
            "AUD001",
            f"the audit file `{path}` cannot be created: its directory does not exist",
            "create the directory, owned by the user that the gate runs as",
        )
    return AuditError(
        "AUD001",
        f"the audit file `{path}` cannot be opened: {(error.strerror or str(error)).lower()}",
        "the gate must be able to create, read and append to the file",
    )


def _foreign(path: str) -> AuditError:
    return AuditError(
        "AUD003",
        f"the file `{path}` does not end with an audit record",
        "name a file of its own; or see what `callgate audit verify` says of this one and move it aside",
    )
