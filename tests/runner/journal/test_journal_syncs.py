"""Which writes wait for the disk: those that a power cut must not take. What the next attempt makes anew does not."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.config.runner_model import RetentionConfig
from callgate.runner.execution import Ending, Execution, InnerCall, Owner, Spec
from callgate.runner.journal.contract import Output
from callgate.runner.journal.driver import Steps, T
from callgate.runner.journal.sql_journal import SqlJournal
from callgate.runner.journal.sqlite_driver import SqliteDriver

OWNER = Owner("local:somebody")


class Watched(SqliteDriver):
    """Remembers whether the last write waited for the disk."""

    synced: bool | None = None

    async def write(
        self, steps: Callable[[], Steps[T]], *, durable: bool = True, repeatable: bool = False
    ) -> T:
        self.synced = durable
        return await super().write(steps, durable=durable, repeatable=repeatable)


def call(seq: int, *, repeatable: bool, **more: Any) -> InnerCall:
    return InnerCall(
        seq=seq,
        attempt=1,
        function="mcp_A_b",
        arguments_sha256="0" * 64,
        repeatable=repeatable,
        started_ms=1,
        **{"state": "started", **more},
    )


@pytest.fixture
def synced(tmp_path: Path) -> dict[str, bool | None]:
    """For each kind of write, whether it waited for the disk."""

    async def write_all() -> dict[str, bool | None]:
        driver = Watched(str(tmp_path / "journal.sqlite"), synchronous="FULL")
        journal = SqlJournal(driver, RetentionConfig())
        found: dict[str, bool | None] = {}
        await journal.open()
        try:
            for uuid in ("one", "two"):
                await journal.submit(Execution(uuid=uuid, owner=OWNER, spec=Spec(script="")))
            found["submit"] = driver.synced
            claims = {uuid: await journal.claim(uuid, "worker", 10_000) for uuid in ("one", "two")}
            found["claim"] = driver.synced
            first, second = (claim.fence for claim in claims.values() if claim is not None)
            await journal.running(first, backend="bwrap", tier="sandbox")
            found["running"] = driver.synced
            await journal.append_output(first, [Output(0, "stdout", b"x")])
            found["output"] = driver.synced
            await journal.progress(first, 0.5, None)
            found["progress"] = driver.synced
            for seq, repeatable in ((1, True), (2, False)):
                name = "repeatable" if repeatable else "once"
                await journal.call_started(first, call(seq, repeatable=repeatable))
                found[f"started, {name}"] = driver.synced
                end = call(seq, repeatable=repeatable, state="answered", ended_ms=2, answer=b"{}")
                await journal.call_ended(first, end)
                found[f"ended, {name}"] = driver.synced
            await journal.finish(first, Ending(state="completed", results={}))
            found["finish"] = driver.synced
            await journal.request_cancel("two", OWNER)
            found["cancel"] = driver.synced
            await journal.release(second)
            found["release"] = driver.synced
        finally:
            await journal.close()
        return found

    return asyncio.run(write_all())


def test_what_is_acknowledged_and_what_may_happen_only_once_waits_for_the_disk(
    synced: dict[str, bool | None],
) -> None:
    waiting = {name for name, each in synced.items() if each}
    assert waiting == {"submit", "claim", "started, once", "ended, once", "finish", "cancel", "release"}
