"""Clients of an MCP server over stdio: a lean one of our own, and the official SDK's."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

_LINE = 64 << 20
_START_SECONDS = 60


class RawClient:
    """Writes a line for each request, and reads lines. `pid` is the server's."""

    def __init__(self, process: asyncio.subprocess.Process, said: Callable[[], str]) -> None:
        """`said` is the last that the server wrote on its stderr."""
        self._process = process
        self._said = said
        self.pid = process.pid
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message = json.loads(line)
            waiter = self._waiting.pop(message.get("id"), None)
            if waiter is not None and not waiter.done():
                waiter.set_result(message)
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(RuntimeError(f"the server went away: {self._said()}"))

    async def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a request. Raises RuntimeError for an error."""
        self._next += 1
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[self._next] = waiter
        self._send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        message = await waiter
        if "result" not in message:
            raise RuntimeError(str(message.get("error"))[:200])
        result: dict[str, Any] = message["result"]
        return result

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def begin(self) -> None:
        """The handshake."""
        info = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        }
        await self.request("initialize", info)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The structured content of a tool's result, if it has any. Raises RuntimeError if it failed."""
        result = await self.request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(str(result.get("content"))[:300])
        found: dict[str, Any] = result.get("structuredContent") or {}
        return found

    async def close(self) -> None:
        """End the server as clients do: by closing its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 20)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._reading.cancel()


@asynccontextmanager
async def raw_client(words: Sequence[str], **variables: str) -> AsyncIterator[RawClient]:
    """A server as a child, with the handshake done."""
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=_LINE,
            env={**os.environ, **variables},
        )

        def said() -> str:
            errors.seek(0)
            return " ".join(errors.read().decode(errors="replace").split())[-200:]

        client = RawClient(process, said)
        try:
            await asyncio.wait_for(client.begin(), _START_SECONDS)
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def sdk_client(words: Sequence[str], **variables: str) -> AsyncIterator[Client]:
    """The same with the official SDK."""
    server = StdioServerParameters(command=words[0], args=list(words[1:]), env={**os.environ, **variables})
    with open(os.devnull, "w") as nowhere:
        async with Client(stdio_client(server, errlog=nowhere)) as client:
            yield client
