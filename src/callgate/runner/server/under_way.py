"""Which calls are under way, so that a server can end without cutting them off, and without ending executions."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class UnderWay:
    """Counts calls. Once `ending`, a call that is cut off leaves its execution alone: it is the server that goes, not
    who called."""

    def __init__(self) -> None:
        self.ending = False
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a call while it goes on."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def end(self, seconds: float) -> None:
        """Wait until no call is under way, at most so long."""
        self.ending = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return
