"""Sandboxes that wait, started and hardened, each for one script. Never gives one out twice, never one that died.

`size` wait for what most scripts need, one for each of the few other kinds used last. They are refilled one at a
time, after a pause, and only when no script waits for a start of its own.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.command import Environment
from callgate.runner.sandbox.bwrap.sandbox import Sandbox

Start = Callable[[Environment], Awaitable[Sandbox]]

_PAUSE = 0.02
"""Seconds between taking one and starting the next: a short script has the machine for itself."""

_RETRY = 1.0
_MOST_RETRY = 30.0


class Pool:
    """`start` makes one sandbox, ready. `at_once` bounds how many are being started. Needs a running event loop."""

    def __init__(
        self, start: Start, base: Environment, *, size: int, others: int = 4, at_once: int = 2
    ) -> None:
        self._start = start
        self._base = base
        self._size = size
        self._most_others = others if size else 0
        self._starts = asyncio.Semaphore(max(1, at_once))
        self._wanted = 0
        self._ready: dict[Environment, deque[Sandbox]] = {}
        self._recent: OrderedDict[Environment, None] = OrderedDict()
        self._refilling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many sandboxes are ready."""
        return sum(len(ready) for ready in self._ready.values())

    async def take(self, environment: Environment) -> Sandbox:
        """A ready sandbox: one that waits, else a new one. Raises SandboxError."""
        self._use(environment)
        try:
            ready = self._ready.get(environment)
            while ready:
                sandbox = ready.popleft()
                if sandbox.alive:
                    return sandbox
            return await self._new(environment)
        finally:
            self._later(_PAUSE)

    async def _new(self, environment: Environment) -> Sandbox:
        self._wanted += 1
        try:
            async with self._starts:
                if self._closed:
                    raise SandboxError("SBX013", "the sandboxes are being closed")
                return await self._start(environment)
        finally:
            self._wanted -= 1

    def _use(self, environment: Environment) -> None:
        if environment == self._base:
            return
        self._recent[environment] = None
        self._recent.move_to_end(environment)
        while len(self._recent) > self._most_others:
            old, _ = self._recent.popitem(last=False)
            for sandbox in self._ready.pop(old, ()):
                sandbox.kill()

    def died(self, sandbox: Sandbox) -> None:
        """A waiting sandbox has ended by itself: another takes its place."""
        ready = self._ready.get(sandbox.environment)
        if ready and sandbox in ready:
            ready.remove(sandbox)
            self._later(_PAUSE)

    def _missing(self) -> Environment | None:
        if len(self._ready.get(self._base, ())) < self._size:
            return self._base
        return next((each for each in reversed(self._recent) if not self._ready.get(each)), None)

    def _later(self, seconds: float) -> None:
        if (
            self._timer is None
            and self._refilling is None
            and not self._closed
            and self._missing() is not None
        ):
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if not self._closed:
            self._refilling = asyncio.get_running_loop().create_task(self._refill())

    async def _refill(self) -> None:
        wait, again = _RETRY, 0.0
        try:
            while (environment := self._missing()) is not None:
                if self._wanted:
                    again = _PAUSE
                    break
                try:
                    await self._fill(environment)
                except SandboxError:
                    # Whoever wants one tries anew and is told why; here it is only tried less often.
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, _MOST_RETRY)
                else:
                    wait = _RETRY
        finally:
            self._refilling = None
            if again:
                self._later(again)

    async def _fill(self, environment: Environment) -> None:
        async with self._starts:
            sandbox = await self._start(environment)
        if self._closed or (environment != self._base and environment not in self._recent):
            sandbox.kill()
            await sandbox.process.ended
        elif sandbox.alive:
            self._ready.setdefault(environment, deque()).append(sandbox)

    async def fill(self) -> None:
        """Start what is to wait for the base kind. Raises SandboxError."""
        while len(self._ready.get(self._base, ())) < self._size:
            await self._fill(self._base)

    async def close(self) -> None:
        """End all that wait, and start none again. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._refilling is not None:
            self._refilling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refilling
        left = [sandbox for ready in self._ready.values() for sandbox in ready]
        self._ready.clear()
        for sandbox in left:
            sandbox.kill()
        for sandbox in left:
            await sandbox.process.ended
