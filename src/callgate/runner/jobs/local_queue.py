"""The queue of one process: ids in the order in which they came. `memory://` means this.

Nothing of it outlives the process, and nothing need: the sweep brings back what the journal still has.
"""

import asyncio
from typing import Any

from callgate.runner.jobs.parts import Execute


class LocalQueue:
    """A `parts.Queue`. `execute` must never raise but CancelledError."""

    in_memory = True

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._waiting: dict[tuple[str, int], None] = {}
        self._taken: set[asyncio.Task[Any]] = set()
        self._places = 0

    async def put(self, uuid: str, attempt: int) -> None:
        """Have it taken up. The same id and attempt wait only once."""
        self._waiting[uuid, attempt] = None
        self._take()

    def start_worker(self, concurrency: int, name: str) -> None:
        """Take up executions, `concurrency` at a time."""
        del name
        self._places = concurrency
        self._take()

    async def stop_worker(self) -> None:
        """Take up no more. What is under way here is cancelled; who needs it to end well waits before."""
        self._places = 0
        taken = set(self._taken)
        for task in taken:
            task.cancel()
        if taken:
            await asyncio.wait(taken)

    def _take(self) -> None:
        while self._waiting and len(self._taken) < self._places:
            key = next(iter(self._waiting))
            del self._waiting[key]
            task = asyncio.ensure_future(self._execute(key[0]))
            self._taken.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._taken.discard(task)
        if not task.cancelled():
            task.exception()
        self._take()
