"""Journals of both databases, for tests that hold for both; and executions to put into them."""

# Statements are put together of these tests' own words.
# ruff: noqa: S608

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from tests.support.postgres_server import shared_server

from callgate.clock import ManualClock
from callgate.config.runner_model import RetentionConfig
from callgate.runner.execution import Ending, Execution, InnerCall, Owner, Spec
from callgate.runner.journal.contract import Claim, Journal
from callgate.runner.journal.open import open_journal

ALICE = Owner("alice", session="s1")
BOB = Owner("bob", claims={"groups": ["x"]})
LEASE_MS = 15_000
DONE = Ending(state="completed", results={"answer": 42})

_numbers = itertools.count()


class Store:
    """An open journal and its time."""

    def __init__(self, journal: Journal, clock: ManualClock, url: str, bounds: RetentionConfig) -> None:
        self.journal = journal
        self.clock = clock
        self.url = url
        self.bounds = bounds

    async def age(self, seconds: float) -> None:
        """Let time pass. PostgreSQL has a clock of its own, so there everything becomes older instead."""
        self.clock.advance(seconds)
        if self.url.startswith("postgres"):
            back = round(seconds * 1000)
            statement = (
                f"UPDATE callgate.execution SET created_ms = created_ms - {back}, "
                f"ended_ms = ended_ms - {back}, lease_until_ms = lease_until_ms - {back}"
            )
            variables = f"UPDATE callgate.variable SET declared_ms = declared_ms - {back}"
            async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                await connection.execute(statement.encode())
                await connection.execute(variables.encode())

    async def accept(self, owner: Owner = ALICE, **spec: Any) -> str:
        """Submit an execution; returns its name."""
        new = execution(owner, **spec)
        await self.journal.submit(new)
        return new.uuid

    async def take(self, uuid: str, worker: str = "w1") -> Claim:
        claim = await self.journal.claim(uuid, worker, LEASE_MS)
        assert claim is not None
        return claim

    async def run(self, uuid: str) -> Claim:
        """Take it up and let it run."""
        claim = await self.take(uuid)
        await self.journal.running(claim.fence, backend="bwrap", tier="sandbox")
        return claim

    async def see(self, uuid: str) -> Execution:
        found = await self.journal.get(uuid, None)
        assert found is not None
        return found

    async def due(self) -> list[str]:
        return [uuid for uuid, _ in await self.journal.due()]


def execution(owner: Owner = ALICE, **spec: Any) -> Execution:
    return Execution(
        uuid=f"execution-{next(_numbers):06}", owner=owner, spec=Spec(**{"script": "x = 1", **spec})
    )


def call(
    seq: int, *, attempt: int = 1, state: Literal["started", "answered", "denied"] = "started"
) -> InnerCall:
    ended = None if state == "started" else 2_000
    answer = None if state == "started" else b'{"value":%d}' % seq
    return InnerCall(
        seq=seq,
        attempt=attempt,
        function="mcp_files_write",
        arguments_sha256="ab" * 32,
        state=state,
        repeatable=False,
        started_ms=1_000,
        ended_ms=ended,
        answer=answer,
    )


@asynccontextmanager
async def opened(kind: str, folder: Path, **bounds: Any) -> AsyncIterator[Store]:
    """An empty journal of its own."""
    retention = RetentionConfig(**bounds)
    clock = ManualClock()
    url = f"sqlite:{folder}/journal.sqlite" if kind == "sqlite" else shared_server().database()
    journal = open_journal(url, state_dir=str(folder), sync="normal", retention=retention, clock=clock)
    await journal.open()
    try:
        yield Store(journal, clock, url, retention)
    finally:
        await journal.close()


KINDS = [
    pytest.param("sqlite"),
    # One worker starts the server.
    pytest.param("postgres", marks=pytest.mark.xdist_group("journal-postgres")),
]


def on_both(**bounds: Any) -> Callable[[Callable[[Store], Awaitable[None]]], Callable[[str, Path], None]]:
    """A test of what holds for every journal: it is given an empty one of each kind, with these bounds."""

    def decorate(test: Callable[[Store], Awaitable[None]]) -> Callable[[str, Path], None]:
        async def scenario(kind: str, folder: Path) -> None:
            async with opened(kind, folder, **bounds) as store:
                await test(store)

        @pytest.mark.parametrize("kind", KINDS)
        def run(kind: str, tmp_path: Path) -> None:
            asyncio.run(scenario(kind, tmp_path))

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate
