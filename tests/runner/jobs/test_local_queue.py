"""The queue of one process: order, bound, and an end."""

import asyncio

from callgate.runner.jobs.local_queue import LocalQueue


class Work:
    """Executions that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def execute(self, uuid: str) -> None:
        self.begun.append(uuid)
        self._ends[uuid] = asyncio.Event()
        try:
            await self._ends[uuid].wait()
        except asyncio.CancelledError:
            self.cancelled.append(uuid)
            raise

    def end(self, uuid: str) -> None:
        self._ends[uuid].set()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_ids_are_taken_up_in_order_and_no_more_at_a_time_than_there_are_places() -> None:
    async def play() -> None:
        work = Work()
        queue = LocalQueue(work.execute)
        for uuid in "abcd":
            await queue.put(uuid, 0)
        await _turns()
        assert work.begun == []
        queue.start_worker(2, "worker")
        await _turns()
        assert work.begun == ["a", "b"]
        work.end("b")
        await _turns()
        assert work.begun == ["a", "b", "c"]
        for uuid in "ac":
            work.end(uuid)
        await _turns()
        assert work.begun == ["a", "b", "c", "d"]
        work.end("d")
        await _turns()
        await queue.put("e", 0)
        await _turns()
        assert work.begun[-1] == "e"
        await queue.stop_worker()

    asyncio.run(play())


def test_an_id_waits_only_once_for_the_same_attempt() -> None:
    async def play() -> None:
        work = Work()
        queue = LocalQueue(work.execute)
        for attempt in (0, 0, 1):
            await queue.put("a", attempt)
        queue.start_worker(5, "worker")
        await _turns()
        assert work.begun == ["a", "a"]
        await queue.stop_worker()

    asyncio.run(play())


def test_a_stopped_queue_cancels_what_is_under_way_and_takes_up_nothing_more() -> None:
    async def play() -> None:
        work = Work()
        queue = LocalQueue(work.execute)
        queue.start_worker(1, "worker")
        await queue.put("a", 0)
        await queue.put("b", 0)
        await _turns()
        await queue.stop_worker()
        assert work.cancelled == ["a"]
        await queue.put("c", 0)
        await _turns()
        assert work.begun == ["a"]

    asyncio.run(play())
