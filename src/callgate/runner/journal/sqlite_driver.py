"""The journal in SQLite: one thread that owns the connection, and one commit for all writes that wait for it.

While the disk takes one commit, the next writes gather; they share a transaction, each in a savepoint of its own, so
that one that is refused undoes nothing but itself. Who waits is told only after the commit.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Literal

from callgate.clock import Clock, SystemClock
from callgate.errors import JournalError
from callgate.runner.journal.driver import Steps, T
from callgate.runner.journal.sqlite_file import SqliteFile

_AT_ONCE = 64
_BUSY_TIMEOUT_MS = 5_000


class _Job:
    """Something to do, and whom to tell."""

    __slots__ = ("durable", "error", "future", "kind", "loop", "result", "steps")

    def __init__(
        self,
        kind: Literal["open", "read", "write", "reclaim", "close"],
        steps: Callable[[], Steps[Any]] | None = None,
        *,
        durable: bool = True,
    ) -> None:
        self.kind = kind
        self.steps = steps or _nothing
        self.durable = durable
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def tell(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteDriver:
    """A `driver.Driver` for the file at `path`. Any number of processes on one machine may share the file."""

    def __init__(
        self,
        path: str,
        *,
        synchronous: Literal["FULL", "NORMAL"],
        clock: Clock | None = None,
        busy_timeout_ms: int = _BUSY_TIMEOUT_MS,
    ) -> None:
        self._file = SqliteFile(
            path, clock or SystemClock(), synchronous=synchronous, busy_timeout_ms=busy_timeout_ms
        )
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
            self._thread.start()
        try:
            await self._do(_Job("open"))
        except BaseException:
            await self.close()
            raise

    async def read(self, steps: Callable[[], Steps[T]]) -> T:
        return await self._do(_Job("read", steps))  # type: ignore[no-any-return]

    async def write(
        self, steps: Callable[[], Steps[T]], *, durable: bool = True, repeatable: bool = False
    ) -> T:
        del repeatable  # A commit in a file is never in doubt.
        return await self._do(_Job("write", steps, durable=durable))  # type: ignore[no-any-return]

    async def reclaim(self) -> None:
        await self._do(_Job("reclaim"))

    async def close(self) -> None:
        """Finish what was asked for, and close the file."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        closing = _Job("close")
        self._jobs.put(closing)
        await closing.future
        thread.join()

    async def _do(self, job: _Job) -> Any:
        if self._thread is None:
            raise JournalError(
                "JRN003", "the journal is not open", "this is a fault of the runner: please report it"
            )
        self._jobs.put(job)
        return await job.future

    def _work(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            try:
                while len(jobs) < _AT_ONCE:
                    jobs.append(self._jobs.get_nowait())
            except Empty:
                pass
            waiting: list[_Job] = []
            for job in jobs:
                if job.kind == "write":
                    waiting.append(job)
                    continue
                self._write(waiting)
                waiting = []
                self._attempt(job)
                if job.kind == "close":
                    return
            self._write(waiting)

    def _attempt(self, job: _Job) -> None:
        try:
            if job.kind == "open":
                self._file.open()
            elif job.kind == "reclaim":
                self._file.reclaim()
            elif job.kind == "close":
                self._file.close()
            else:
                job.result = self._file.read(lambda db: _drive(db, job))
        except BaseException as error:
            job.error = error
        _tell([job])

    def _write(self, jobs: list[_Job]) -> None:
        if not jobs:
            return

        def together(db: sqlite3.Connection) -> None:
            for job in jobs:
                _in_savepoint(db, job)

        try:
            self._file.write(together, durable=any(job.durable for job in jobs))
        except BaseException as error:
            if len(jobs) > 1 and not (isinstance(error, JournalError) and error.code == "JRN009"):
                # One of them may be to blame; the others shall not suffer for it.
                for job in jobs:
                    self._write([job])
                return
            for job in jobs:
                job.error = error
        _tell(jobs)


def _nothing() -> Steps[None]:
    yield from ()


def _in_savepoint(db: sqlite3.Connection, job: _Job) -> None:
    job.result, job.error = None, None
    db.execute("SAVEPOINT one")
    try:
        job.result = _drive(db, job)
    except sqlite3.Error:
        raise
    except Exception as error:
        job.error = error
        db.execute("ROLLBACK TO one")
    db.execute("RELEASE one")


def _drive(db: sqlite3.Connection, job: _Job) -> Any:
    steps = job.steps()
    try:
        statement, values = next(steps)
        while True:
            statement, values = steps.send(db.execute(statement, values).fetchall())
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


def _tell(jobs: list[_Job]) -> None:
    """Tell each of its outcome, on its own loop."""
    for loop in {id(job.loop): job.loop for job in jobs}.values():
        mine = [job for job in jobs if job.loop is loop]
        try:
            loop.call_soon_threadsafe(_tell_all, mine)
        except RuntimeError:
            continue  # Its loop is closed: nobody waits any more.


def _tell_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.tell()
