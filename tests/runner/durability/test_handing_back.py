"""Whoever is asked to end hands back what it has not finished, and the next one goes on with it at once."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import process_tree
import pytest
from durable_plans import OUTPUT_VARS, Plan, Step
from durable_runner import Home, Program, Runner, Worker
from tests.support.free_port import free_port
from tests.support.redis_server import RedisServer

LEASE = 300.0
"""Seconds. Nobody can have waited for it to run out."""

pytestmark = pytest.mark.xdist_group("durability")


def run(test: Callable[[], Awaitable[Any]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(120):
            await test()

    asyncio.run(limited())


def home(tmp_path: Path, **settings: Any) -> Home:
    return Home(tmp_path / "home", **{"lease": LEASE, "drain": "1s", **settings})


def slow(name: str, *, calls: int = 12) -> Plan:
    """Takes several times as long as anybody who ends waits, but no single call does."""
    return Plan(name, tuple(Step("append", f"{name}.{number}", 0.1, 0.2) for number in range(calls)))


async def effect(it: Home, token: str) -> None:
    while token not in dict(it.effects()):
        await asyncio.sleep(0.02)


async def nothing_is_left(*programs: Program) -> None:
    for program in programs:
        pid = program.process.pid
        assert not os.path.exists(f"/proc/{pid}")
    assert not process_tree.sandboxes(os.getpid())


async def completed(it: Home, told: dict[str, Any], plan: Plan) -> None:
    effects = it.effects()
    assert told["state"] == "completed", told
    assert told["results"] == plan.expected(dict(effects))
    assert sorted(token for token, _ in effects) == sorted(plan.tokens)


def test_a_client_that_hangs_up_leaves_its_execution_to_the_next_runner(tmp_path: Path) -> None:
    async def test() -> None:
        it, plan = home(tmp_path), slow("p")
        first = Runner(it)
        await first.start()
        uuid = await first.submit(plan.script(), output_vars=OUTPUT_VARS)
        await effect(it, "p.1")
        assert await first.hang_up() == 0
        await first.closed()
        second = Runner(it)
        await second.start()
        told = await second.ended(uuid)
        assert told["attempt"] == 2
        await completed(it, told, plan)
        assert await second.hang_up() == 0
        await second.closed()
        await nothing_is_left(first, second)

    run(test)


@pytest.mark.parametrize("first_word", ["SIGTERM", "end of input"])
def test_whoever_asks_again_is_not_kept_waiting(tmp_path: Path, first_word: str) -> None:
    async def test() -> None:
        it, plan = home(tmp_path, drain="100s"), slow("p")
        first = Runner(it)
        await first.start()
        uuid = await first.submit(plan.script(), output_vars=OUTPUT_VARS)
        await effect(it, "p.1")
        if first_word == "SIGTERM":
            first.process.send_signal(signal.SIGTERM)
        elif first.process.stdin is not None:
            first.process.stdin.close()
        while b"ending:" not in it.log.read_bytes():
            await asyncio.sleep(0.02)
        assert await first.end() == 0
        await first.closed()
        assert len(it.effects()) < len(plan.tokens)
        second = Runner(it)
        await second.start()
        await completed(it, await second.ended(uuid), plan)
        await second.end(signal.SIGTERM)
        await second.closed()

    run(test)


def test_what_a_worker_hands_back_another_takes_up_at_once(tmp_path: Path) -> None:
    redis = RedisServer(port=free_port()).start()

    async def test() -> None:
        it, plan = home(tmp_path, queue=f"redis://127.0.0.1:{redis.port}/0"), slow("p")
        runner, first, second = Runner(it, "--no-worker"), Worker(it), Worker(it)
        await runner.start()
        await first.start()
        uuid = await runner.submit(plan.script(), output_vars=OUTPUT_VARS)
        await effect(it, "p.1")
        await second.start()
        while it.log.read_bytes().count(b"self-test ok") < 2:
            await asyncio.sleep(0.05)
        began = time.monotonic()
        assert await first.end() == 0
        await completed(it, await runner.ended(uuid), plan)
        assert time.monotonic() - began < LEASE / 4
        assert await second.end() == 0
        assert await runner.hang_up() == 0
        await runner.closed()
        await nothing_is_left(first, second, runner)

    try:
        run(test)
    finally:
        redis.remove()
