"""The file behind a SQLite store: who may own it, how it is opened, and which failure is which code.

Must never create an empty store in place of one that this process has seen, and never write to a file that is
no longer at its path: either would silently forget what was spent.
"""

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from callgate.errors import StateError
from callgate.state.sqlite_schema import APPLICATION_ID, SCHEMA, VERSION

_T = TypeVar("_T")

_DISOWNED: list[sqlite3.Connection] = []
_IMPATIENT_MS = 5
_RETRY_SECONDS = 0.005
_COMPANIONS = ("-wal", "-shm", "-journal")
_RETRY = "the next call tries again by itself"

# SQLite's primary result codes.
_PERM, _BUSY, _LOCKED, _READONLY, _CORRUPT, _FULL, _CANTOPEN, _PROTOCOL, _NOTADB = (
    3,
    5,
    6,
    8,
    11,
    13,
    14,
    15,
    26,
)


class SqliteFile:
    """A database that opens itself when needed, and again after a failure. For one thread."""

    def __init__(self, path: str, *, synchronous: Literal["FULL", "NORMAL"], busy_timeout_ms: int) -> None:
        self.path = os.path.abspath(path)
        self._synchronous = synchronous
        self._current_synchronous: str | None = None
        self._busy_timeout_ms = busy_timeout_ms
        self._patient = True
        self._seen = False
        self._db: sqlite3.Connection | None = None
        self._identity: list[tuple[str, int, int]] = []
        self._size = 0

    def transact(self, work: Callable[[sqlite3.Connection], _T], *, durable: bool) -> _T:
        """Run `work` in one write transaction that is on the disk when this returns, if `durable`.

        Not `durable` means that it survives the end of the process but may be lost in a power cut. StateError
        if the file fails in any way; nothing is written then, unless the file was found gone after the write.
        """
        try:
            db = self._db or self._open()
            level = self._synchronous if durable else "NORMAL"
            if level != self._current_synchronous:
                db.execute(f"PRAGMA synchronous={level}")
                self._current_synchronous = level
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            db.execute("COMMIT")
            if durable:
                self._check_still_there()
        except sqlite3.Error as error:
            failure = self._failure(error)
            self._abandon(keep=failure.code in ("STA008", "STA009"))
            if failure.code == "STA009":
                self._set_patience(False)
            raise failure from None
        except (ValueError, OverflowError) as error:
            self._abandon(keep=False)
            raise self._damaged(str(error)) from None
        except OSError as error:
            self._abandon(keep=False)
            raise self._cannot_open(error) from None
        except StateError as error:
            if error.code == "STA011":
                self._disown()
            self._abandon(keep=error.code == "STA012")
            raise
        except BaseException:
            self._abandon(keep=False)
            raise
        if not self._patient:
            self._set_patience(True)
        return result

    def close(self) -> None:
        self._abandon(keep=False)

    def _open(self) -> sqlite3.Connection:
        self._prepare()
        before = os.lstat(self.path)
        timeout_ms = self._busy_timeout_ms if self._patient else _IMPATIENT_MS
        db = self._db = sqlite3.connect(
            self.path, timeout=timeout_ms / 1000, isolation_level=None, check_same_thread=False
        )
        self._current_synchronous = None
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        if self._is_empty(db):
            if self._seen:
                raise StateError(
                    "STA005", f"state store `{self.path}` has been emptied", "put the file back from a copy"
                )
            self._use_wal(db)
            self._create(db)
        else:
            self._check_schema(db)
            self._use_wal(db)
        db.execute("PRAGMA journal_size_limit=4194304")
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")
        self._seen = True
        self._identity = []
        for name in (self.path, self.path + "-wal", self.path + "-shm"):
            found = os.lstat(name)
            self._identity.append((name, found.st_dev, found.st_ino))
        if self._identity[0][1:] != (before.st_dev, before.st_ino):
            raise self._gone("was replaced while it was being opened")
        self._size = before.st_size
        return db

    def _prepare(self) -> None:
        """Create what is missing, if the store was never seen, and refuse what others could change."""
        directory = os.path.dirname(self.path)
        if not os.path.isdir(directory):
            if self._seen:
                raise self._gone("is gone, and its directory with it")
            _make_directories(directory)
        found = os.stat(directory)
        open_to_others = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
        if open_to_others or found.st_uid not in (os.geteuid(), 0):
            raise StateError(
                "STA004",
                f"the directory of state store `{self.path}` belongs to or can be changed by other users",
                "keep the store in a directory of your own, with mode 0700",
            )
        if not os.path.lexists(self.path):
            if self._seen:
                raise self._gone("was deleted while it was in use")
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                os.close(os.open(self.path, flags, 0o600))
            except FileExistsError:
                pass  # Another process was faster; its file is checked like any other.
            else:
                _sync_directory(directory)
        for name in (self.path, *(self.path + end for end in _COMPANIONS)):
            self._check_owner(name)

    def _check_owner(self, name: str) -> None:
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
        elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            what = "can be written by other users"
        else:
            return
        raise StateError(
            "STA004", f"state store `{name}` {what}", "name a regular file of your own, with mode 0600"
        )

    def _is_empty(self, db: sqlite3.Connection) -> bool:
        return bool(db.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])

    def _check_schema(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise StateError(
                "STA005",
                f"`{self.path}` is a database of another program",
                "give the store a path of its own",
            )
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StateError(
                "STA006",
                f"state store `{self.path}` has format {version}, this callgate knows format {VERSION}",
                "run the newer callgate, or give this one a file of its own",
            )
        stored = {row[0] for row in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        # A trigger or view could change what the statements here do.
        if version != VERSION or stored - {"CREATE TABLE sqlite_sequence(name,seq)"} != set(SCHEMA):
            raise ValueError("the tables are not the ones callgate creates")

    def _use_wal(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA page_size=1024")  # Of a new file: a charge touches few bytes of several pages.
        (mode,) = self._patiently(db, "PRAGMA journal_mode=WAL")
        if mode != "wal":
            raise StateError(
                "STA014",
                f"the file system of `{self.path}` cannot hold a write-ahead log",
                "put the state store on a local file system",
            )

    def _patiently(self, db: sqlite3.Connection, statement: str) -> tuple[Any, ...]:
        """Run what SQLite does not wait for: a new file's journal is changed by several processes at once."""
        timeout_ms = self._busy_timeout_ms if self._patient else _IMPATIENT_MS
        end = time.monotonic() + timeout_ms / 1000
        while True:
            try:
                return db.execute(statement).fetchone()  # type: ignore[no-any-return]
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (_BUSY, _LOCKED)
                if not busy or time.monotonic() >= end:
                    raise
            time.sleep(_RETRY_SECONDS)

    def _create(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        if self._is_empty(db):
            for statement in SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
        self._check_schema(db)

    def _check_still_there(self) -> None:
        """After the write: was it the file at the path that was written to?"""
        size = 0
        for name, device, inode in self._identity:
            try:
                found = os.lstat(name)
            except FileNotFoundError:
                raise self._gone("was deleted while it was in use") from None
            if found.st_ino != inode or found.st_dev != device:
                raise self._gone("was replaced while it was in use")
            size = size or found.st_size
        if size < self._size:
            raise self._gone("was cut short while it was in use")
        self._size = size

    def _abandon(self, *, keep: bool) -> None:
        """Leave no transaction open; close the connection unless it is to be kept."""
        db = self._db
        if db is None:
            return
        if keep and self._identity:
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error:
                keep = False
        if not keep or not self._identity:
            self._db = None
            self._identity = []
            try:
                db.close()
            except sqlite3.Error:
                return

    def _disown(self) -> None:
        """Never close: closing unlinks the `-wal` at the path, which may be another store's by now."""
        if self._db is not None:
            _DISOWNED.append(self._db)
            self._db = None
            self._identity = []

    def _set_patience(self, patient: bool) -> None:
        self._patient = patient
        if self._db is not None:
            self._db.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms if patient else _IMPATIENT_MS}")

    def _gone(self, what: str) -> StateError:
        return StateError(
            "STA011",
            f"state store `{self.path}` {what}",
            "put it back, or restart to begin with empty counters",
        )

    def _damaged(self, what: str) -> StateError:
        return StateError(
            "STA007", f"state store `{self.path}` is damaged: {what}", "restore the file from a copy"
        )

    def _cannot_open(self, error: OSError) -> StateError:
        return StateError(
            "STA003",
            f"cannot open state store `{self.path}`: {(error.strerror or 'unknown error').lower()}",
            "create its directory, or give this user the right to it",
        )

    def _failure(self, error: sqlite3.Error) -> StateError:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        store = f"state store `{self.path}`"
        if primary in (_BUSY, _LOCKED, _PROTOCOL):
            return StateError("STA009", f"{store} is locked by another process", _RETRY)
        if primary == _FULL:
            return StateError("STA008", f"{store} is full", f"free space on its disk; {_RETRY}")
        if primary == _READONLY:
            return StateError("STA010", f"{store} is read-only", f"make it writable; {_RETRY}")
        if primary in (_PERM, _CANTOPEN):
            return StateError("STA003", f"cannot open {store}", "give this user the right to it")
        if primary == _NOTADB:
            return StateError("STA005", f"`{self.path}` is not a SQLite database", "check the path")
        if primary == _CORRUPT or code is None:
            return self._damaged(str(error).lower())
        return StateError("STA013", f"{store} failed: {str(error).lower()}", _RETRY)


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
