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
from callgate.runner.jobs.shares import Shares
from callgate.runner.journal.contract import Fence

Resubmit = Callable[[str, int], Awaitable[None]]

_TIDY_EVERY = 60.0
_HURRY_SECONDS = 0.5


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
        self._busy = 0
        self._resubmit: Resubmit = _to_nobody
        self._given_back: list[Fence] = []
        self._shares = Shares(parts.options.concurrency) if parts.options.several_owners else None
        self._ending = False
        self._was_away = False
        self._hurry = asyncio.Event()

    @property
    def name(self) -> str:
        """What tells this worker from others."""
        return self._parts.options.name

    @property
    def running(self) -> int:
        """How many executions are held here."""
        return len(self._attempts)

    async def execute(self, uuid: str) -> None:
        """Run one execution, if nobody else does and it has not ended. Never raises but CancelledError."""
        if self._ending:
            return
        try:
            # The queue may let go of its task (its server is away, say); the execution is held by its lease.
            await asyncio.shield(asyncio.ensure_future(self._take_up(uuid)))
        except asyncio.CancelledError:
            if not self._ending:
                self._parts.log("warning", f"the queue let go of execution {uuid}; it goes on")
            raise

    def start(self, resubmit: Resubmit) -> None:
        """Begin to renew leases, and to look for executions that nobody holds: those go to `resubmit`."""
        self._resubmit = resubmit
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

    def take_no_more(self) -> None:
        """What the queue still brings is left to others."""
        self._ending = True

    def hurry(self) -> None:
        """Whoever asked for the end asks again: give all back now, but for a call that is just being answered."""
        self._hurry.set()

    async def stop(self, drain: float) -> None:
        """Take up no more; give what is under way `drain` seconds to end, and the rest back.

        In the second half of the time nothing more is begun that could be in doubt when it is cut off.
        """
        self.take_no_more()
        await self._idle_within(drain / 2)
        for attempt in self._attempts.values():
            attempt.hold()
        await self._idle_within(drain / 2)
        if self._hurry.is_set():
            await self._idle_within(_HURRY_SECONDS, though_hurried=True)
        for attempt in self._attempts.values():
            attempt.give_back()
        await self._idle.wait()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        with contextlib.suppress(JournalError):
            for fence in self._given_back:
                await self._resubmit(fence.uuid, fence.attempt)

    async def _idle_within(self, seconds: float, *, though_hurried: bool = False) -> None:
        """Wait until nothing is under way, or the time is over, or somebody hurries."""
        waits = [asyncio.ensure_future(self._idle.wait())]
        if not though_hurried:
            waits.append(asyncio.ensure_future(self._hurry.wait()))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _take_up(self, uuid: str) -> None:
        self._busy += 1
        self._idle.clear()
        try:
            if self._shares is None:
                await self._claim(uuid)
            else:
                await self._claim_in_turn(uuid, self._shares)
        except JournalError as error:
            # It stays queued; the sweep brings it again.
            self._parts.log("error", f"execution {uuid} cannot be taken up: [{error.code}] {error.message}")
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _claim(self, uuid: str) -> None:
        options = self._parts.options
        claim = await self._parts.journal.claim(uuid, options.name, int(options.lease * 1000))
        if claim is not None:
            await self._hold(Attempt(claim, self._parts, self._notices.changed))

    async def _claim_in_turn(self, uuid: str, shares: Shares) -> None:
        execution = await self._parts.journal.get(uuid, None)
        if execution is None or not shares.enter(execution.owner.key, uuid):
            return
        try:
            await self._claim(uuid)
        finally:
            following = shares.leave(execution.owner.key)
            if following is not None and not self._ending:
                await self._resubmit(following, 0)

    async def _hold(self, attempt: Attempt) -> None:
        fence = attempt.fence
        self._attempts[fence] = self._by_uuid[fence.uuid] = attempt
        self._notices.changed(fence.uuid)
        if self._ending:
            attempt.give_back()
        try:
            await attempt.run()
        except Exception as error:
            # A bug here must not end the worker; the lease runs out, and the attempt is counted.
            self._parts.log("error", f"execution {fence.uuid}: {type(error).__name__}: {error}")
        finally:
            del self._attempts[fence]
            if self._by_uuid.get(fence.uuid) is attempt:
                del self._by_uuid[fence.uuid]
            if attempt.given_back:
                self._given_back.append(fence)

    async def _renew(self) -> None:
        if not self._attempts:
            return
        lease_ms = int(self._parts.options.lease * 1000)
        for fence, what in await self._parts.journal.renew(list(self._attempts), lease_ms):
            attempt = self._attempts.get(fence)
            if attempt is not None:
                attempt.lost() if what == "lost" else attempt.cancel()

    async def _sweep(self, resubmit: Resubmit) -> None:
        if self._ending:
            return
        try:
            due = await self._parts.journal.due()
        except JournalError:
            self._was_away = True
            raise
        if self._was_away:
            # Leases ran out while nobody could renew them. Whoever lives has until the next look to do so: an
            # execution that is taken from a living worker may be in the middle of a call.
            self._was_away = False
            return
        for uuid, attempt in due:
            await resubmit(uuid, attempt)

    async def _tidy(self) -> None:
        await self._parts.journal.tidy()

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await act()
            except JournalError as error:
                self._parts.log("error", f"[{error.code}] {error.message}")
            except Exception as error:
                # Leases must be renewed whatever else is wrong.
                self._parts.log("error", f"{type(error).__name__}: {error}")
            await asyncio.sleep(seconds)


async def _to_nobody(_uuid: str, _attempt: int) -> None:
    """Nothing was started."""
