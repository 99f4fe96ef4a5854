"""Accepts executions and answers for them: what the tools call. It runs nothing; workers do.

Nobody learns of an execution that is not theirs, not even that it exists.
"""

import asyncio
import uuid as uuids
from collections.abc import Sequence
from typing import Any

from callgate.errors import JournalError, JournalFull
from callgate.runner.bridge.contract import Bridge, ToolInfo
from callgate.runner.execution import Execution, Owner, Spec
from callgate.runner.jobs.contract import Refusal, View
from callgate.runner.jobs.notices import Notices
from callgate.runner.jobs.parts import Accept, Log, Queue
from callgate.runner.jobs.replay import in_doubt
from callgate.runner.jobs.worker import Worker
from callgate.runner.journal.contract import BAD_CURSOR, Journal, Page

OUTPUT_AT_ONCE = 64 << 10
_FIRST_LOOK = 0.05
_SLOWEST_LOOK = 1.0
GATHER_SECONDS = 1.0
"""How long a view that waits goes on after the first news of an execution that has not ended."""


class LiveEngine:
    """`contract.Engine` over a journal, a queue and, if this process runs executions too, a worker.

    `local` is the queue of this process where `queue` is one that machines share; the same otherwise.
    """

    def __init__(
        self,
        journal: Journal,
        queue: Queue,
        local: Queue | None,
        bridge: Bridge,
        notices: Notices,
        worker: Worker | None,
        accept: Accept,
        log: Log,
        *,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._journal = journal
        self._queue = queue
        self._local = local
        self._bridge = bridge
        self._notices = notices
        self._worker = worker
        self._accept = accept
        self._log = log
        self._gather_seconds = gather_seconds

    async def submit(self, owner: Owner, spec: Spec) -> Execution:
        """As `contract.Engine.submit`."""
        await self._accept(owner, spec)
        queue = self._place(spec)
        execution = Execution(uuid=str(uuids.uuid4()), owner=owner, spec=spec)
        try:
            await self._journal.submit(execution)
        except JournalFull as error:
            raise Refusal("RUN052", error.message, help="wait until some have ended") from error
        except ValueError as error:
            raise Refusal("RUN058", "the script or its variables hold text that is not Unicode") from error
        except JournalError as error:
            self._log("error", f"[{error.code}] {error.message}")
            raise Refusal("RUN053", "executions cannot be stored now", help="try again later") from error
        try:
            await queue.put(execution.uuid, 0)
        except JournalError as error:
            # It is accepted; the sweep brings it to the queue as soon as that answers.
            self._log("warning", f"[{error.code}] {error.message}")
        return execution

    async def view(self, owner: Owner, uuid: str, *, offset: int = 0, wait_seconds: float = 0) -> View | None:
        """As `contract.Engine.view`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_seconds
        gathering = False
        first: tuple[Any, ...] | None = None
        pause = _FIRST_LOOK
        while True:
            waiter = self._notices.subscribe(uuid)
            try:
                execution = await self._journal.get(uuid, owner)
                if execution is None:
                    return None
                first = _news_of(execution) if first is None else first
                left = end - loop.time()
                news = execution.ended or _news_of(execution) != first or execution.output_bytes > offset
                if news and not gathering:
                    # What comes in a moment is told with it: an agent pays for every answer.
                    gathering, left = True, min(left, self._gather_seconds)
                    end = loop.time() + left
                if execution.ended or left <= 0:
                    return await self._view(execution, offset)
                await self._notices.wait(waiter, min(left, pause))
                pause = min(pause * 2, _SLOWEST_LOOK)
            finally:
                self._notices.leave(uuid, waiter)

    async def finished(self, owner: Owner, uuid: str, *, offset: int = 0) -> View | None:
        """As `contract.Engine.finished`."""
        pause = _FIRST_LOOK
        while True:
            waiter = self._notices.subscribe(uuid)
            try:
                execution = await self._journal.get(uuid, owner)
                if execution is None:
                    return None
                if execution.ended:
                    return await self._view(execution, offset)
                await self._notices.wait(waiter, pause)
                pause = min(pause * 2, _SLOWEST_LOOK)
            finally:
                self._notices.leave(uuid, waiter)

    async def cancel(self, owner: Owner, uuid: str) -> View | None:
        """As `contract.Engine.cancel`."""
        execution = await self._journal.request_cancel(uuid, owner)
        if execution is None:
            return None
        if self._worker is not None:
            self._worker.cancel(uuid)
        self._notices.changed(uuid)
        return await self._view(execution, 0)

    async def list(
        self, owner: Owner, *, limit: int, cursor: str | None = None, session_id: str | None = None
    ) -> Page:
        """As `contract.Engine.list`."""
        try:
            return await self._journal.list(owner, limit=limit, cursor=cursor, session_id=session_id)
        except JournalError as error:
            if error.code != BAD_CURSOR:
                raise
            raise Refusal("RUN059", error.message, help="leave `cursor` out to begin anew") from error

    async def tools(self, owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        """As `contract.Engine.tools`."""
        return await self._bridge.tools(owner, servers)

    def _place(self, spec: Spec) -> Queue:
        if spec.local is False and self._queue.in_memory:
            raise Refusal(
                "RUN054",
                "`local` is false, and no remote backend is configured",
                help="leave `local` out, or ask the operator to set `runner.queue` to a redis:// URL",
            )
        if spec.local is True and not self._queue.in_memory:
            if self._local is None:
                raise Refusal(
                    "RUN055", "`local` is true, and this machine runs no executions", help="leave it out"
                )
            return self._local
        return self._queue

    async def _view(self, execution: Execution, offset: int) -> View:
        pieces, next_offset = await self._journal.output(execution.uuid, offset, OUTPUT_AT_ONCE)
        doubtful = []
        if execution.state == "interrupted":
            doubtful = in_doubt(await self._journal.inner_calls(execution.uuid))
        return View(execution=execution, output=pieces, next_offset=next_offset, in_doubt=doubtful)


def _news_of(execution: Execution) -> tuple[Any, ...]:
    """What whoever waits is told the change of. Not the version: every tool call of the script raises it."""
    return execution.state, execution.output_bytes, execution.progress, execution.progress_text
