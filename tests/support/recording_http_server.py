"""A server over HTTP that writes down every byte that reaches it, in a thread of the test.

It answers both eras as careless servers do: no look at ids, versions, headers or sessions. `replies` may give another
answer to a request: bytes that are written as they are.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.lenient_reader import called_tools

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["text"],
}


class Received(NamedTuple):
    """One request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, None if it is not there; fails if it is there twice."""
        values = [value for key, value in self.headers if key.lower() == name]
        assert len(values) < 2, self
        return values[0] if values else None

    @property
    def frame(self) -> dict[str, Any]:
        """The body as JSON."""
        frame: dict[str, Any] = json.loads(self.body)
        return frame


Replies = Callable[[Received], bytes | None]


def http(status: int, body: bytes, content_type: str | None = "application/json", *headers: str) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def sse(*events: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """A whole stream; every event is written as it is, with its empty line."""
    return http(200, b"".join(event + b"\n\n" for event in events), "text/event-stream", *headers)


class RecordingHttpServer:
    """Use it as a context manager. `tools` are listed, and any tool is run."""

    def __init__(self, *tools: str, replies: Replies = lambda _: None) -> None:
        self.tools = tools or ("echo", "rm")
        self.replies = replies
        self.closes = False
        """Whether the connection ends behind what `replies` gave."""
        self.received: list[Received] = []
        self.stray = b""
        """Bytes that were no request."""
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def take(self) -> list[Received]:
        """What came since the last time."""
        taken, self.received = self.received, []
        return taken

    @property
    def called(self) -> set[str]:
        """Every tool that any reader could take to be called by what came, in bodies or between requests."""
        found = called_tools(self.stray)
        for request in self.received:
            found |= called_tools(request.body)
        return found

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 26)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            self.stray += error.partial
            raise
        first, *lines = head[:-4].split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        size = int(next((value for name, value in headers if name.lower() == "content-length"), "0"))
        method, target, *_ = first.split(" ")
        request = Received(method, target, headers, await reader.readexactly(size))
        self.received.append(request)
        given = self.replies(request)
        writer.write(self.ordinary(request) if given is None else given)
        await writer.drain()
        return given is None or not self.closes

    def ordinary(self, request: Received) -> bytes:
        """What a server in order answers."""
        if request.method != "POST":
            return http(405, b"", None)
        try:
            message = json.loads(request.body)
        except ValueError:
            return http(400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}')
        if not isinstance(message, dict) or "id" not in message or "method" not in message:
            return http(202, b"", None)
        result = self._result(message)
        if request.header("mcp-method") is not None:
            result = {"resultType": "complete", **result}
        session = ("Mcp-Session-Id: upstream-session",) if message["method"] == "initialize" else ()
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        return http(200, body, "application/json", *session)

    def _result(self, message: dict[str, Any]) -> dict[str, Any]:
        params = message.get("params") or {}
        if message["method"] == "initialize":
            return {
                "protocolVersion": params.get("protocolVersion", "2025-11-25"),
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "recording", "version": "1"},
            }
        if message["method"] == "tools/list":
            return {"tools": [{"name": name, "inputSchema": SCHEMA} for name in self.tools]}
        if message["method"] == "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(params.get("arguments"))}]}
        return {}
