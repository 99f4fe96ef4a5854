"""The SQLite database behind a journal: what it is called, which failure is which code, and its time.

For one thread.
"""

from collections.abc import Callable
from sqlite3 import Connection
from typing import Literal, TypeVar

from callgate.clock import Clock
from callgate.databasefile.file import DatabaseFile
from callgate.databasefile.kind import Codes, Kind
from callgate.errors import JournalError
from callgate.runner.journal import sqlite_clock
from callgate.runner.journal.schema import APPLICATION_ID, VERSION, tables

_T = TypeVar("_T")

SCHEMA = (*tables(id="INTEGER PRIMARY KEY", blob="BLOB"), sqlite_clock.SCHEMA)

_KIND = Kind(
    error=JournalError,
    codes=Codes(
        cannot_open="JRN003",
        unsafe="JRN004",
        foreign="JRN005",
        newer="JRN006",
        damaged="JRN007",
        full="JRN008",
        locked="JRN009",
        read_only="JRN010",
        gone="JRN011",
        failed="JRN014",
        no_wal="JRN013",
    ),
    name="journal",
    short="journal",
    retry="the next execution tries again by itself",
    begin_again="begin an empty one",
    application_id=APPLICATION_ID,
    version=VERSION,
    tables=SCHEMA,
    layout="PRAGMA auto_vacuum=INCREMENTAL",
    private=True,
    shrinks=True,
)
_PAGES_AT_ONCE = 2_000


class SqliteFile:
    """A journal's database, in which `now_ms()` is journal time."""

    def __init__(
        self, path: str, clock: Clock, *, synchronous: Literal["FULL", "NORMAL"], busy_timeout_ms: int
    ) -> None:
        self._clock = sqlite_clock.FileClock(clock)
        self._now = 0
        self._file = DatabaseFile(
            path,
            _KIND,
            synchronous=synchronous,
            busy_timeout_ms=busy_timeout_ms,
            on_connect=lambda db: db.create_function("now_ms", 0, lambda: self._now, deterministic=True),
        )

    def open(self) -> None:
        """JournalError if the file cannot be used."""
        self.write(lambda _db: None, durable=True)

    def write(self, work: Callable[[Connection], _T], *, durable: bool) -> _T:
        """Run `work` in one transaction that is on the disk when this returns, if `durable`.

        JournalError if the file fails in any way; nothing is written then, unless the file was found gone after
        the write. What `work` raises itself undoes it.
        """

        def timed(db: Connection) -> _T:
            self._now = self._clock.read(db, writing=True)
            return work(db)

        return self._file.write(timed, durable=durable, confirm=True)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work`, which only reads, on one state of the database."""

        def timed(db: Connection) -> _T:
            self._now = self._clock.read(db, writing=False)
            return work(db)

        return self._file.read(timed)

    def reclaim(self) -> None:
        """Give some free pages back to the file system."""

        def work(db: Connection) -> None:
            # `execute` takes one step of a statement without columns, and each step frees one page.
            db.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")

        self._file.run(work)

    def close(self) -> None:
        self._file.close()
