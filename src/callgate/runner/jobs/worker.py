"""Takes executions up and holds them: claims, leases, the sweep for what others lost, and an orderly end.

An execution is held by renewing its lease; a worker that is gone stops doing so, and that is all that anybody has to
notice. Every write is fenced by the journal, so a worker that only seemed to be gone does no harm.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from callgate.errors import JournalError
from callgate.runner.jobs.attempt import Attempt
from callgate.runner.jobs.notices import Notices
from callgate.runner.jobs.parts import Parts
from callgate.runner.journal.contract import Fence

Resubmit = Callable[[str, int], Awaitable[None]]

_TIDY_EVERY = 60.0


class Worker:
    """One for a process. `execute` is what the queue calls."""

    def __init__(self, parts: Parts, notices: Notices) -> None:
        self._parts = parts
        self._notices = notices
        self._attempts: dict[Fence, Attempt] = {}
        self._by_uuid: dict[str, Attempt] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending = False

    @property
    def running(self) -> int:
        """How many executions are held here."""
        return len(self._attempts)

    async def execute(self, uuid: str) -> None:
        """Run one execution, if nobody else does and it has not ended. Never raises but CancelledError."""
        options = self._parts.options
        if self._ending:
            return
        try:
            claim = await self._parts.journal.claim(uuid, options.name, int(options.lease * 1000))
        except JournalError as error:
            # It stays queued; the sweep brings it again.
            self._parts.log("error", f"execution {uuid} cannot be taken up: [{error.code}] {error.message}")
            return
        if claim is None:
            return
        attempt = Attempt(claim, self._parts, self._notices.changed)
        self._attempts[claim.fence] = self._by_uuid[uuid] = attempt
        self._idle.clear()
        self._notices.changed(uuid)
        try:
            # The queue may let go of its task (its server is away, say); the execution is held by its lease.
            await asyncio.shield(asyncio.ensure_future(self._hold(claim.fence, attempt)))
        except asyncio.CancelledError:
            if not self._ending:
                self._parts.log("warning", f"the queue let go of execution {uuid}; it goes on")
            raise

    def start(self, resubmit: Resubmit) -> None:
        """Begin to renew leases, and to look for executions that nobody holds: those go to `resubmit`."""
        lease = self._parts.options.lease
        self._loops = [
            asyncio.create_task(self._every(lease / 3, self._renew), name="leases"),
            asyncio.create_task(self._every(lease / 2, lambda: self._sweep(resubmit)), name="sweep"),
            asyncio.create_task(self._every(_TIDY_EVERY, self._tidy), name="tidy"),
        ]

    def cancel(self, uuid: str) -> None:
        """End an execution now if it is held here; the journal must already know that it is to be cancelled."""
        attempt = self._by_uuid.get(uuid)
        if attempt is not None:
            attempt.cancel()

    async def stop(self, drain: float) -> None:
        """Take up no more; give what is under way `drain` seconds to end, and the rest back to the queue."""
        self._ending = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain):
                await self._idle.wait()
        for attempt in list(self._attempts.values()):
            attempt.give_back()
        await self._idle.wait()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _hold(self, fence: Fence, attempt: Attempt) -> None:
        try:
            await attempt.run()
        except Exception as error:
            # A bug here must not end the worker; the lease runs out, and the attempt is counted.
            self._parts.log("error", f"execution {fence.uuid}: {type(error).__name__}: {error}")
        finally:
            del self._attempts[fence]
            if self._by_uuid.get(fence.uuid) is attempt:
                del self._by_uuid[fence.uuid]
            if not self._attempts:
                self._idle.set()

    async def _renew(self) -> None:
        if not self._attempts:
            return
        lease_ms = int(self._parts.options.lease * 1000)
        for fence, what in await self._parts.journal.renew(list(self._attempts), lease_ms):
            attempt = self._attempts.get(fence)
            if attempt is not None:
                attempt.lost() if what == "lost" else attempt.cancel()

    async def _sweep(self, resubmit: Resubmit) -> None:
        if not self._ending:
            for uuid, attempt in await self._parts.journal.due():
                await resubmit(uuid, attempt)

    async def _tidy(self) -> None:
        await self._parts.journal.tidy()

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await act()
            except JournalError as error:
                self._parts.log("error", f"[{error.code}] {error.message}")
            await asyncio.sleep(seconds)
