"""Children that wait ready, so that a script need not wait for one. Each is used once."""

import asyncio
from collections import deque

from callgate.errors import SandboxError
from callgate.runner.sandbox.monty.process import Child


class Pool:
    """Keeps `size` children ready. One is started at a time, so that refilling leaves room for what runs."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: deque[Child] = deque()
        self._refilling: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Fill the pool. Raises SandboxError."""
        self._closed = False
        while len(self._ready) < self._size:
            self._ready.append(await Child.start())

    async def take(self) -> Child:
        """Return a child that waits for a job; the caller ends it. Raises SandboxError."""
        if self._closed:
            raise SandboxError("SBX051", "the backend is closed")
        child: Child | None = None
        while self._ready and child is None:
            child = self._ready.popleft()
            if not child.alive:
                await child.end()
                child = None
        self._refill()
        return child if child is not None else await Child.start()

    async def filled(self) -> None:
        """Return when nothing is being refilled."""
        if self._refilling is not None:
            await asyncio.gather(self._refilling, return_exceptions=True)

    async def close(self) -> None:
        """End every child that waits. Idempotent."""
        self._closed = True
        if self._refilling is not None:
            self._refilling.cancel()
            await self.filled()
            self._refilling = None
        while self._ready:
            await self._ready.popleft().end()

    def _refill(self) -> None:
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        while len(self._ready) < self._size:
            try:
                self._ready.append(await Child.start())
            except SandboxError:
                return  # whoever takes next starts one himself, and is told why it cannot be
