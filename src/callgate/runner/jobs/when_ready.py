"""Answers as soon as the runner is ready, so that a client that connects need not wait for the sandbox's self-test."""

import asyncio
from collections.abc import Sequence

from callgate.runner.bridge.contract import ToolInfo
from callgate.runner.execution import Execution, Owner, Spec
from callgate.runner.jobs.contract import Engine, View
from callgate.runner.journal.contract import Page


class EngineWhenReady:
    """`contract.Engine` that waits for one. If that one never comes to be, the process ends, and so do the waits."""

    def __init__(self, engine: "asyncio.Future[Engine]") -> None:
        self._engine = engine

    async def _ready(self) -> Engine:
        return await asyncio.shield(self._engine)

    async def submit(self, owner: Owner, spec: Spec) -> Execution:
        return await (await self._ready()).submit(owner, spec)

    async def view(self, owner: Owner, uuid: str, *, offset: int = 0, wait_seconds: float = 0) -> View | None:
        return await (await self._ready()).view(owner, uuid, offset=offset, wait_seconds=wait_seconds)

    async def finished(self, owner: Owner, uuid: str, *, offset: int = 0) -> View | None:
        return await (await self._ready()).finished(owner, uuid, offset=offset)

    async def cancel(self, owner: Owner, uuid: str) -> View | None:
        return await (await self._ready()).cancel(owner, uuid)

    async def list(
        self, owner: Owner, *, limit: int, cursor: str | None = None, session_id: str | None = None
    ) -> Page:
        return await (await self._ready()).list(owner, limit=limit, cursor=cursor, session_id=session_id)

    async def tools(self, owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        return await (await self._ready()).tools(owner, servers)
