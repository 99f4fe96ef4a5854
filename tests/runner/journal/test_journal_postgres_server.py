"""A journal in PostgreSQL: servers that restart, refuse, lock or hold something else."""

import asyncio
import contextlib
import os
from collections.abc import Iterator

import psycopg
import pytest
from journal_stores import DONE, LEASE_MS, call, execution
from tests.support.postgres_server import PostgresServer, shared_server

from callgate.config.runner_model import RetentionConfig
from callgate.errors import JournalError
from callgate.runner.journal.contract import Journal, Lost
from callgate.runner.journal.open import open_journal
from callgate.runner.journal.postgres_driver import PostgresDriver
from callgate.runner.journal.sql_journal import SqlJournal
from callgate.runner.journal.url import PostgresAddress, read_url

pytestmark = pytest.mark.xdist_group("journal-postgres")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One that a test may end; what it acknowledges is on the disk."""
    own = PostgresServer(durable=True).start()
    yield own
    own.remove()


def journal_at(url: str, patience: float = 10.0) -> SqlJournal:
    address = read_url(url)
    assert isinstance(address, PostgresAddress)
    return SqlJournal(PostgresDriver(address, patience=patience), RetentionConfig())


async def ask(url: str, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


async def refusal(url: str) -> JournalError:
    journal = open_journal(url, state_dir="/nowhere")
    with pytest.raises(JournalError) as caught:
        await journal.open()
    return caught.value


async def _work(journal: Journal, over: asyncio.Event, kept: dict[str, int]) -> None:
    """Lead executions to their end until `over`, whatever the server does; note what was acknowledged."""
    last = False
    while not last:
        last = over.is_set()
        new = execution()
        await journal.submit(new)
        try:
            claim = await journal.claim(new.uuid, "w", LEASE_MS)
        except JournalError as error:
            if "not known" not in error.message:
                raise
            continue
        assert claim is not None
        await journal.running(claim.fence, backend="b", tier="t")
        await journal.call_started(claim.fence, call(0))
        await journal.call_ended(claim.fence, call(0, state="answered"))
        try:
            await journal.finish(claim.fence, DONE)
        except JournalError as error:
            if "not known" not in error.message:
                raise
            with contextlib.suppress(Lost):
                await journal.finish(claim.fence, DONE)
        kept[new.uuid] = 1


def test_a_server_that_crashes_and_comes_back_costs_nothing(server: PostgresServer) -> None:
    async def scenario() -> None:
        journal = journal_at(server.database(), patience=60.0)
        await journal.open()
        over = asyncio.Event()
        kept: dict[str, int] = {}
        workers = [asyncio.create_task(_work(journal, over, kept)) for _ in range(4)]
        for crash in (True, False, True):
            before = len(kept)
            while len(kept) < before + 5:
                await asyncio.wait(workers, timeout=0.01)
                assert not any(worker.done() for worker in workers), [
                    w.exception() for w in workers if w.done()
                ]
            await asyncio.to_thread(server.stop, crash=crash)
            await asyncio.to_thread(server.start)
        over.set()
        await asyncio.gather(*workers)
        for uuid in kept:
            found = await journal.get(uuid, None)
            assert found is not None
            assert (found.state, found.results, found.calls) == ("completed", DONE.results, 1)
            assert [one.state for one in await journal.inner_calls(uuid)] == ["answered"]
        await journal.close()

    asyncio.run(scenario())


def test_a_server_that_is_down_is_told_within_the_time_allowed(server: PostgresServer) -> None:
    async def scenario() -> None:
        url = server.database()
        journal = journal_at(url, patience=3.0)
        await journal.open()
        await journal.submit(execution())
        server.stop(crash=True)
        for work in (journal.submit(execution()), journal.due()):
            with pytest.raises(JournalError) as caught:
                await work
            assert caught.value.code == "JRN015"
        await journal.close()
        assert (await refusal(url)).code == "JRN015"

    asyncio.run(scenario())


def test_several_runners_may_begin_at_once() -> None:
    async def scenario() -> None:
        url = shared_server().database()
        journals = [journal_at(url) for _ in range(5)]
        await asyncio.gather(*(journal.open() for journal in journals))
        await journals[0].submit(execution())
        assert len(await journals[4].due()) == 1
        for journal in journals:
            await journal.close()

    asyncio.run(scenario())


def test_a_lock_is_waited_for_and_then_told() -> None:
    async def scenario() -> None:
        url = shared_server().database()
        journal = journal_at(url, patience=2.0)
        await journal.open()
        async with await psycopg.AsyncConnection.connect(url) as other:
            await other.execute("LOCK TABLE callgate.execution IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(JournalError) as caught:
                await journal.submit(execution())
            assert caught.value.code == "JRN009"
        await journal.submit(execution())
        assert len(await journal.due()) == 1
        await journal.close()

    asyncio.run(scenario())


def test_a_schema_that_is_no_journal_of_this_version_is_refused() -> None:
    async def scenario() -> None:
        url = shared_server().database()
        await ask(url, "CREATE SCHEMA callgate", "CREATE TABLE callgate.mine (x int)")
        assert (await refusal(url)).code == "JRN005"
        await ask(url, "DROP TABLE callgate.mine")
        journal = open_journal(url, state_dir="/nowhere")
        await journal.open()
        await journal.close()
        await ask(url, "UPDATE callgate.journal_format SET version = 2")
        assert (await refusal(url)).code == "JRN006"
        await ask(url, "DELETE FROM callgate.journal_format")
        assert (await refusal(url)).code == "JRN007"

    asyncio.run(scenario())


def test_tables_that_vanish_are_told() -> None:
    async def scenario() -> None:
        url = shared_server().database()
        journal = journal_at(url)
        await journal.open()
        await ask(url, "DROP TABLE callgate.inner_call")
        with pytest.raises(JournalError) as caught:
            await journal.inner_calls("a")
        assert caught.value.code == "JRN007"
        await journal.close()

    asyncio.run(scenario())


def test_who_is_not_let_in_is_told_so_without_the_password() -> None:
    async def scenario() -> None:
        server = shared_server()
        url = server.database()
        name = f"plain{os.getpid()}"
        await ask(url, f"CREATE ROLE {name} LOGIN")
        for odd in (
            url.replace("owner@", "nobody-here:S3CRET@"),
            url.replace("owner@", f"{name}:S3CRET@"),
            server.url("no_such_database").replace("owner@", "owner:S3CRET@"),
        ):
            error = await refusal(odd)
            assert error.code in ("JRN015", "JRN016")
            assert "S3CRET" not in f"{error.message} {error.help}"
            assert "\n" not in error.message
        await ask(url, f"CREATE SCHEMA callgate AUTHORIZATION {name}")
        journal = open_journal(url.replace("owner@", f"{name}@"), state_dir="/nowhere")
        await journal.open()
        await journal.submit(execution())
        await journal.close()
        await ask(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")

    asyncio.run(scenario())


def test_a_read_only_server_is_told() -> None:
    async def scenario() -> None:
        url = shared_server().database()
        assert (await refusal(f"{url}&options=-cdefault_transaction_read_only%3Don")).code == "JRN010"

    asyncio.run(scenario())
