"""Two runners on one journal in a file, as two desktop clients start them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from durable_plans import OUTPUT_VARS, Plan, Step
from durable_runner import Home, Runner

pytestmark = pytest.mark.xdist_group("durability")


def run(test: Callable[[], Awaitable[Any]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(120):
            await test()

    asyncio.run(limited())


def plans(owner: str, count: int) -> list[Plan]:
    return [
        Plan(f"{owner}{number}", tuple(Step("append", f"{owner}{number}.{step}", 0.05) for step in range(3)))
        for number in range(count)
    ]


async def submitted(runner: Runner, given: list[Plan]) -> dict[str, Plan]:
    return {
        await runner.submit(plan.script(), name=plan.name, output_vars=OUTPUT_VARS): plan for plan in given
    }


async def started(home: Home, *owners: str) -> list[Runner]:
    runners = [Runner(home, owner=owner) for owner in owners]
    await asyncio.gather(*(runner.start() for runner in runners))
    return runners


def test_each_sees_its_own_all_end_once_and_one_takes_over_from_the_other(tmp_path: Path) -> None:
    async def test() -> None:
        home = Home(tmp_path / "home", concurrency=2)
        ann, ben = await started(home, "ann", "ben")
        of_ann, of_ben = await asyncio.gather(submitted(ann, plans("a", 8)), submitted(ben, plans("b", 8)))
        for runner, own, foreign in ((ann, of_ann, of_ben), (ben, of_ben, of_ann)):
            listed = await runner.call("listCodeExecutions", limit=50)
            assert {one["execution_uuid"] for one in listed["executions"]} == set(own)
            for uuid in foreign:
                refused = await runner.call("checkCodeExecStatus", execution_uuid=uuid)
                assert "refused" in refused
        while len(home.effects("begin")) < 6:
            await asyncio.sleep(0.01)
        await ann.kill()
        ends = dict(zip(of_ben, await asyncio.gather(*map(ben.ended, of_ben)), strict=True))
        # Whoever comes back as the same owner finds what the other has done meanwhile, or does it.
        (ann,) = await started(home, "ann")
        ends.update(zip(of_ann, await asyncio.gather(*map(ann.ended, of_ann)), strict=True))
        times = Counter(token for token, _ in home.effects())
        assert max(times.values()) == 1
        words = dict(home.effects())
        for uuid, plan in {**of_ann, **of_ben}.items():
            told = ends[uuid]
            if told["state"] == "completed":
                assert told["results"] == plan.expected(words)
            else:
                # Those in the middle of a call when Ann's runner died; it had two places.
                assert (told["state"], told["cause"]) == ("interrupted", "in_doubt_call")
        assert sum(told["state"] == "interrupted" for told in ends.values()) <= 2
        for runner in (ann, ben):
            assert await runner.hang_up() == 0
            await runner.closed()

    run(test)
