"""Calls to a runner's server in this process, over `MemoryEngine`; every answer is held against its schema."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from mcp import Client
from mcp_types import CallToolResult, TextContent
from memory_engine import MemoryEngine

from callgate.runner.execution import Owner
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.owner import Caller
from callgate.runner.server.protocol import mcp_server
from callgate.runner.server.tool_list import tools
from callgate.runner.server.under_way import UnderWay

PATIENCE_SECONDS = 30.0
MODES = ("legacy", "2026-07-28")
ME = Caller(Owner("local:me", limit_session="s"))


def valid(tool: str, content: Any) -> bool:
    """Whether an answer satisfies the tool's output schema."""
    schema = tools()[tool].output_schema
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    return bool(Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(content))


class Runner:
    """A client of the server, and the engine behind it."""

    def __init__(self, client: Client, engine: MemoryEngine, under_way: UnderWay) -> None:
        self.client = client
        self.engine = engine
        self.under_way = under_way

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool; its answer must be as the tool says that answers are."""
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        assert valid(tool, result.structured_content), result.structured_content
        return result

    async def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of an answer."""
        content: dict[str, Any] = (await self.call(tool, **arguments)).structured_content or {}
        return content

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Why a call was not acted upon; fails if it was."""
        result = await self.call(tool, **arguments)
        assert result.is_error
        refused: dict[str, Any] = (result.structured_content or {})["refused"]
        return refused

    async def started(self, script: str = "wait", **arguments: Any) -> str:
        """Begin an execution; its UUID."""
        told = await self.told("asyncExecuteCode", script=script, **arguments)
        return str(told["execution_uuid"])


@asynccontextmanager
async def runner(mode: str = MODES[1], caller: Caller = ME, **options: Any) -> AsyncIterator[Runner]:
    """A server for one caller and its client, in this process."""
    engine, under_way = MemoryEngine(), UnderWay()
    server = mcp_server(engine, lambda _context: caller, ServerOptions(**options), under_way)
    async with Client(server, mode=mode) as client:
        yield Runner(client, engine, under_way)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine for a limited time."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await main()

    asyncio.run(limited())


def text_of(result: CallToolResult) -> str:
    """The only text of an answer."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text
