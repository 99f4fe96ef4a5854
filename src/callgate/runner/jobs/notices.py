"""Word from the worker to whoever waits in the same process. Never the truth: that is in the journal."""

import asyncio
import contextlib


class Notices:
    """Wakes waiters when an execution changed here. Executions of other machines are heard of by looking again."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def changed(self, uuid: str) -> None:
        """Wake everybody who waits for this execution."""
        for waiter in self._waiting.pop(uuid, ()):
            if not waiter.done():
                waiter.set_result(None)

    def subscribe(self, uuid: str) -> "asyncio.Future[None]":
        """A future that is done at the next change. Subscribe before looking, and nothing is missed; `leave` after."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(uuid, set()).add(waiter)
        return waiter

    def leave(self, uuid: str, waiter: "asyncio.Future[None]") -> None:
        """Wait no more."""
        waiters = self._waiting.get(uuid)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiting[uuid]
        waiter.cancel()

    async def wait(self, waiter: "asyncio.Future[None]", seconds: float) -> None:
        """Return at the next change, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await asyncio.shield(waiter)
