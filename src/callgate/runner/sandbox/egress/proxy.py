"""The proxy of one execution: accepts on the socket that its guest made inside, and keeps to what is allowed.

What it does not stop: an allowed host is a way out for whatever a script knows; that is what allowing it means. Inside
TLS it sees nothing but the server name of the first handshake, so a network of many hosts behind one name (a CDN that
lets the Host field differ from the server name) is allowed as a whole with that name. TLS that begins after other words
(STARTTLS) is not looked at. Encrypted Client Hello names another host on the outside, and is refused.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence

from callgate.runner.sandbox.egress.connection import Connection
from callgate.runner.sandbox.egress.contract import EgressLimits, Log, Resolve, Visit
from callgate.runner.sandbox.egress.dial import resolve
from callgate.runner.sandbox.egress.entries import read_entries
from callgate.runner.sandbox.egress.heads import MAX_HEAD
from callgate.runner.sandbox.egress.relay import Meter, shut

_PAUSE = 0.1
"""Seconds before the next try to accept when the process has no descriptor left."""


class Egress:
    """Serves from `start` to `close`. The listening socket becomes its own, and is closed with it."""

    def __init__(
        self,
        listening: socket.socket,
        allow: Sequence[str],
        log: Log,
        *,
        limits: EgressLimits | None = None,
        resolver: Resolve = resolve,
    ) -> None:
        """`allow` as in `entries`. Raises SandboxError (SBX060)."""
        self._entries = read_entries(allow)
        self._listening = listening
        self._listening.setblocking(False)
        self._log = log
        self._limits = limits or EgressLimits()
        self._resolver = resolver
        self._room = asyncio.Semaphore(self._limits.connections)
        self._meter = Meter(self._limits.total_bytes)
        self._told = 0
        self._accepting: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def sent(self) -> int:
        """Bytes that left the sandbox."""
        return self._meter.sent

    @property
    def received(self) -> int:
        """Bytes that came into the sandbox."""
        return self._meter.received

    def start(self) -> None:
        """Begin to accept. Needs a running event loop."""
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def close(self) -> None:
        """End all connections and stop to accept. Idempotent."""
        tasks = [*self._serving, *((self._accepting,) if self._accepting is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                accepted, _ = await loop.sock_accept(self._listening)
            except OSError:
                self._room.release()
                await asyncio.sleep(_PAUSE)
                continue
            except BaseException:
                self._room.release()
                raise
            task = loop.create_task(self._serve(accepted))
            self._serving.add(task)
            task.add_done_callback(self._served)

    def _served(self, task: "asyncio.Task[None]") -> None:
        self._serving.discard(task)
        self._room.release()

    async def _serve(self, accepted: socket.socket) -> None:
        try:
            guest = await asyncio.open_connection(sock=accepted, limit=MAX_HEAD)
        except BaseException:
            accepted.close()
            raise
        try:
            await Connection(
                guest, self._entries, self._limits, self._meter, self._resolver, self._tell
            ).serve()
        finally:
            with contextlib.suppress(OSError):
                guest[1].close()
                async with asyncio.timeout(1.0):
                    await guest[1].wait_closed()
            await shut(guest)

    def _tell(self, visit: Visit) -> None:
        if self._told < self._limits.visits:
            self._told += 1
            self._log(visit)
