"""A journal in a file fails closed, whatever happens to the file, and time set back or forth ends no lease."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from journal_stores import ALICE, DONE, LEASE_MS, Store, execution, opened
from tests.support.small_disk import small_disk

from callgate.clock import ManualClock
from callgate.config.runner_model import RetentionConfig
from callgate.errors import JournalError
from callgate.runner.execution import Ending
from callgate.runner.journal.contract import Journal
from callgate.runner.journal.open import open_journal
from callgate.runner.journal.retention import YOUNG_MS
from callgate.runner.journal.sql_journal import SqlJournal
from callgate.runner.journal.sqlite_driver import SqliteDriver


def refusal(path: Path) -> str:
    """The code with which the file is refused."""

    async def scenario() -> None:
        await open_journal(f"sqlite:{path}", state_dir="/nowhere").open()

    with pytest.raises(JournalError) as caught:
        asyncio.run(scenario())
    return caught.value.code


def on_file(folder: Path, test: Callable[[Store], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with opened("sqlite", folder) as store:
            await test(store)

    asyncio.run(scenario())


def made(folder: Path) -> Path:
    async def nothing(store: Store) -> None:
        await store.accept()

    on_file(folder, nothing)
    return folder / "journal.sqlite"


def test_the_default_is_a_private_file_in_the_state_directory(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal = open_journal(None, state_dir=str(tmp_path / "state/callgate"))
        await journal.open()
        await journal.submit(execution())
        for name in os.listdir(tmp_path / "state/callgate"):
            assert os.stat(tmp_path / "state/callgate" / name).st_mode & 0o777 == 0o600
        await journal.close()

    asyncio.run(scenario())
    assert os.listdir(tmp_path / "state/callgate") == ["runner.sqlite"]
    assert os.stat(tmp_path / "state").st_mode & 0o777 == 0o700


def test_files_that_are_no_journal_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    text.chmod(0o600)
    assert refusal(text) == "JRN005"
    foreign = tmp_path / "foreign"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    foreign.chmod(0o600)
    before = foreign.read_bytes()
    assert refusal(foreign) == "JRN005"
    assert foreign.read_bytes() == before


def test_a_newer_format_and_odd_tables_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=2")
    db.close()
    assert refusal(path) == "JRN006"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=1")
        db.execute("CREATE TRIGGER t AFTER UPDATE ON execution BEGIN DELETE FROM inner_call; END")
    db.close()
    assert refusal(path) == "JRN007"


def test_files_that_others_could_change_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    path.chmod(0o644)
    assert refusal(path) == "JRN004"
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert refusal(link) == "JRN004"
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(tmp_path / "pipe") == "JRN004"
    tmp_path.chmod(0o777)
    assert refusal(path) == "JRN004"
    tmp_path.chmod(0o700)
    assert refusal(path / "below") == "JRN003"


def test_damage_is_told(tmp_path: Path) -> None:
    path = made(tmp_path)
    data = bytearray(path.read_bytes())
    data[4096 * 3 :] = os.urandom(len(data) - 4096 * 3)
    path.write_bytes(data)

    async def scenario() -> None:
        journal = open_journal(f"sqlite:{path}", state_dir="/nowhere")
        try:
            await journal.open()
            for _ in range(3):
                await journal.submit(execution())
                await journal.list(ALICE, limit=10)
        finally:
            await journal.close()

    with pytest.raises(JournalError) as caught:
        asyncio.run(scenario())
    assert caught.value.code in ("JRN007", "JRN012")


def test_a_file_that_is_gone_is_never_replaced_by_an_empty_one(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await store.accept()
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        for _ in range(2):
            with pytest.raises(JournalError) as caught:
                await store.accept()
            assert caught.value.code == "JRN011"
        assert os.listdir(tmp_path) == []

    on_file(tmp_path, scenario)


def test_a_lock_is_waited_for_and_then_told(tmp_path: Path) -> None:
    path = str(made(tmp_path))

    async def scenario() -> None:
        driver = SqliteDriver(path, synchronous="NORMAL", busy_timeout_ms=50)
        journal = SqlJournal(driver, RetentionConfig())
        await journal.open()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(
            *(journal.submit(execution()) for _ in range(5)), return_exceptions=True
        )
        assert [getattr(one, "code", None) for one in outcomes] == ["JRN009"] * 5
        assert len(await journal.due()) == 1
        other.execute("ROLLBACK")
        other.close()
        await journal.submit(execution())
        assert len(await journal.due()) == 2
        await journal.close()

    asyncio.run(scenario())


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async def scenario(folder: Path) -> None:
        async with opened("sqlite", folder) as store:
            claim = await store.run(await store.accept())
            ballast = folder / "ballast"
            _fill(ballast)
            accepted: list[str] = []
            with pytest.raises(JournalError) as caught:
                await _accept_until_refused(store, accepted)
            assert caught.value.code == "JRN008"
            outcomes = await asyncio.gather(
                *(store.accept(script="#" * 1_000_000) for _ in range(4)), return_exceptions=True
            )
            assert {getattr(one, "code", None) for one in outcomes} == {"JRN008"}
            assert set(await store.due()) == set(accepted)
            ballast.unlink()
            await store.journal.finish(claim.fence, DONE)
            assert (await store.see(claim.fence.uuid)).results == DONE.results
            await store.accept()

    with small_disk(tmp_path / "disk", "1m") as folder:
        asyncio.run(scenario(folder))


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def _accept_until_refused(store: Store, accepted: list[str]) -> None:
    while True:
        accepted.append(await store.accept(script="#" * 50_000))


def test_one_that_is_refused_does_not_hurt_those_it_shares_a_commit_with(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        claim = await store.take(await store.accept())
        outcomes = await asyncio.gather(
            *(store.accept() for _ in range(10)),
            store.journal.finish(claim.fence, DONE),
            *(store.accept() for _ in range(10)),
            store.journal.finish(claim.fence, Ending(state="failed")),
            return_exceptions=True,
        )
        assert [type(one).__name__ for one in outcomes if not isinstance(one, str)] == [
            "ValueError",
            "NoneType",
        ]
        assert len(await store.due()) == 20

    on_file(tmp_path, scenario)


def test_setting_the_clock_ends_no_lease_and_lengthens_none(tmp_path: Path) -> None:
    for step in (-10 * 86_400, 10 * 86_400, -3, 3):
        folder = tmp_path / str(step)
        folder.mkdir()

        async def scenario(store: Store, step: int = step) -> None:
            uuid = await store.accept()
            await store.take(uuid)
            store.clock.advance(10)
            store.clock.step_wall(step)
            assert await store.journal.claim(uuid, "w2", LEASE_MS) is None
            assert await store.journal.now_ms() == store.clock.wall_ns() // 1_000_000
            store.clock.advance(4)
            assert await store.due() == []
            store.clock.advance(2)
            assert await store.due() == [uuid]
            assert (await store.take(uuid)).fence.attempt == 2

        on_file(folder, scenario)


def test_after_a_reboot_no_lease_from_before_counts(tmp_path: Path) -> None:
    clock = ManualClock()

    async def begin(journal: Journal) -> None:
        new = execution()
        await journal.submit(new)
        assert await journal.claim(new.uuid, "w", LEASE_MS) is not None

    async def again(journal: Journal) -> None:
        [(uuid, attempt)] = await journal.due()
        assert attempt == 1
        assert await journal.claim(uuid, "w", LEASE_MS) is not None

    async def scenario(work: Callable[[Journal], Awaitable[None]]) -> None:
        journal = open_journal(None, state_dir=str(tmp_path), clock=clock)
        await journal.open()
        await work(journal)
        await journal.close()

    asyncio.run(scenario(begin))
    clock.reboot()
    clock.step_wall(-86_400)
    asyncio.run(scenario(again))


def test_space_is_given_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened("sqlite", tmp_path, max_executions=0) as store:
            for _ in range(40):
                uuid = await store.accept(script="#" * 100_000)
                await store.journal.request_cancel(uuid, ALICE)
            await store.age(YOUNG_MS / 1000)
            assert await store.journal.tidy() == 40
            await store.journal.tidy()

    asyncio.run(scenario())
    assert (tmp_path / "journal.sqlite").stat().st_size < 500_000
