"""A SQLite database in a file: opened when it is needed, and again after a failure. For one thread.

Must never write to a file that is not of its kind and version, or that is no longer at its path, and never create an
empty one in place of one that this process has seen: either would silently forget what was kept.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from callgate.databasefile import paths
from callgate.databasefile.kind import BUSY, LOCKED, Kind
from callgate.errors import CallgateError

_T = TypeVar("_T")

_DISOWNED: list[sqlite3.Connection] = []
_IMPATIENT_MS = 5
_RETRY_SECONDS = 0.005
# SQLite's own table, where an id is AUTOINCREMENT.
_SEQUENCE = "CREATE TABLE sqlite_sequence(name,seq)"


class DatabaseFile:
    """The database of one `kind` at `path`. Every failure of the file is an error of its kind.

    `synchronous` is SQLite's, of durable writes. `busy_timeout_ms` is how long to wait for another process's
    transaction; once one has waited in vain, the following ones fail fast until one succeeds. `on_connect` is shown
    each new connection before it is used.
    """

    def __init__(
        self,
        path: str,
        kind: Kind,
        *,
        synchronous: Literal["FULL", "NORMAL"],
        busy_timeout_ms: int,
        on_connect: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self.path = os.path.abspath(path)
        self._kind = kind
        self._synchronous = synchronous
        self._level: str | None = None
        self._busy_timeout_ms = busy_timeout_ms
        self._on_connect = on_connect
        self._patient = True
        self._seen = False
        self._db: sqlite3.Connection | None = None
        self._identity: paths.Identity = []
        self._size = 0

    def write(self, work: Callable[[sqlite3.Connection], _T], *, durable: bool, confirm: bool) -> _T:
        """Run `work` in one write transaction that is on the disk when this returns, if `durable`.

        Not `durable` means that it survives the end of the process but may be lost in a power cut. If the file
        fails in any way nothing is written, unless `confirm` found it gone after the write. What `work` raises
        itself undoes it.
        """

        def transaction(db: sqlite3.Connection) -> _T:
            level = self._synchronous if durable else "NORMAL"
            if level != self._level:
                db.execute(f"PRAGMA synchronous={level}")
                self._level = level
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            db.execute("COMMIT")
            if confirm:
                self._check_still_there()
            return result

        return self.run(transaction)

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work`, which only reads, on one state of the database."""

        def transaction(db: sqlite3.Connection) -> _T:
            db.execute("BEGIN")
            result = work(db)
            db.execute("COMMIT")
            return result

        return self.run(transaction)

    def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` outside of any transaction."""
        codes = self._kind.codes
        try:
            result = work(self._db or self._open())
        except sqlite3.Error as error:
            failure = self._kind.failure(self.path, error)
            self._abandon(keep=failure.code in (codes.full, codes.locked))
            if failure.code == codes.locked:
                self._set_patience(False)
            raise failure from None
        except OSError as error:
            self._abandon(keep=False)
            raise self._kind.cannot_open(self.path, error) from None
        except CallgateError as error:
            if error.code == codes.gone:
                self._disown()
            self._abandon(keep=error.code in self._kind.harmless)
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
        paths.prepare(self.path, self._kind, seen=self._seen)
        before = os.lstat(self.path)
        timeout_ms = self._busy_timeout_ms if self._patient else _IMPATIENT_MS
        db = self._db = sqlite3.connect(
            self.path, timeout=timeout_ms / 1000, isolation_level=None, check_same_thread=False
        )
        self._level = None
        if self._on_connect is not None:
            self._on_connect(db)
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        if _is_empty(db):
            if self._seen:
                raise self._kind.emptied(self.path)
            db.execute(self._kind.layout)
            self._use_wal(db)
            self._create(db)
        else:
            self._check_schema(db)
            self._use_wal(db)
        db.execute("PRAGMA journal_size_limit=4194304")
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")
        self._seen = True
        self._identity = paths.identify(self.path)
        if self._identity[0][1:] != (before.st_dev, before.st_ino):
            raise self._kind.gone(self.path, "was replaced while it was being opened")
        self._size = before.st_size
        return db

    def _check_schema(self, db: sqlite3.Connection) -> None:
        kind = self._kind
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != kind.application_id:
            raise kind.foreign(self.path)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > kind.version:
            raise kind.newer(self.path, version)
        stored = {row[0] for row in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        # A trigger or view could change what the statements do.
        if version != kind.version or stored - {_SEQUENCE} != set(kind.tables):
            raise kind.damaged(self.path, "the tables are not the ones callgate creates")

    def _use_wal(self, db: sqlite3.Connection) -> None:
        (mode,) = self._patiently(db, "PRAGMA journal_mode=WAL")
        if mode != "wal":
            raise self._kind.no_wal(self.path)

    def _patiently(self, db: sqlite3.Connection, statement: str) -> tuple[Any, ...]:
        """Run what SQLite does not wait for: a new file's journal is changed by several processes at once."""
        timeout_ms = self._busy_timeout_ms if self._patient else _IMPATIENT_MS
        end = time.monotonic() + timeout_ms / 1000
        while True:
            try:
                return db.execute(statement).fetchone()  # type: ignore[no-any-return]
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (BUSY, LOCKED)
                if not busy or time.monotonic() >= end:
                    raise
            time.sleep(_RETRY_SECONDS)

    def _create(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        if _is_empty(db):
            for statement in self._kind.tables:
                db.execute(statement)
            db.execute(f"PRAGMA application_id={self._kind.application_id}")
            db.execute(f"PRAGMA user_version={self._kind.version}")
        db.execute("COMMIT")
        self._check_schema(db)

    def _check_still_there(self) -> None:
        size = paths.check_still_there(self._identity, self._kind)
        if size < self._size and not self._kind.shrinks:
            raise self._kind.gone(self.path, "was cut short while it was in use")
        self._size = size

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

    def _disown(self) -> None:
        """Never close: closing unlinks the `-wal` at the path, which may be another file's by now."""
        if self._db is not None:
            _DISOWNED.append(self._db)
            self._db = None
            self._identity = []

    def _set_patience(self, patient: bool) -> None:
        """While another process holds the lock, one wait is enough: those that follow fail at once."""
        self._patient = patient
        if self._db is not None:
            self._db.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms if patient else _IMPATIENT_MS}")


def _is_empty(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])
