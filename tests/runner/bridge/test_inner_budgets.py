"""Budgets of executions, and which policy judges which call."""

import asyncio
from collections import Counter

from bridge_bench import ALICE, ALLOW, MODERN, ODD, Folder, opened, run

from callgate.config.load import load_files
from callgate.runner.bridge.contract import CallCounts, Parent
from callgate.runner.bridge.gated import GatedBridge
from callgate.transports.spawner import Spawner

BUDGET = ALLOW + "per_execution: {max_calls: 2, max_denied: 2}\n"


def test_an_execution_that_spent_its_budget_is_denied_and_another_is_not(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(BUDGET, odd={"command": ODD})
    spent = CallCounts(made={("odd", "again"): 2, ("other", "x"): 50}, denied={})
    fresh = CallCounts(made={("other", "x"): 50}, denied={"other": 50})

    async def proceed(_decision: str) -> None:
        pass

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            parent = Parent("uuid-1", ALICE)
            told = (await bench.bridge.call(parent, "mcp_odd_again", {}, proceed, spent)).failure
            assert told is not None
            assert (told.kind, told.rule, told.ran) == ("denied", "per_execution.max_calls", False)
            assert (await bench.bridge.call(parent, "mcp_odd_again", {}, proceed, fresh)).value == "done"

    run(work())
    assert folder.calls()[0]["rule"] == "per_execution.max_calls"


def test_calls_of_one_execution_that_come_together_do_not_spend_more_than_its_budget(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(BUDGET, odd={"command": ODD})
    made: Counter[tuple[str, str]] = Counter()

    async def count(_decision: str) -> None:
        await asyncio.sleep(0)
        made["odd", "again"] += 1

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            await bench.bridge.tools(ALICE)
            parent, counts = Parent("uuid-1", ALICE), CallCounts(made=made, denied={})
            calls = (bench.bridge.call(parent, "mcp_odd_again", {}, count, counts) for _ in range(6))
            answers = await asyncio.gather(*calls)
            assert sum(answer.failure is None for answer in answers) == 2

    run(work())


def test_the_policy_of_the_runner_bounds_the_calls_to_all_servers_and_is_reloaded(
    folder: Folder, spawner: Spawner
) -> None:
    folder.policy("default: allow\nper_execution: {tools: {mcp_odd_*: 1}}\n", "runner.yaml")
    folder.write(odd={"command": ODD}, runner={"policy": "runner.yaml"})
    counts = CallCounts(made={("odd", "recall"): 1}, denied={})

    async def proceed(_decision: str) -> None:
        pass

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            parent = Parent("uuid-1", ALICE)
            told = (await bench.bridge.call(parent, "mcp_odd_again", {}, proceed, counts)).failure
            assert told is not None
            assert told.rule == "per_execution.tools.mcp_odd_*"
            folder.policy("default: allow\nper_execution: {tools: {mcp_odd_*: 2}}\n", "runner.yaml")
            assert (await bench.bridge.call(parent, "mcp_odd_again", {}, proceed, counts)).value == "done"
            folder.policy("default: allow\nper_execution: {max_calls: 1}\n", "runner.yaml")
            told = (await bench.bridge.call(parent, "mcp_odd_again", {}, proceed, counts)).failure
            assert told is not None
            assert told.rule == "per_execution.max_calls"

    run(work())


def test_each_server_has_its_own_policy(folder: Folder, spawner: Spawner) -> None:
    folder.policy("default: deny\ntools:\n  add: {rules: [{action: allow}]}\n", "strict.yaml")
    folder.write(odd={"command": ODD}, modern={"command": MODERN, "policy": "strict.yaml"})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.value("mcp_odd_again") == "done"
            assert await bench.value("mcp_modern_add", {"a": 1, "b": 1}) == {"result": 2}
            assert (await bench.failure("mcp_modern_wait", {"steps": 1})).code == "DEN011"

    run(work())


def test_a_runner_without_servers_opens(folder: Folder) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        bridge = GatedBridge(load_files(str(folder.path / "callgate.yaml")), servers=())
        await bridge.open()
        assert list(await bridge.tools(ALICE)) == []
        await bridge.close()

    run(work())
