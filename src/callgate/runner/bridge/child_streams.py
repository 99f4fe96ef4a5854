"""A child of the nursery as a transport of the SDK's client: lines in, messages out, in bounded memory.

The SDK's own stdio transport starts children that outlive a killed worker; those of the nursery do not, nor does
anything that they start. What a server writes is hostile: whatever cannot be read is answered in its stead, if it can
be told what it answers, or left out.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from errno import EACCES, ENOENT
from typing import Any

import anyio
import msgspec
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.text import quote
from callgate.transports.spawner import ChildPipes
from callgate.upstream.child import Child
from callgate.upstream.flood import FLOOD, MAX_DROPPED
from callgate.upstream.stderr import Log
from callgate.wire.envelope import RequestId, scan
from callgate.wire.framing import Oversized

MAX_QUEUED = 1 << 20
"""Bytes that may wait for the client before the child has to wait."""

MAX_WAITING = 32 << 20
"""Bytes that a child may leave unread before it is given up."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
Streams = tuple[Any, Any]


class ChildStreams:
    """One child. `streams` is entered once; `over(why)` is called when nothing more will come of the child."""

    def __init__(
        self,
        config: ServerConfig,
        start: Callable[[], ChildPipes],
        clock: Clock,
        log: Log,
        over: Callable[[str], None],
    ) -> None:
        self._config = config
        self._start = start
        self._clock = clock
        self._log = log
        self._over = over
        self._queue: deque[tuple[int, JSONRPCMessage]] = deque()
        self._queued = 0
        self._dropped = 0
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._ended = False
        self._child: Child | None = None

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Streams]:
        """Start the child, and end it with everything that it started. Raises OSError, ValueError."""
        loop = asyncio.get_running_loop()
        self._child = child = Child(
            *(self._config.name, self._start(), loop, self._clock, self._log, self),
            self._config.max_response,
        )
        to_client, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_server, from_client = anyio.create_memory_object_stream[SessionMessage](0)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._bring, to_client)
                group.start_soon(self._take, from_client)
                try:
                    yield from_server, to_server
                finally:
                    group.cancel_scope.cancel()
        finally:
            for stream in (to_client, from_server, to_server, from_client):
                stream.close()
            child.discard()
            with anyio.CancelScope(shield=True), suppress(TimeoutError):
                # The keeper ends it within its own grace; the bound is for a kernel that does not.
                await asyncio.wait_for(self._gone.wait(), 10.0)
            child.close()

    async def _bring(self, to_client: Any) -> None:
        async with to_client:
            while True:
                while self._queue:
                    size, message = self._queue.popleft()
                    self._queued -= size
                    try:
                        await to_client.send(SessionMessage(message))
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        return
                if self._ended:
                    return
                if self._child is not None:
                    self._child.resume()
                self._arrived.clear()
                await self._arrived.wait()

    async def _take(self, from_client: Any) -> None:
        child = self._child
        async with from_client:
            async for session_message in from_client:
                message: Any = session_message.message
                if child is None or child.deaf:
                    continue
                child.write(_encode(message.model_dump(by_alias=True, mode="json", exclude_unset=True)))
                if child.waiting > MAX_WAITING:
                    self.ended("the server does not read what it is sent", 0)
                    child.discard()

    # For the child.

    def started(self) -> None:
        """Nothing depends on it."""

    def frames(self, frames: list[bytes | Oversized]) -> None:
        """It has written these."""
        for frame in frames:
            if isinstance(frame, Oversized):
                most = self._config.max_response
                self._put(
                    0, _refusal(frame.id, f"the answer has {frame.size} bytes; at most {most} are accepted")
                )
                continue
            try:
                # Strict: no NaN, no number that would be rounded to infinity.
                message = jsonrpc_message_adapter.validate_python(_decode(frame), by_name=False)
            except (ValueError, RecursionError):
                envelope = scan(frame)
                id = envelope.id if envelope.kind == "response" else None
                self._put(len(frame), _refusal(id, "the answer is not valid JSON-RPC"))
            else:
                self._put(len(frame), message)
        if self._queued > MAX_QUEUED and self._child is not None:
            self._child.pause()
        self._arrived.set()

    def ended(self, why: str, errno: int) -> None:
        """Nothing more comes."""
        if not self._ended:
            self._ended = True
            self._over(_not_started(self._config.command[0], errno) if errno else why)
            self._arrived.set()

    def gone(self) -> None:
        """No process of it is left."""
        self._gone.set()

    def _put(self, size: int, message: JSONRPCMessage | None) -> None:
        if message is None:
            self._dropped += 1
            if self._dropped > MAX_DROPPED and self._child is not None and not self._ended:
                self.ended(FLOOD.text, 0)
                self._child.discard()
            return
        self._queued += size
        self._queue.append((size, message))


def _not_started(program: str, errno: int) -> str:
    """The program's name without its folder: that is the operator's own business."""
    name = f"its command {quote(os.path.basename(program), 100)}"
    if errno == ENOENT:
        return f"the server cannot be started: {name} is not found"
    if errno == EACCES:
        return f"the server cannot be started: {name} may not be executed"
    return f"the server cannot be started: {os.strerror(errno).lower()}"


def _refusal(id: RequestId | None, text: str) -> JSONRPCMessage | None:
    if id is None:
        return None
    return JSONRPCError(jsonrpc="2.0", id=id, error=ErrorData(code=INTERNAL_ERROR, message=text))


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What tells a program that it was started by a runner: `callgate runner` refuses to serve below itself."""
    return {**inherited, "CALLGATE_RUNNER": "1"}
