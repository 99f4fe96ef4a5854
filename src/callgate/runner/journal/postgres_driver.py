"""The journal in PostgreSQL: a pool of connections, and transactions that survive a restart of the server.

A transaction that failed before its COMMIT was sent is tried again, for as long as `patience`. One whose COMMIT was
sent and not answered is tried again only if doing it twice is as good as once; else the failure says that its outcome
is not known. Must never show the URL: it may hold a password.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from callgate.errors import JournalError
from callgate.runner.journal import postgres_schema
from callgate.runner.journal.driver import Row, Steps, T
from callgate.runner.journal.postgres_failures import failure, is_passing, is_undone, unreachable
from callgate.runner.journal.url import PostgresAddress

_NOW = "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)"
_SESSION = (
    f"SET search_path = {postgres_schema.SCHEMA}; SET idle_in_transaction_session_timeout = '30s'; "
    "SET default_transaction_isolation = 'read committed'; "
)
_LONGEST_PAUSE = 0.5
# The pool makes new connections only when it is asked for one: who waits for one asks again now and then.
_WAIT = 1.0
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "application_name": "callgate",
}


class PostgresDriver:
    """A `driver.Driver`. `patience` is in seconds; `durable` False: no write waits for the server's disk."""

    def __init__(
        self, address: PostgresAddress, *, durable: bool = True, patience: float = 10.0, connections: int = 8
    ) -> None:
        self._shown = address.shown
        self._parameters = {**_DEFAULTS, **_parameters(address), "client_encoding": "utf8"}
        self._durable = durable
        self._patience = patience
        self._connections = connections
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection] | None = None

    async def open(self) -> None:
        if self._pool is not None:
            return
        try:
            async with asyncio.timeout(self._patience):
                connection = await psycopg.AsyncConnection.connect(autocommit=True, **self._parameters)
                async with connection:
                    await postgres_schema.prepare(connection, self._shown)
        except psycopg.Error as error:
            raise failure(error, self._shown) from None
        except TimeoutError:
            raise unreachable(self._shown) from None
        pool: AsyncConnectionPool[psycopg.AsyncConnection] = AsyncConnectionPool(
            kwargs={**self._parameters, "autocommit": True},
            min_size=1,
            max_size=self._connections,
            open=False,
            configure=self._configure,
            # Short, as a server that is being restarted is not asked again until this is over.
            reconnect_timeout=2.0,
            name="journal",
        )
        await pool.open()
        self._pool = pool

    async def read(self, steps: Callable[[], Steps[T]]) -> T:
        return await self._patiently(steps, None, repeatable=True)

    async def write(
        self, steps: Callable[[], Steps[T]], *, durable: bool = True, repeatable: bool = False
    ) -> T:
        begin = "BEGIN" if durable or not self._durable else "BEGIN; SET LOCAL synchronous_commit = off"
        return await self._patiently(steps, begin, repeatable=repeatable)

    async def reclaim(self) -> None:
        """PostgreSQL's own autovacuum does it."""

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _configure(self, connection: psycopg.AsyncConnection) -> None:
        # One type for all numbers, so that a statement is prepared once.
        connection.adapters.register_dumper(int, Int8Dumper)
        milliseconds = round(self._patience * 1000)
        waits = f"SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds // 2}"
        await connection.execute(f"{_SESSION}{waits}".encode())
        await connection.execute(
            # What the operator set beyond `on` (standby servers) stays.
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            if self._durable
            else "SET synchronous_commit = off"
        )

    async def _patiently(self, steps: Callable[[], Steps[T]], begin: str | None, *, repeatable: bool) -> T:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        pause = 0.02
        while True:
            attempt = _Attempt(begin)
            try:
                async with asyncio.timeout_at(end):
                    return await self._once(steps, attempt)
            except psycopg.Error as error:
                in_doubt = attempt.committing and not is_undone(error)
                if isinstance(error, PoolClosed):
                    raise unreachable(self._shown) from None
                again = is_passing(error) and (repeatable or not in_doubt)
                if not again or loop.time() + pause >= end:
                    if isinstance(error, PoolTimeout):
                        raise unreachable(self._shown) from None
                    raise failure(error, self._shown, in_doubt=in_doubt) from None
            except TimeoutError:
                raise unreachable(self._shown) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _once(self, steps: Callable[[], Steps[T]], attempt: "_Attempt") -> T:
        if self._pool is None:
            raise JournalError(
                "JRN003", "the journal is not open", "this is a fault of the runner: please report it"
            )
        async with self._pool.connection(timeout=_WAIT) as connection:
            if attempt.begin is None:
                return await _drive(connection, steps())
            await connection.execute(attempt.begin)
            result = await _drive(connection, steps())
            attempt.committing = True
            await connection.execute("COMMIT")
            return result


class _Attempt:
    """How far one try of a transaction came."""

    __slots__ = ("begin", "committing")

    def __init__(self, begin: str | None) -> None:
        self.begin = begin
        self.committing = False


async def _drive(connection: psycopg.AsyncConnection, steps: Steps[T]) -> T:
    try:
        statement, values = next(steps)
        while True:
            cursor = await connection.execute(_translated(statement), values)
            found: list[Row] = [] if cursor.description is None else await cursor.fetchall()
            statement, values = steps.send(found)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        steps.close()


@lru_cache(maxsize=256)
def _translated(statement: str) -> bytes:
    """In PostgreSQL's words."""
    words = statement.replace("?", "%s").replace("now_ms()", _NOW)
    return words.replace("/* skip locked */", "FOR UPDATE SKIP LOCKED").encode()


def _parameters(address: PostgresAddress) -> dict[str, Any]:
    """What libpq reads from the URL. Its own messages would repeat parts of it, so they are not shown."""
    try:
        found = conninfo_to_dict(address.url)
    except psycopg.Error:
        known = {option.keyword.decode() for option in Conninfo.get_defaults()}
        odd = next((name for name in address.options if name not in known), None)
        what = "is not understood" if odd is None else f"has the unknown option `{odd}`"
        raise JournalError(
            "JRN001",
            f"journal `{address.shown}` {what}",
            "write it as PostgreSQL's documentation of URLs says",
        ) from None
    return dict(found)
