"""The queue in Redis, and what is said and waited for when that is away."""

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.redis_server import RedisServer

from callgate.errors import JournalError
from callgate.runner.jobs.shared_queue import SharedQueue

TOO_LONG_SECONDS = 30.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.remove()


async def _nothing(_uuid: str) -> None:
    """Takes up nothing."""


@pytest.mark.parametrize("frozen", [False, True], ids=["away", "frozen"])
def test_a_queue_that_is_gone_neither_holds_up_agents_nor_fills_the_log(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, frozen: bool
) -> None:
    async def work() -> None:
        async with SharedQueue(f"unix://{redis.socket}", _nothing, lease=30) as queue:
            await queue.put("first", 0)
            queue.start_worker(1, "here")
            await asyncio.sleep(0)
            if frozen:
                redis.freeze()
            else:
                redis.kill()
            for number in range(2):
                begun = time.monotonic()
                with pytest.raises(JournalError) as failed:
                    await queue.put(f"second {number}", 0)
                assert failed.value.code == "RUN051"
                assert time.monotonic() - begun < TOO_LONG_SECONDS / 2
            # Docket tries once a second.
            await asyncio.sleep(2.5)
            if frozen:
                redis.thaw()

    with caplog.at_level(logging.DEBUG, "callgate.runner"):
        asyncio.run(asyncio.wait_for(work(), 2 * TOO_LONG_SECONDS))
    assert not [record for record in caplog.records if record.name.startswith("docket")]
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == len(set(said)) <= 3, said


def test_a_queue_that_cannot_be_reached_is_an_error_within_seconds(tmp_path: Path) -> None:
    async def work() -> None:
        begun = time.monotonic()
        with pytest.raises(JournalError) as failed:
            async with SharedQueue(f"unix://{tmp_path}/nobody", _nothing, lease=30):
                pass
        assert failed.value.code == "RUN050"
        assert time.monotonic() - begun < TOO_LONG_SECONDS

    asyncio.run(work())
