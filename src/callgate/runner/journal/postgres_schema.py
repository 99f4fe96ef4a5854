"""The journal's schema in a PostgreSQL database: made if it is not there, refused if it is not a journal's.

Everything lies in the schema `callgate`, so that the database may hold other things too. Whoever may not create a
schema can have it made by another: an empty one that belongs to the journal's user will do.
"""

# Statements are put together of this package's own words.
# ruff: noqa: S608

from typing import Any

import psycopg

from callgate.errors import JournalError
from callgate.runner.journal.schema import APPLICATION_ID, VERSION, tables

SCHEMA = "callgate"

_OLDEST_SERVER = 130_000
_TABLES = tables(id="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", blob="BYTEA")


async def prepare(connection: psycopg.AsyncConnection, shown: str) -> None:
    """Make or check the tables. JournalError; psycopg.Error."""
    version = connection.info.server_version
    if version < _OLDEST_SERVER:
        raise JournalError(
            "JRN020", f"journal `{shown}` is PostgreSQL {version // 10_000}", "use version 13 or later"
        )
    async with connection.transaction():
        (standby,) = await _one(connection, "SELECT pg_is_in_recovery()")
        if standby:
            raise JournalError("JRN010", f"journal `{shown}` is a standby server", "name the primary server")
        # Several runners may start at once.
        await connection.execute(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
        (schema,) = await _one(connection, f"SELECT to_regnamespace('{SCHEMA}')::text")
        if schema is None:
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        (table,) = await _one(connection, f"SELECT to_regclass('{SCHEMA}.journal_format')::text")
        if table is None:
            await _create(connection, shown)
            return
        (known,) = await _one(connection, f"SELECT max(version) FROM {SCHEMA}.journal_format")
    if known is not None and known > VERSION:
        raise JournalError(
            "JRN006",
            f"journal `{shown}` has format {known}, this callgate knows format {VERSION}",
            "run the newer callgate, or give this one a database of its own",
        )
    if known != VERSION:
        raise JournalError(
            "JRN007", f"journal `{shown}` is damaged: it has no format", "restore the database from a copy"
        )


async def _create(connection: psycopg.AsyncConnection, shown: str) -> None:
    (foreign,) = await _one(
        connection, f"SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('{SCHEMA}')"
    )
    if foreign:
        raise JournalError(
            "JRN005",
            f"journal `{shown}` has a schema `{SCHEMA}` of another program",
            "give the journal a database of its own",
        )
    await connection.execute(f"SET LOCAL search_path = {SCHEMA}")
    for statement in _TABLES:
        await connection.execute(statement)
    await connection.execute("CREATE TABLE journal_format (version INTEGER PRIMARY KEY)")
    await connection.execute(f"INSERT INTO journal_format (version) VALUES ({VERSION})")


async def _one(connection: psycopg.AsyncConnection, statement: str) -> tuple[Any, ...]:
    cursor = await connection.execute(statement)
    row = await cursor.fetchone()
    return row if row is not None else (None,)
