"""The file behind a SQLite store: what it is called, and which failure is which code."""

from collections.abc import Callable
from sqlite3 import Connection
from typing import Literal, TypeVar

from callgate.databasefile.file import DatabaseFile
from callgate.databasefile.kind import Codes, Kind
from callgate.errors import StateError
from callgate.state.sqlite_schema import APPLICATION_ID, SCHEMA, VERSION

_T = TypeVar("_T")

_KIND = Kind(
    error=StateError,
    codes=Codes(
        cannot_open="STA003",
        unsafe="STA004",
        foreign="STA005",
        newer="STA006",
        damaged="STA007",
        full="STA008",
        locked="STA009",
        read_only="STA010",
        gone="STA011",
        failed="STA013",
        no_wal="STA014",
    ),
    name="state store",
    short="store",
    retry="the next call tries again by itself",
    begin_again="begin with empty counters",
    application_id=APPLICATION_ID,
    version=VERSION,
    tables=SCHEMA,
    layout="PRAGMA page_size=1024",  # A charge touches few bytes of several pages.
    private=False,
    shrinks=False,
    harmless=("STA012",),
)


class SqliteFile(DatabaseFile):
    """A store's database, in which an odd value is damage."""

    def __init__(self, path: str, *, synchronous: Literal["FULL", "NORMAL"], busy_timeout_ms: int) -> None:
        super().__init__(path, _KIND, synchronous=synchronous, busy_timeout_ms=busy_timeout_ms)

    def transact(self, work: Callable[[Connection], _T], *, durable: bool) -> _T:
        """Run `work` in one write transaction that is on the disk when this returns, if `durable`.

        StateError if the file fails in any way, or `work` raises ValueError for what it found there; nothing is
        written then, unless the file was found gone after the write.
        """
        try:
            return self.write(work, durable=durable, confirm=durable)
        except (ValueError, OverflowError) as error:
            raise _KIND.damaged(self.path, str(error)) from None
