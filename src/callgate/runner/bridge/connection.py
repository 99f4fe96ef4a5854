"""One connection to a server by the SDK's client, in whichever era the server speaks, shared by many callers.

The client lives in a task of its own. When the connection is lost, every call under way fails, and nothing is sent
again by itself.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

from callgate import __version__
from callgate.runner.bridge.failures import Unreachable, why

_RESULT: TypeAdapter[Any] = TypeAdapter(CallToolResult | InputRequiredResult)
_SESSION_LOST = "Session terminated"
"""The SDK's own words for the 404 of a session that the server no longer knows."""

CLOSE_SECONDS = 15.0

Streams = Callable[[], AbstractAsyncContextManager[Any]]


class Connection:
    """`changed` is called when the server says that its tools changed; `lost(connection)` as soon as the connection is
    of no use any more, unless it was closed; `ended(connection)` when nothing is left of it. `used_ns` and `in_flight`
    are for whoever keeps it."""

    def __init__(
        self,
        streams: Streams,
        changed: Callable[[], None],
        lost: Callable[["Connection"], None],
        ended: Callable[["Connection"], None],
    ) -> None:
        self._streams = streams
        self._changed = changed
        self._lost = lost
        self._ended = ended
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._closing = asyncio.Event()
        self._client: Client | None = None
        self._why: str | None = None
        self.alive = False
        self._closed = False
        self.used_ns = 0
        self.in_flight = 0

    @property
    def modern(self) -> bool:
        """Whether the server keeps no session: each request stands for itself."""
        return self._client is not None and self._client.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def open(self, seconds: float) -> None:
        """Connect and agree on a version. Raises Unreachable."""
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        self._task = loop.create_task(self._live())
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), seconds)
        except TimeoutError:
            await self.close()
            raise Unreachable(f"the server has not answered for {seconds:g} seconds") from None
        except BaseException:
            await self.close()
            raise

    async def list_tools(self, cursor: str | None, seconds: float) -> ListToolsResult:
        """One page. Raises MCPError, ValidationError, TimeoutError, Unreachable."""
        client = self._connected()
        async with asyncio.timeout(seconds):
            return await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))

    async def call(self, tool: str, arguments: dict[str, Any], seconds: float) -> Any:
        """The result as the server gave it, not held against the tool's output schema.

        Raises MCPError, ValidationError and Unreachable (nothing was sent).
        """
        client = self._connected()
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        try:
            return await client.session.send_request(request, _RESULT, request_read_timeout_seconds=seconds)
        except MCPError as error:
            if error.message == _SESSION_LOST:
                self.lose("the server has lost the session")
            raise

    def lose(self, why: str) -> None:
        """The connection is of no use any more; what waits on it fails soon."""
        first = self._why is None
        if first:
            self._why = why
        was_alive, self.alive = self.alive, False
        self._closing.set()
        if first and was_alive and not self._closed:
            self._lost(self)

    async def close(self) -> None:
        """Let go of it, and wait until the server's processes have ended."""
        self._closed = True
        self.lose("the connection was closed")
        task = self._task
        if task is None or task.done():
            return
        if self._ready is not None and not self._ready.done():
            task.cancel()
        done, _ = await asyncio.wait((task,), timeout=CLOSE_SECONDS)
        if not done:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _connected(self) -> Client:
        if self._client is None or not self.alive:
            raise Unreachable(self._why or "there is no connection to the server")
        return self._client

    async def _live(self) -> None:
        ready = self._ready
        assert ready is not None  # noqa: S101  (made before this task)
        error: BaseException | None = None
        try:
            client = Client(
                self._streams(),
                cache=None,
                message_handler=self._heard,
                client_info=Implementation(name="callgate", version=__version__),
            )
            async with client:
                self._client = client
                if self._why is None:
                    self.alive = True
                    ready.set_result(None)
                    await self._closing.wait()
        except asyncio.CancelledError:
            if not self._closed:
                raise
        except (Exception, BaseExceptionGroup) as caught:
            error = caught
        finally:
            self.lose("the connection was lost" if error is None else why(error))
            if not ready.done():
                ready.set_exception(Unreachable(self._why or ""))
                # Whoever waited may have gone.
                ready.exception()
            self._ended(self)

    async def _heard(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed()
        await anyio.lowlevel.checkpoint()
