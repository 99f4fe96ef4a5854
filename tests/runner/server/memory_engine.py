"""An engine that runs nothing: executions wait in memory until a test moves them on."""

import asyncio
import uuid as uuids
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import structs

from callgate.runner.bridge.contract import ToolInfo
from callgate.runner.execution import (
    Ending,
    Execution,
    InnerCall,
    Owner,
    ScriptError,
    Spec,
    TracebackLine,
    Usage,
)
from callgate.runner.jobs.contract import Refusal, View
from callgate.runner.journal.contract import Output, Page

AT_ONCE = 64 << 10
"""Bytes of output in one view."""
NOW_MS = 1_700_000_000_000

TOOLS = (
    ToolInfo(
        function="mcp_Git_log",
        server="Git",
        tool="log",
        description="Shows the commits.\nNewest first.",
        input_schema={
            "type": "object",
            "properties": {"max_count": {"type": "integer"}, "repo": {"type": "string"}},
            "required": ["repo"],
        },
        annotations={"readOnlyHint": True},
        repeatable=True,
    ),
    ToolInfo(
        function="mcp_Mail_send",
        server="Mail",
        tool="send",
        description="Sends one message.",
        input_schema={"type": "object"},
        output_schema={"type": "object", "properties": {"id": {"type": "string"}}},
    ),
)


class MemoryEngine:
    """`contract.Engine`. What a script is decides what becomes of it: see `_play`."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.output: dict[str, list[Output]] = {}
        self.submitted = asyncio.Event()
        self._changed = asyncio.Condition()

    async def submit(self, owner: Owner, spec: Spec) -> Execution:
        if spec.script == "refuse":
            raise Refusal("RUN099", "no such luck", line=3, column=7, help="be lucky")
        if spec.script == "break":
            raise RuntimeError("a secret of the runner")
        execution = Execution(uuid=str(uuids.uuid4()), owner=owner, spec=spec, created_ms=NOW_MS)
        self.executions[execution.uuid] = execution
        self.output[execution.uuid] = []
        self._play(execution)
        self.submitted.set()
        return execution

    def _play(self, execution: Execution) -> None:
        script, uuid = execution.spec.script, execution.uuid
        if script.startswith("return "):
            self.write(uuid, "stdout", script.encode())
            self.end(uuid, Ending(state="completed", results={"value": script[7:]}, usage=Usage(wall_ms=5.0)))
        elif script == "raise":
            self.write(uuid, "stderr", b"oh\n")
            error = ScriptError(
                type="ValueError", message="no", traceback=(TracebackLine(1, "<module>", "raise"),), line=1
            )
            self.end(uuid, Ending(state="failed", cause="exception", error=error))
        elif script == "spill":
            for number in range(25_000):
                self.write(uuid, "stderr" if number == 12_000 else "stdout", f"é{number:06d}\n".encode())
            self.end(uuid, Ending(state="completed", results={}))
        elif script == "linger":
            loop = asyncio.get_running_loop()
            loop.call_later(0.5, self.end, uuid, Ending(state="completed"))
        elif script == "doubt":
            self.end(uuid, Ending(state="interrupted", cause="in_doubt_call"))

    def write(self, uuid: str, stream: Any, data: bytes) -> None:
        offset = self.executions[uuid].output_bytes
        self.output[uuid].append(Output(offset, stream, data))
        self.change(uuid, output_bytes=offset + len(data))

    def end(self, uuid: str, ending: Ending) -> None:
        self.change(
            uuid,
            state=ending.state,
            cause=ending.cause,
            results=ending.results,
            error=ending.error,
            usage=ending.usage,
            attempt=1,
            started_ms=NOW_MS + 5,
            ended_ms=NOW_MS + 25,
            backend="none",
            tier="sandbox",
        )

    def change(self, uuid: str, **members: Any) -> None:
        before = self.executions[uuid]
        self.executions[uuid] = structs.replace(before, version=before.version + 1, **members)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def view(self, owner: Owner, uuid: str, *, offset: int = 0, wait_seconds: float = 0) -> View | None:
        found = self._of(owner, uuid)
        if found is None:
            return None
        if wait_seconds and not found.ended and found.output_bytes <= offset:
            await self._until(lambda: self.executions[uuid].version != found.version, wait_seconds)
        return self._view(uuid, offset)

    async def finished(self, owner: Owner, uuid: str, *, offset: int = 0) -> View | None:
        if self._of(owner, uuid) is None:
            return None
        await self._until(lambda: self.executions[uuid].ended, None)
        return self._view(uuid, offset)

    async def cancel(self, owner: Owner, uuid: str) -> View | None:
        found = self._of(owner, uuid)
        if found is None:
            return None
        if not found.ended:
            self.end(uuid, Ending(state="cancelled", cause="cancelled"))
        return self._view(uuid, 0)

    async def list(
        self, owner: Owner, *, limit: int, cursor: str | None = None, session_id: str | None = None
    ) -> Page:
        mine = [
            each
            for each in self.executions.values()
            if each.owner.key == owner.key and session_id in (None, each.spec.session_id)
        ]
        begin = int(cursor or 0)
        more = str(begin + limit) if len(mine) > begin + limit else None
        return Page(tuple(mine[::-1][begin : begin + limit]), more)

    async def tools(self, _owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        return [tool for tool in TOOLS if servers is None or tool.server in servers]

    def _of(self, owner: Owner, uuid: str) -> Execution | None:
        found = self.executions.get(uuid)
        return found if found is not None and found.owner.key == owner.key else None

    def _view(self, uuid: str, offset: int) -> View:
        execution = self.executions[uuid]
        pieces = [
            Output(max(piece.offset, offset), piece.stream, piece.data[max(0, offset - piece.offset) :])
            for piece in self.output[uuid]
            if piece.offset + len(piece.data) > offset
        ]
        doubtful: tuple[InnerCall, ...] = ()
        if execution.state == "interrupted":
            call = InnerCall(
                seq=4,
                attempt=1,
                function="mcp_Mail_send",
                arguments_sha256="00",
                state="started",
                repeatable=False,
                started_ms=NOW_MS,
            )
            doubtful = (call,)
        next_offset, room = max(execution.output_bytes, offset), AT_ONCE
        for index, piece in enumerate(pieces):
            if len(piece.data) > room:
                pieces[index:] = [Output(piece.offset, piece.stream, piece.data[:room])]
                next_offset = piece.offset + room
                break
            room -= len(piece.data)
        return View(
            execution=execution,
            output=pieces,
            next_offset=next_offset,
            in_doubt=doubtful,
        )

    async def _until(self, reached: Callable[[], bool], seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(reached)
        except TimeoutError:
            return
