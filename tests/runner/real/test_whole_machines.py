"""One runner that accepts, two workers that run, a real Redis and a real PostgreSQL, and the loss of each."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from real_runner import CALLGATE, Agent, Home, Program, over_stdio, run, until
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.xdist_group("runner-machines")
LEDGER = str(Path(__file__).with_name("ledger_server.py"))
LEASE_SECONDS = 2
AROUND_HOLD = """
said = [mcp_Ledger_append(line=f"before {i}")["result"] for i in range(3)]
said.append(mcp_Ledger_hold()["result"])
said += [mcp_Ledger_append(line=f"after {i}")["result"] for i in range(3)]
"""
BEFORE = [f"before {i}" for i in range(3)]
AFTER = [f"after {i}" for i in range(3)]
SAID = [f"{line} is there" for line in BEFORE] + ["went ahead"] + [f"{line} is there" for line in AFTER]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer().start()
    yield server
    server.remove()


class Machines(Home):
    """Runners and workers that share a queue and a journal; each has server processes of its own."""

    def __init__(self, folder: Path, redis: RedisServer, journal: str, drain: str = "1s") -> None:
        redis.run("FLUSHALL")
        super().__init__(
            folder,
            {"Ledger": {"command": [sys.executable, LEDGER, str(folder)]}},
            {
                "journal": journal,
                "queue": f"unix://{redis.socket}",
                # An owner may hold all places of a worker but one, and some tests hold two at a time.
                "concurrency": 4,
                "lease": f"{LEASE_SECONDS}s",
                "drain": drain,
            },
        )

    def worker(self) -> Program:
        """A worker, not yet ready."""
        return Program(self, [*CALLGATE, "runner", "worker", "-c", str(self.config)])

    @asynccontextmanager
    async def accepting(self) -> AsyncIterator[Agent]:
        """The agent of a runner that only accepts."""
        async with over_stdio(self, self.runner("--no-worker")) as agent:
            yield agent

    def lines(self, file: str = "ledger") -> list[str]:
        """What took effect."""
        path = self.folder / file
        return path.read_text().splitlines() if path.exists() else []

    def go_ahead(self) -> None:
        """Let `hold` and `stick` answer."""
        (self.folder / "go").touch()

    async def held(self, times: int = 1) -> None:
        """Wait until `hold` has been called so often."""
        await until(lambda: len(self.lines("held")) >= times, f"hold was called {times} times")


async def _ready(*workers: Program) -> None:
    for worker in workers:
        await worker.says("self-test ok")


def test_thirty_executions_all_end_right_on_two_workers(
    tmp_path: Path, redis: RedisServer, postgres: PostgresServer
) -> None:
    home = Machines(tmp_path, redis, postgres.database())
    script = (
        "squared = number ** 2\npid = mcp_Ledger_process()['result']\nmcp_Ledger_append(line=str(number))"
    )

    async def main() -> None:
        with home.worker() as one, home.worker() as other:
            await _ready(one, other)
            async with home.accepting() as agent:
                output = {"squared": "int", "pid": "int"}
                uuids = await asyncio.gather(
                    *(agent.started(script, input_vars={"number": n}, output_vars=output) for n in range(30))
                )
                ends = await asyncio.gather(*(agent.ended(uuid) for uuid in uuids))
        assert [end["status"] for end in ends] == ["completed"] * 30, ends
        assert [end["results"]["squared"] for end in ends] == [n**2 for n in range(30)]
        assert sorted(home.lines(), key=int) == [str(n) for n in range(30)]
        # Each worker has a server process of its own.
        assert len({end["results"]["pid"] for end in ends}) == 2
        assert {end["attempt"] for end in ends} == {1}

    run(main)


def test_a_killed_worker_is_taken_over_from_and_no_answered_call_is_made_again(
    tmp_path: Path, redis: RedisServer, postgres: PostgresServer
) -> None:
    home = Machines(tmp_path, redis, postgres.database())

    async def main() -> None:
        with home.worker() as one:
            await _ready(one)
            async with home.accepting() as agent:
                uuid = await agent.started(AROUND_HOLD, output_vars={"said": "list[str]"})
                doubtful = await agent.started("mcp_Ledger_stick(line='stuck')")
                await home.held()
                await until(lambda: "stuck" in home.lines(), "stick was called")
                one.end(signal.SIGKILL)
                with home.worker() as other:
                    await _ready(other)
                    await home.held(2)
                    home.go_ahead()
                    end = await agent.ended(uuid)
                    assert (end["status"], end["attempt"]) == ("completed", 2), end
                    assert end["results"]["said"] == SAID
                    end = await agent.ended(doubtful)
        assert (end["status"], end["cause"]) == ("interrupted", "in_doubt_call"), end
        assert [call["function"] for call in end["in_doubt_calls"]] == ["mcp_Ledger_stick"]
        assert [line for line in home.lines() if line != "stuck"] == BEFORE + AFTER
        assert home.lines().count("stuck") == 1

    run(main)


def test_a_worker_that_is_told_to_end_hands_on_at_once(
    tmp_path: Path, redis: RedisServer, postgres: PostgresServer
) -> None:
    home = Machines(tmp_path, redis, postgres.database(), drain="0s")
    # No lease runs out in this test: what goes on was handed on.
    home.config.write_text(home.config.read_text().replace(f'"{LEASE_SECONDS}s"', '"600s"'))

    async def main() -> None:
        with home.worker() as one:
            await _ready(one)
            async with home.accepting() as agent:
                uuid = await agent.started(AROUND_HOLD, output_vars={"said": "list[str]"})
                await home.held()
                with home.worker() as other:
                    await _ready(other)
                    assert one.end() == 0
                    await home.held(2)
                    home.go_ahead()
                    end = await agent.ended(uuid)
        assert (end["status"], end.get("results")) == ("completed", {"said": SAID}), end
        assert home.lines() == BEFORE + AFTER

    run(main)


def test_ids_lost_with_redis_are_found_again_in_the_journal(tmp_path: Path, postgres: PostgresServer) -> None:
    redis = RedisServer().start()
    home = Machines(tmp_path, redis, postgres.database())

    async def main() -> None:
        async with home.accepting() as agent:
            uuids = [await agent.started(f"print({n})") for n in range(5)]
            redis.kill()
            redis.start()
            assert redis.run("DBSIZE") == 0
            with home.worker() as worker:
                await _ready(worker)
                ends = [await agent.ended(uuid) for uuid in uuids]
                assert [end["output"]["stdout"] for end in ends] == [f"{n}\n" for n in range(5)]
                # And once more with a worker that was there before, and is not started anew.
                redis.kill()
                pending = await agent.started("print('accepted without a queue')")
                redis.start()
                end = await agent.ended(pending)
                assert end["output"]["stdout"] == "accepted without a queue\n"

    try:
        run(main)
    finally:
        redis.remove()


def test_a_restart_of_postgresql_loses_nothing(tmp_path: Path, redis: RedisServer) -> None:
    postgres = PostgresServer(durable=True).start()
    home = Machines(tmp_path, redis, postgres.database())

    async def main() -> None:
        with home.worker() as worker:
            await _ready(worker)
            async with home.accepting() as agent:
                uuid = await agent.started(AROUND_HOLD, output_vars={"said": "list[str]"})
                done = await agent.started("print('done')")
                assert (await agent.ended(done))["status"] == "completed"
                await home.held()
                await asyncio.to_thread(postgres.stop, crash=True)
                refused = await agent.told("asyncExecuteCode", script="print(1)")
                assert refused["refused"]["code"] == "RUN053", refused
                await asyncio.to_thread(postgres.start)
                home.go_ahead()
                end = await agent.ended(uuid)
                assert (end["status"], end.get("results")) == ("completed", {"said": SAID}), end
                # Its worker goes on with it, or hands it on if the outage was longer than the lease.
                assert end["attempt"] in (1, 2)
                assert (await agent.ended(done))["output"]["stdout"] == "done\n"
                later = await agent.started("print('later')")
                assert (await agent.ended(later))["output"]["stdout"] == "later\n"
        assert home.lines() == BEFORE + AFTER

    try:
        run(main)
    finally:
        postgres.remove()


def test_local_says_where_an_execution_may_run(
    tmp_path: Path, redis: RedisServer, postgres: PostgresServer
) -> None:
    script = "pid = mcp_Ledger_process()['result']"
    shared = Machines(tmp_path, redis, postgres.database())
    (tmp_path / "alone").mkdir()
    alone = Home(tmp_path / "alone")

    async def main() -> None:
        output = {"pid": "int"}
        async with over_stdio(shared, shared.runner()) as both, shared.accepting() as agent:
            here = await both.completed(script, local=True, output_vars=output)
            for _ in range(3):
                assert await both.completed(script, local=True, output_vars=output) == here
            assert (await agent.ended(await agent.started(script, local=False)))["status"] == "completed"
            refused = await agent.told("asyncExecuteCode", script=script, local=True)
            assert refused["refused"]["code"] == "RUN055", refused
        async with over_stdio(alone, alone.runner()) as agent:
            assert (await agent.executed("print(1)", local=True))["status"] == "completed"
            refused = await agent.told("executeCode", script="print(1)", local=False)
            assert refused["refused"]["code"] == "RUN054", refused

    run(main)
