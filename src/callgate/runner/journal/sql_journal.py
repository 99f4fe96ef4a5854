"""The journal on a database: the contract's methods, each one transaction of the modules beside it.

Knows no database: a driver carries the statements.

What a power cut may take is what the next attempt makes anew: that an attempt had begun to run, what it wrote, how far
it was, and calls that may be made again. The end of an attempt is synced, and what was written before it with it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from callgate.config.runner_model import RetentionConfig
from callgate.runner.execution import Ending, Execution, InnerCall, Owner
from callgate.runner.journal import attempts, calls, executions, output, retention, rows
from callgate.runner.journal.contract import Claim, Fence, Output, Page
from callgate.runner.journal.driver import Driver, Steps, T

_BATCHES = 10


class SqlJournal:
    """A `contract.Journal`."""

    def __init__(self, driver: Driver, bounds: RetentionConfig) -> None:
        self._driver = driver
        self._bounds = bounds

    async def open(self) -> None:
        await self._driver.open()

    async def close(self) -> None:
        await self._driver.close()

    async def submit(self, execution: Execution) -> None:
        """Also raises ValueError for an execution that is not new, and for text that is not Unicode."""
        if not rows.is_id(execution.uuid) or execution.state != "queued" or execution.attempt:
            raise ValueError("an execution is submitted queued, under a name of letters, digits, `-` and `_`")
        head, given = rows.split(execution)
        await self._driver.write(
            lambda: executions.submit(execution, head, given, self._bounds), repeatable=True
        )

    async def get(self, uuid: str, owner: Owner | None) -> Execution | None:
        if not rows.is_id(uuid):
            return None
        return await self._driver.read(lambda: executions.get(uuid, owner))

    async def output(self, uuid: str, offset: int, max_bytes: int) -> tuple[Sequence[Output], int]:
        if not rows.is_id(uuid):
            return [], 0
        return await self._driver.read(lambda: output.read(uuid, offset, max_bytes))

    async def inner_calls(self, uuid: str) -> Sequence[InnerCall]:
        if not rows.is_id(uuid):
            return []
        return await self._driver.read(lambda: calls.of(uuid))

    async def list(
        self, owner: Owner, *, limit: int, cursor: str | None = None, session_id: str | None = None
    ) -> Page:
        """Raises JournalError JRN019 for a cursor that is none."""
        return await self._driver.read(
            lambda: executions.page(owner, limit=limit, cursor=cursor, session_id=session_id)
        )

    async def claim(self, uuid: str, worker: str, lease_ms: int) -> Claim | None:
        if not rows.is_id(uuid):
            return None
        return await self._driver.write(lambda: attempts.claim(uuid, worker, lease_ms))

    async def renew(
        self, fences: Sequence[Fence], lease_ms: int
    ) -> Sequence[tuple[Fence, Literal["lost", "cancel"]]]:
        if not fences:
            return []
        # A lease that is lost with the power is one that nobody holds any more.
        return await self._driver.write(
            lambda: attempts.renew(fences, lease_ms), durable=False, repeatable=True
        )

    async def running(self, fence: Fence, *, backend: str, tier: str) -> None:
        await self._driver.write(
            lambda: attempts.running(fence, backend, tier), durable=False, repeatable=True
        )

    async def append_output(self, fence: Fence, pieces: Sequence[Output]) -> None:
        await self._driver.write(lambda: output.append(fence, pieces), durable=False, repeatable=True)

    async def drop_output(self, fence: Fence, before: int, after: int) -> None:
        await self._driver.write(lambda: output.drop(fence, before, after), durable=False, repeatable=True)

    async def progress(self, fence: Fence, fraction: float | None, text: str | None) -> None:
        await self._driver.write(
            lambda: attempts.progress(fence, fraction, text), durable=False, repeatable=True
        )

    async def call_started(self, fence: Fence, call: InnerCall) -> None:
        await self._driver.write(
            lambda: calls.started(fence, call), durable=not call.repeatable, repeatable=True
        )

    async def call_ended(self, fence: Fence, call: InnerCall) -> None:
        await self._driver.write(
            lambda: calls.ended(fence, call), durable=not call.repeatable, repeatable=True
        )

    async def finish(self, fence: Fence, ending: Ending, session_vars: dict[str, Any] | None = None) -> None:
        """Also raises ValueError for an ending that may not follow, and for text that is not Unicode."""
        end = rows.encode(rows.End(ending.error, ending.usage))
        results = None if ending.results is None else rows.encode(ending.results)
        variables = {name: rows.encode(value) for name, value in (session_vars or {}).items()}
        await self._driver.write(lambda: attempts.finish(fence, ending, end, results, variables))

    async def release(self, fence: Fence) -> None:
        await self._driver.write(lambda: attempts.release(fence))

    async def request_cancel(self, uuid: str, owner: Owner) -> Execution | None:
        if not rows.is_id(uuid):
            return None
        return await self._driver.write(lambda: executions.request_cancel(uuid, owner), repeatable=True)

    async def due(self, *, limit: int = 1_000) -> Sequence[tuple[str, int]]:
        return await self._driver.read(lambda: executions.due(limit))

    async def now_ms(self) -> int:
        return await self._driver.read(executions.now_ms)

    async def tidy(self) -> int:
        """A bounded amount at a time: when much is to be removed, later calls go on."""
        removed = 0
        for _ in range(_BATCHES):
            count = await self._remove(lambda: retention.remove_old("execution", self._bounds.keep))
            removed += count
            if count < retention.BATCH:
                break
        await self._remove(lambda: retention.remove_old("variable", self._bounds.keep))
        executions = await self._driver.read(lambda: retention.held("execution"))
        variables = await self._driver.read(lambda: retention.held("variable"))
        for over in retention.surplus(self._bounds, executions, variables):
            count = await self._remove_surplus(over)
            removed += count if over.table == "execution" else 0
        await self._driver.reclaim()
        return removed

    async def _remove_surplus(self, over: retention.Surplus) -> int:
        removed = 0
        for _ in range(_BATCHES):
            if not over.owners or (over.count <= 0 and over.bytes <= 0):
                break
            # Early bound, as the driver may run the transaction more than once.
            count, over = await self._remove(partial(retention.remove_surplus, over))
            removed += count
        return removed

    async def _remove(self, steps: Callable[[], Steps[T]]) -> T:
        return await self._driver.write(steps, durable=False, repeatable=True)
