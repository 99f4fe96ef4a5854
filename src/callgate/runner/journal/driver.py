"""What carries the journal's SQL to a database. The SQL is written once, as generators that do no I/O.

A transaction is a generator: it yields statements and is sent their rows; what it returns is the outcome, what it
raises undoes it. A driver makes a new one whenever it tries again, so a generator must keep nothing outside itself.

The statements are SQL that SQLite ≥ 3.35 and PostgreSQL ≥ 13 both understand, with `?` for values (a literal `?` or `%`
must not occur). `now_ms()` is the journal's clock, the same throughout a statement; `/* skip locked */` leaves out rows
that another transaction is about to change, where the database has such a thing.
"""

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
Statement: TypeAlias = tuple[str, tuple[Any, ...]]
Steps: TypeAlias = Generator[Statement, list[Row], T]


class Driver(Protocol):
    """One database. All raise JournalError where it cannot answer; then nothing was written, unless it says that
    the outcome is not known."""

    async def open(self) -> None: ...

    async def read(self, steps: Callable[[], Steps[T]]) -> T:
        """Run statements that only read, on one state of the database each."""
        ...

    async def write(
        self, steps: Callable[[], Steps[T]], *, durable: bool = True, repeatable: bool = False
    ) -> T:
        """Run one transaction. Not `durable`: it may be lost in a power cut, though not by `kill -9`.

        `repeatable`: doing it twice is as good as once, so it may be tried again when nobody knows whether the
        first try was written.
        """
        ...

    async def reclaim(self) -> None:
        """Give a bounded amount of free space back to the system."""
        ...

    async def close(self) -> None: ...
