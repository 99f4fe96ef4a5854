"""The SQLite database behind a journal: how it is opened, and which failure is which code. For one thread.

Must never write to a file that is not a journal of this version, or that is no longer at its path.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from callgate.clock import Clock
from callgate.errors import JournalError
from callgate.runner.journal import sqlite_clock, sqlite_paths
from callgate.runner.journal.schema import APPLICATION_ID, VERSION, tables

_T = TypeVar("_T")

SCHEMA = (*tables(id="INTEGER PRIMARY KEY", blob="BLOB"), sqlite_clock.SCHEMA)

_DISOWNED: list[sqlite3.Connection] = []
_IMPATIENT_MS = 5
_RETRY_SECONDS = 0.005
_PAGES_AT_ONCE = 2_000
_RETRY = "the next execution tries again by itself"

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
    """A database that opens itself when needed, and again after a failure."""

    def __init__(
        self, path: str, clock: Clock, *, synchronous: Literal["FULL", "NORMAL"], busy_timeout_ms: int
    ) -> None:
        self.path = os.path.abspath(path)
        self._clock = sqlite_clock.FileClock(clock)
        self._now = 0
        self._synchronous = synchronous
        self._level: str | None = None
        self._busy_timeout_ms = busy_timeout_ms
        self._patient = True
        self._seen = False
        self._db: sqlite3.Connection | None = None
        self._identity: list[tuple[str, int, int]] = []

    def open(self) -> None:
        """JournalError if the file cannot be used."""
        self.write(lambda _db: None, durable=True)

    def write(self, work: Callable[[sqlite3.Connection], _T], *, durable: bool) -> _T:
        """Run `work` in one transaction that is on the disk when this returns, if `durable`.

        JournalError if the file fails in any way; nothing is written then, unless the file was found gone after
        the write. What `work` raises itself undoes it.
        """

        def transaction(db: sqlite3.Connection) -> _T:
            level = self._synchronous if durable else "NORMAL"
            if level != self._level:
                db.execute(f"PRAGMA synchronous={level}")
                self._level = level
            db.execute("BEGIN IMMEDIATE")
            self._now = self._clock.read(db, writing=True)
            result = work(db)
            db.execute("COMMIT")
            sqlite_paths.check_still_there(self._identity)
            return result

        return self._guarded(transaction)

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work`, which only reads, on one state of the database."""

        def transaction(db: sqlite3.Connection) -> _T:
            db.execute("BEGIN")
            self._now = self._clock.read(db, writing=False)
            result = work(db)
            db.execute("COMMIT")
            return result

        return self._guarded(transaction)

    def reclaim(self) -> None:
        """Give some free pages back to the file system."""

        def work(db: sqlite3.Connection) -> None:
            # `execute` takes one step of a statement without columns, and each step frees one page.
            db.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")

        self._guarded(work)

    def close(self) -> None:
        self._abandon(keep=False)

    def _guarded(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            result = work(self._db or self._open())
        except sqlite3.Error as error:
            failure = self._failure(error)
            self._abandon(keep=failure.code in ("JRN008", "JRN009"))
            if failure.code == "JRN009":
                self._set_patience(False)
            raise failure from None
        except OSError as error:
            self._abandon(keep=False)
            raise self._cannot_open(error) from None
        except JournalError as error:
            if error.code == "JRN011" and self._db is not None:
                # Never close: closing unlinks the `-wal` at the path, which may be another journal's by now.
                _DISOWNED.append(self._db)
                self._db = None
            self._abandon(keep=False)
            raise
        except BaseException:
            self._abandon(keep=False)
            raise
        if not self._patient:
            self._set_patience(True)
        return result

    def _open(self) -> sqlite3.Connection:
        sqlite_paths.prepare(self.path, seen=self._seen)
        before = os.lstat(self.path)
        timeout_ms = self._busy_timeout_ms if self._patient else _IMPATIENT_MS
        db = self._db = sqlite3.connect(
            self.path, timeout=timeout_ms / 1000, isolation_level=None, check_same_thread=False
        )
        self._level = None
        db.create_function("now_ms", 0, lambda: self._now, deterministic=True)
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        if self._is_empty(db):
            if self._seen:
                raise JournalError(
                    "JRN005", f"journal `{self.path}` has been emptied", "put the file back from a copy"
                )
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._use_wal(db)
            self._create(db)
        else:
            self._check_schema(db)
            self._use_wal(db)
        db.execute("PRAGMA journal_size_limit=4194304")
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")
        self._seen = True
        self._identity = sqlite_paths.identify(self.path)
        if self._identity[0][1:] != (before.st_dev, before.st_ino):
            raise sqlite_paths.gone(self.path, "was replaced while it was being opened")
        return db

    def _is_empty(self, db: sqlite3.Connection) -> bool:
        return bool(db.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])

    def _check_schema(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise JournalError(
                "JRN005",
                f"`{self.path}` is a database of another program",
                "give the journal a path of its own",
            )
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise JournalError(
                "JRN006",
                f"journal `{self.path}` has format {version}, this callgate knows format {VERSION}",
                "run the newer callgate, or give this one a file of its own",
            )
        stored = {row[0] for row in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        # A trigger or view could change what the statements do.
        if version != VERSION or stored != set(SCHEMA):
            raise self._damaged("the tables are not the ones callgate creates")

    def _use_wal(self, db: sqlite3.Connection) -> None:
        (mode,) = self._patiently(db, "PRAGMA journal_mode=WAL")
        if mode != "wal":
            raise JournalError(
                "JRN013",
                f"the file system of `{self.path}` cannot hold a write-ahead log",
                "put the journal on a local file system",
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

    def _abandon(self, *, keep: bool) -> None:
        """Leave no transaction open; close the connection unless it is to be kept."""
        db = self._db
        if db is None:
            return
        keep = keep and bool(self._identity)
        if keep:
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error:
                keep = False
        if not keep:
            self._db = None
            self._identity = []
            try:
                db.close()
            except sqlite3.Error:
                return

    def _set_patience(self, patient: bool) -> None:
        """While another process holds the lock, one wait is enough: those that follow fail at once."""
        self._patient = patient
        if self._db is not None:
            self._db.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms if patient else _IMPATIENT_MS}")

    def _damaged(self, what: str) -> JournalError:
        return JournalError(
            "JRN007", f"journal `{self.path}` is damaged: {what}", "restore the file from a copy"
        )

    def _cannot_open(self, error: OSError) -> JournalError:
        return JournalError(
            "JRN003",
            f"cannot open journal `{self.path}`: {(error.strerror or 'unknown error').lower()}",
            "create its directory, or give this user the right to it",
        )

    def _failure(self, error: sqlite3.Error) -> JournalError:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        journal = f"journal `{self.path}`"
        if primary in (_BUSY, _LOCKED, _PROTOCOL):
            return JournalError("JRN009", f"{journal} is locked by another process", _RETRY)
        if primary == _FULL:
            return JournalError("JRN008", f"{journal} is full", f"free space on its disk; {_RETRY}")
        if primary == _READONLY:
            return JournalError("JRN010", f"{journal} is read-only", f"make it writable; {_RETRY}")
        if primary in (_PERM, _CANTOPEN):
            return JournalError("JRN003", f"cannot open {journal}", "give this user the right to it")
        if primary == _NOTADB:
            return JournalError("JRN005", f"`{self.path}` is not a SQLite database", "check the path")
        if primary == _CORRUPT or code is None:
            return self._damaged(str(error).lower())
        return JournalError("JRN014", f"{journal} failed: {str(error).lower()}", _RETRY)
