"""The audit as a JSONL file with a hash chain: when `append` returns, the records are written.

It never returns otherwise: whatever goes wrong is an AuditError, the file is as it was before, and the caller
forwards nothing. The next `append` starts afresh, so it recovers by itself when the cause is gone.

Several processes may append to one file. What this one remembers of the file (size, number and hash of the
last line) is only believed while the size under the lock is still that; in every other case (another writer,
a crash of one, a rollback that failed, an interrupt anywhere) the end of the file is read again, which is the
only way in which anything is repaired.
"""

import os
from _thread import allocate_lock
from collections.abc import Sequence
from fcntl import LOCK_UN, flock
from os import SEEK_END, lseek, write
from typing import Literal

from callgate.audit.chain import DIGITS, ORIGIN, seal
from callgate.audit.encode import encode
from callgate.audit.logfile import (
    LOCK,
    identity_at,
    open_log,
    read_end,
    sync_data,
    sync_directory,
    tighten,
    wait_for_lock,
)
from callgate.audit.record import FORMAT, ChainStart, Event, EventRecord, Record
from callgate.audit.timestamp import Timestamp
from callgate.clock import Clock
from callgate.digest import fast, ready
from callgate.errors import AuditError

Sync = Literal["full", "none"]

_CHECK_PATH_NS = 1_000_000_000
_LOAD = 500
"""So many records between two looks at the path show load: OpenSSL is then worth loading."""

_NONE = -1
"""No descriptor; a size that no file has."""

_generation = 0


def _forked() -> None:
    global _generation
    _generation += 1


os.register_at_fork(after_in_child=_forked)


class JsonlAudit:
    """Appends records to the file at `path`, which is created with mode 0600.

    `sync="full"`: a record is on the disk before `append` returns, so it outlives a power failure.
    `sync="none"`: it is with the kernel, so it outlives any death of the process, not of the machine.

    Opening begins the chain, or checks and repairs the end of the one that is there; raises AuditError as
    `append` does. Safe to share between threads and over a fork. `lock_patience` is in seconds.
    """

    def __init__(self, path: str, *, sync: Sync = "full", clock: Clock, lock_patience: float = 5.0) -> None:
        # A later change of the working directory must not lead to another file.
        self._path = os.path.abspath(path)
        self._full_sync = sync == "full"
        self._monotonic_ns = clock.monotonic_ns
        self._timestamp = Timestamp(clock)
        self._patience = lock_patience
        self._sha256 = ready()
        self._mutex = allocate_lock()
        self._generation = _generation
        self._closed = False
        self._fd = _NONE
        self._identity: tuple[int, int] | None = None
        self._replaced = False
        self._check_at = 0
        self._seq_checked = 0
        # Size of the file, number and tail of its last line: replaced as a whole, so always of one moment.
        self._end = (_NONE, 0, ORIGIN)
        self._owed: list[EventRecord] = []
        try:
            self._append(())
        except BaseException:
            self._release()
            raise

    @property
    def path(self) -> str:
        return self._path

    @property
    def head(self) -> str:
        """The hash of the last record that this process wrote or saw."""
        return self._end[2][:DIGITS].decode()

    def append(self, records: Sequence[Record]) -> None:
        """Write all of `records` or none, in this order, with nothing between them.

        Raises AuditError: AUD001, AUD002, AUD003 or AUD007 if the file was replaced and the new one cannot be
        used; AUD004 it cannot be written; AUD005 another process keeps it locked; AUD006 a record cannot be
        encoded; AUD008 after `close`.
        """
        if self._generation != _generation:
            self._after_fork()
        if records:
            self._append(records)

    def close(self) -> None:
        """Close the file; nothing is written."""
        with self._mutex:
            self._release()
            self._closed = True
            self._check_at = 0

    def _append(self, records: Sequence[Record]) -> None:
        objects = [*map(encode, records)]
        with self._mutex:
            now = self._monotonic_ns()
            if now >= self._check_at:
                self._check_path(now)
            fd = self._fd
            try:
                try:
                    flock(fd, LOCK)
                except BlockingIOError:
                    wait_for_lock(fd, self._path, self._patience)
                known_size, seq, tail = self._end
                size = lseek(fd, 0, SEEK_END)
                behind = size != known_size
                if behind:
                    first, size, seq, tail = self._catch_up(size)
                    objects[:0] = first
                    if not objects:
                        return
                lines, seq, tail = seal(objects, seq, tail, self._sha256)
                try:
                    length = write(fd, lines)
                    if length != len(lines):
                        length = self._write_rest(lines, length)
                    if self._full_sync:
                        self._sync(size)
                except BaseException:
                    # Should this fail as well, the next append finds what is left behind and repairs it.
                    os.ftruncate(fd, size)
                    raise
                self._end = (size + length, seq, tail)
                if behind:
                    self._owed.clear()
                    self._replaced = False
            except OSError as error:
                raise self._cannot_write(error) from error
            finally:
                flock(fd, LOCK_UN)

    def _write_rest(self, lines: bytes, written: int) -> int:
        view = memoryview(lines)
        while written < len(lines):
            written += write(self._fd, view[written:])
        return written

    def _sync(self, size_before: int) -> None:
        sync_data(self._fd)
        if size_before == 0:
            sync_directory(self._path)

    def _catch_up(self, size: int) -> tuple[list[bytes], int, int, bytes]:
        """Take the place at the end of a file that is not as remembered.

        Returns what is to be written before anything else, the size of the file now, and the number and tail
        of its last line.
        """
        known_size, known_seq, known_tail = self._end
        previous = known_tail[:DIGITS].decode() if known_seq else None
        link = None
        if size:
            end = read_end(self._fd, size, self._path)
            if end.fragment_size:
                # Nothing was ever forwarded on the strength of this record: its append did not return.
                os.ftruncate(self._fd, end.whole_size)
                size = end.whole_size
                self._owe("torn_line_removed", size=end.fragment_size, sha256=end.fragment_sha256)
            link = end.link
        mode = tighten(self._fd)
        if link is None:
            start = encode(ChainStart(FORMAT, self._timestamp(), previous))
            return [start, *map(encode, self._owed)], 0, 0, ORIGIN
        if mode is not None:
            self._owe("mode_tightened", detail=f"{mode:04o}")
        if self._replaced:
            self._owe("file_changed", previous=previous)
            self._replaced = False
        elif size < known_size:
            self._owe("records_missing", size=known_size - size, previous=previous)
        self._end = (size, link.seq, link.tail)
        return [*map(encode, self._owed)], size, link.seq, link.tail

    def _check_path(self, now: int) -> None:
        """Open the file, or open it again if the path names another one by now (rotated, deleted).

        Once a second is enough: what is written meanwhile to a file that was renamed is in the renamed file,
        and of a deleted one the records before it are gone just the same.
        """
        if self._closed:
            raise AuditError("AUD008", f"the audit `{self._path}` is closed")
        if self._fd == _NONE or identity_at(self._path) != self._identity:
            opened = open_log(self._path)
            self._release()
            self._fd = opened.fd
            if opened.identity != self._identity:
                self._replaced = self._identity is not None
                self._identity = opened.identity
                self._forget_size()
        seq = self._end[1]
        if seq - self._seq_checked > _LOAD:
            self._sha256 = fast()
        self._seq_checked = seq
        self._check_at = now + _CHECK_PATH_NS

    def _after_fork(self) -> None:
        # The description that the parent's descriptor refers to, and so its lock, would be shared.
        self._generation = _generation
        self._mutex = allocate_lock()
        self._release()
        self._forget_size()
        self._check_at = 0
        self._owed.clear()

    def _forget_size(self) -> None:
        self._end = (_NONE, *self._end[1:])

    def _release(self) -> None:
        fd, self._fd = self._fd, _NONE
        if fd != _NONE:
            os.close(fd)

    def _owe(
        self,
        event: Event,
        *,
        detail: str | None = None,
        size: int | None = None,
        sha256: str | None = None,
        previous: str | None = None,
    ) -> None:
        self._owed.append(
            EventRecord(self._timestamp(), event, detail=detail, size=size, sha256=sha256, previous=previous)
        )

    def _cannot_write(self, error: OSError) -> AuditError:
        return AuditError(
            "AUD004",
            f"the audit file `{self._path}` cannot be written: {(error.strerror or str(error)).lower()}",
            "calls are denied until it can be; nothing has to be restarted then",
        )
