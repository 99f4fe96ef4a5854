"""The queue that machines share: Docket over Redis. It carries ids and nothing else; the journal knows what they mean.

Docket pickles what it carries, so whoever may write to that Redis runs code in every worker: `docs/runner-operators.md`
says how to guard it. An id that comes twice does no harm (`Journal.claim` is what counts); an id that is lost is found
by the sweep.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from docket import Docket, Worker

from callgate.errors import JournalError
from callgate.runner.jobs.docket_log import quieten_docket

Execute = Callable[[str], Awaitable[None]]

_NAME = "callgate-runner"
_PATIENCE = 5.0
"""Seconds for the first answer."""
_PUT_SECONDS = 2.0
"""An agent waits for this; what did not get into the queue is found by the sweep."""
_AGAIN = 1.0
_log = logging.getLogger("callgate.runner")


class SharedQueue:
    """A `parts.Queue` that gives ids to workers anywhere, and may be a worker itself.

    Use as an asynchronous context manager.
    """

    in_memory = False

    def __init__(self, url: str, execute: Execute, *, lease: float) -> None:
        """`url` is one of Redis; `lease` is in seconds. `execute` must never raise."""
        self._docket = Docket(
            name=_NAME,
            url=url,
            heartbeat_interval=timedelta(seconds=max(lease / 5, 0.2)),
            # Nobody asks Docket how a task ended; what it kept of each would only take memory.
            execution_ttl=timedelta(0),
        )
        self._lease = lease

        async def run_execution(uuid: str) -> None:
            await execute(uuid)

        self._task = run_execution
        self._worker: asyncio.Task[None] | None = None
        self._stopping = False

    async def __aenter__(self) -> "SharedQueue":
        """Raises JournalError: the queue's server cannot be reached."""
        quieten_docket()
        async with AsyncExitStack() as opened:
            try:
                await opened.enter_async_context(self._docket)
                # Docket itself asks nothing of the server before there is work.
                async with asyncio.timeout(_PATIENCE), self._docket.redis() as redis:
                    await redis.exists(self._docket.stream_key)
            except Exception as error:  # Of redis, of the network, or of a URL that means nothing to redis.
                message = f"the queue cannot be reached: {type(error).__name__}"
                raise JournalError("RUN050", message, "see that the server of `runner.queue` runs") from error
            self._docket.register(self._task)
            opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_worker()
        await self._docket.__aexit__(None, None, None)

    async def put(self, uuid: str, attempt: int) -> None:
        """Have somebody take the execution up. Raises JournalError: the queue does not answer.

        The same id and attempt wait in the queue only once.
        """
        try:
            async with asyncio.timeout(_PUT_SECONDS):
                await self._docket.add(self._task, key=f"{uuid}:{attempt}")(uuid)
        except Exception as error:
            raise JournalError("RUN051", f"the queue does not answer: {type(error).__name__}") from error

    def start_worker(self, concurrency: int, name: str) -> None:
        """Take up executions here, `concurrency` at a time."""
        self._worker = asyncio.create_task(self._work(concurrency, name), name="queue worker")

    async def stop_worker(self) -> None:
        """Take up no more. What is under way here is cancelled; who needs it to end well waits before."""
        self._stopping = True
        if self._worker is not None:
            # Docket sometimes loses a cancellation, and waits for work for ever.
            while not self._worker.done():
                self._worker.cancel()
                await asyncio.wait((self._worker,), timeout=_AGAIN)
            self._worker = None

    async def _work(self, concurrency: int, name: str) -> None:
        """Until it is stopped: a worker that takes up nothing must not go unnoticed."""
        while True:
            try:
                await self._work_on(concurrency, name)
            except Exception as error:
                _log.error("the queue's worker failed and begins anew: %s", type(error).__name__)
            # Docket may end in good order when it is cancelled.
            if self._stopping:
                return
            await asyncio.sleep(_AGAIN)

    async def _work_on(self, concurrency: int, name: str) -> None:
        worker = Worker(
            self._docket,
            name=name,
            concurrency=concurrency,
            redelivery_timeout=timedelta(seconds=self._lease),
            schedule_automatic_tasks=False,
        )
        async with worker:
            await worker.run_forever()
