"""From a URL to a journal. The only module that knows every database; it loads none that it does not open."""

from typing import Literal

from callgate.clock import Clock
from callgate.config.runner_model import RetentionConfig
from callgate.errors import JournalError
from callgate.runner.journal.contract import Journal
from callgate.runner.journal.sql_journal import SqlJournal
from callgate.runner.journal.url import PostgresAddress, SqliteAddress, read_url

_FILE = "runner.sqlite"


def open_journal(
    url: str | None,
    *,
    state_dir: str,
    sync: Literal["full", "normal"] = "full",
    retention: RetentionConfig | None = None,
    clock: Clock | None = None,
) -> Journal:
    """The journal that `url` names, not yet opened: `await journal.open()` reaches it.

    None stands for SQLite in `state_dir`. `sync="normal"` forgoes the power cut, not `kill -9`; a `?sync=` in the URL
    of a file goes before it. `clock` is the machine's for SQLite, and never used for PostgreSQL, which has its own.
    JournalError JRN001 for a URL that is not understood, JRN002 where the database's client is missing.
    """
    bounds = retention or RetentionConfig()
    address = SqliteAddress(f"{state_dir}/{_FILE}") if url is None else read_url(url)
    if isinstance(address, PostgresAddress):
        try:
            from callgate.runner.journal.postgres_driver import PostgresDriver
        except ImportError:
            raise JournalError(
                "JRN002",
                "a journal in PostgreSQL needs psycopg, which is not installed",
                "install `callgate[postgres]`",
            ) from None
        return SqlJournal(PostgresDriver(address, durable=sync == "full"), bounds)
    try:
        from callgate.runner.journal.sqlite_driver import SqliteDriver
    except ImportError:
        raise JournalError(
            "JRN002",
            "this Python has no SQLite",
            "install Python with its `sqlite3` module, or use PostgreSQL",
        ) from None
    synchronous: Literal["FULL", "NORMAL"] = "FULL" if (address.sync or sync) == "full" else "NORMAL"
    return SqlJournal(SqliteDriver(address.path, synchronous=synchronous, clock=clock), bounds)
