"""Many processes on one journal: each execution goes to one of them, and `kill -9` takes back nothing that was said."""

import asyncio
import itertools
import os
import random
import select
import signal
import sqlite3
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from journal_stores import DONE, KINDS, LEASE_MS, Store, call, execution, opened

from callgate.runner.journal.contract import Journal, Output
from callgate.runner.journal.open import open_journal

# The children use nothing of what the parent's threads hold.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

KILLS = {"sqlite": 60, "postgres": 10}


def _forked(url: str, work: Callable[[Journal, int], Awaitable[None]]) -> tuple[int, int]:
    """Do `work` in another process, on a journal that it opens itself, with a pipe's end; its id and the other end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        os.close(reading)

        async def scenario() -> None:
            journal = open_journal(url, state_dir="/nowhere", sync="normal")
            await journal.open()
            await work(journal, writing)
            await journal.close()

        asyncio.run(scenario())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _read_all(descriptor: int) -> list[str]:
    with os.fdopen(descriptor, "rb") as file:
        whole = file.read()
    return whole[: whole.rfind(b"\n") + 1].decode().split("\n")[:-1]


async def _claim_all(journal: Journal, pipe: int) -> None:
    for uuid, _ in await journal.due():
        claim = await journal.claim(uuid, str(os.getpid()), LEASE_MS)
        if claim is not None:
            assert claim.fence.attempt == 1
            os.write(pipe, f"{uuid}\n".encode())


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_processes_one_gets_each_execution(kind: str, tmp_path: Path) -> None:
    async def scenario(store: Store) -> list[str]:
        names = [await store.accept() for _ in range(60)]
        racing = [_forked(store.url, _claim_all) for _ in range(6)]
        claimed = [_read_all(pipe) for _, pipe in racing]
        for child, _ in racing:
            assert os.waitpid(child, 0)[1] == 0
        assert sorted(itertools.chain(*claimed)) == sorted(names)
        return names

    async def whole() -> None:
        async with opened(kind, tmp_path) as store:
            await scenario(store)
            assert await store.due() == []

    asyncio.run(whole())


async def _live(journal: Journal, pipe: int) -> None:
    """Lead executions from their beginning to their end, and say so after each step."""
    while True:
        new = execution()
        uuid = f"{new.uuid}-{os.getpid()}"
        new = new.__class__(uuid=uuid, owner=new.owner, spec=new.spec)

        def said(what: str, uuid: str = uuid) -> None:
            os.write(pipe, f"{uuid} {what}\n".encode())

        await journal.submit(new)
        said("submitted")
        claim = await journal.claim(uuid, "w", LEASE_MS)
        assert claim is not None
        said("claimed")
        await journal.running(claim.fence, backend="b", tier="t")
        for seq in range(3):
            await journal.call_started(claim.fence, call(seq))
            said(f"started {seq}")
            await journal.call_ended(claim.fence, call(seq, state="answered"))
            said(f"answered {seq}")
            await journal.append_output(claim.fence, [Output(3 * seq, "stdout", b"abc")])
            said(f"written {3 * seq + 3}")
        await journal.finish(claim.fence, DONE, {"x": 1})
        said("finished")


async def _check(store: Store, said: list[str]) -> None:
    """What was said is in the journal, and what is in the journal is whole."""
    for line in said:
        uuid, what, *number = line.split()
        found = await store.see(uuid)
        kept = {one.seq: one.state for one in await store.journal.inner_calls(uuid)}
        if what == "claimed":
            assert found.attempt == 1
        elif what == "started":
            assert int(number[0]) in kept
        elif what == "answered":
            assert kept[int(number[0])] == "answered"
        elif what == "written":
            assert found.output_bytes >= int(number[0])
        elif what == "finished":
            assert found.state == "completed"
        if found.state == "completed":
            assert found.results == DONE.results
            assert kept == dict.fromkeys(range(3), "answered")
            assert (await store.journal.output(uuid, 0, 99))[1] == found.output_bytes == 9


@pytest.mark.parametrize("kind", KINDS)
def test_kill_9_takes_back_nothing_that_was_said(kind: str, tmp_path: Path) -> None:
    dice = random.Random(20_26)
    told = 0

    async def scenario() -> None:
        nonlocal told
        async with opened(kind, tmp_path) as store:
            for _ in range(KILLS[kind]):
                child, pipe = _forked(store.url, _live)
                wanted = dice.randrange(1, 600)
                heard = b""
                while len(heard) < wanted:
                    heard += os.read(pipe, wanted - len(heard))
                # Anywhere within the next steps.
                select.select([], [], [], dice.random() * 0.003)
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                with os.fdopen(pipe, "rb") as rest:
                    heard += rest.read()
                said = heard[: heard.rfind(b"\n") + 1].decode().splitlines()
                told += len(said)
                await _check(store, said)

    asyncio.run(scenario())
    assert told > 4 * KILLS[kind]
    if kind == "sqlite":
        db = sqlite3.connect(tmp_path / "journal.sqlite")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
