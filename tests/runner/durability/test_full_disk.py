"""The journal's disk is full while executions run: what was accepted ends truly, and no more is accepted until there is
room again."""

import asyncio
from pathlib import Path

import pytest
from durable_plans import OUTPUT_VARS, Plan, Step
from durable_runner import Home, Runner
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.xdist_group("durability")


def fill(ballast: Path) -> None:
    """Leave not one page."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_what_was_accepted_ends_truly_and_no_more_is_until_there_is_room(tmp_path: Path) -> None:
    async def test(journal: Path) -> None:
        home = Home(tmp_path / "home", journal=f"sqlite:{journal}/runner.sqlite", lease="60s")
        runner = Runner(home)
        await runner.start()
        plan = Plan("p", tuple(Step("append", f"p.{number}", 0.0, 0.3) for number in range(6)))
        uuid = await runner.submit(plan.script(), name=plan.name, output_vars=OUTPUT_VARS)
        while "p.1" not in dict(home.effects()):
            await asyncio.sleep(0.01)
        fill(journal / "ballast")
        while b"error" not in home.log.read_bytes():
            await asyncio.sleep(0.02)
        told = await runner.call("asyncExecuteCode", script=plan.script())
        assert told["refused"]["code"] == "RUN053"
        looked = await runner.call("checkCodeExecStatus", execution_uuid=uuid)
        assert looked["status"] == "running"
        (journal / "ballast").unlink()
        told = await runner.ended(uuid)
        assert told["state"] == "completed", told
        assert told["results"] == plan.expected(dict(home.effects()))
        assert sorted(token for token, _ in home.effects()) == sorted(plan.tokens)
        again = Plan("q", (Step("append", "q.0"),))
        uuid = await runner.submit(again.script(), name=again.name, output_vars=OUTPUT_VARS)
        assert (await runner.ended(uuid))["state"] == "completed"
        assert await runner.hang_up() == 0
        await runner.closed()

    async def limited(journal: Path) -> None:
        async with asyncio.timeout(120):
            await test(journal)

    with small_disk(tmp_path / "disk", "1m") as journal:
        asyncio.run(limited(journal))


def test_a_runner_can_end_while_its_journal_cannot_be_written(tmp_path: Path) -> None:
    async def test(journal: Path) -> None:
        home = Home(tmp_path / "home", journal=f"sqlite:{journal}/runner.sqlite", lease="1s")
        runner = Runner(home)
        await runner.start()
        plan = Plan("p", tuple(Step("append", f"p.{number}", 0.0, 0.2) for number in range(4)))
        uuid = await runner.submit(plan.script(), name=plan.name, output_vars=OUTPUT_VARS)
        while "p.1" not in dict(home.effects()):
            await asyncio.sleep(0.01)
        fill(journal / "ballast")
        assert await runner.hang_up() == 0
        await runner.closed()
        (journal / "ballast").unlink()
        second = Runner(home)
        await second.start()
        told = await second.ended(uuid)
        words = dict(home.effects())
        assert len(home.effects()) == len(words)
        if told["state"] == "completed":
            assert told["results"] == plan.expected(words)
        else:
            # The answer that could not be written any more.
            assert (told["state"], told["cause"]) == ("interrupted", "in_doubt_call")
            assert len(words) < len(plan.tokens)
        assert await second.hang_up() == 0
        await second.closed()

    async def limited(journal: Path) -> None:
        async with asyncio.timeout(120):
            await test(journal)

    with small_disk(tmp_path / "disk", "1m") as journal:
        asyncio.run(limited(journal))
