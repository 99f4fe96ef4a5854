"""Agents over HTTP as tests need them by the thousand: plain connections, both eras, answers read to the byte."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ClassVar, Self

import uvloop
from msgspec import Struct

PATIENCE_SECONDS = 60.0
LEGACY = "2025-11-25"
MODERN = "2026-07-28"
Message = dict[str, Any]


def on_loop(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` on uvloop, for a limited time. No connection of an `Agent` is left open."""

    async def limited() -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await main()
        finally:
            for agent in list(Agent.connected):
                agent.close()
            while Agent.connected:
                with contextlib.suppress(OSError):
                    await Agent.connected.pop().writer.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(limited())


class Answer(Struct):
    """A whole answer. Header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def messages(self) -> list[Message]:
        """The frames that it holds, from JSON or from events."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return events(self.body)
        return [json.loads(self.body)] if self.body else []

    @property
    def message(self) -> Message:
        """The last frame: the response."""
        return self.messages[-1]

    @property
    def denied(self) -> str | None:
        """The code of the denial that it is, None if it is none."""
        result = self.message.get("result", {})
        denial = result.get("structuredContent") or result.get("_meta", {}).get("callgate/denial", {})
        code: str | None = denial.get("code")
        return code

    @property
    def failed(self) -> str | None:
        """The stable code of the gate's JSON-RPC error, None if it is none."""
        code: str | None = (self.message.get("error", {}).get("data") or {}).get("code")
        return code


def events(text: bytes) -> list[Message]:
    """The frames of a stream."""
    lines = (line.strip() for line in text.split(b"\n"))
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


class Agent:
    """One connection to `/<server>/mcp` at `port`. `version` makes it legacy or modern; headers go with everything."""

    connected: ClassVar[set["Agent"]] = set()

    def __init__(
        self,
        port: int,
        server: str = "srv",
        *,
        version: str = LEGACY,
        tls: ssl.SSLContext | None = None,
        **headers: str,
    ) -> None:
        self.port = port
        self.target = f"/{server}/mcp"
        self.version = version
        self.tls = tls
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.id = 0

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def connect(self) -> None:
        """Open the connection (anew)."""
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=1 << 24, ssl=self.tls
        )
        Agent.connected.add(self)

    def close(self) -> None:
        """End it: FIN."""
        self.writer.close()

    def reset(self) -> None:
        """End it: RST, where something has come that was not read."""
        self.writer.transport.abort()

    # Requests.

    async def initialize(self) -> Answer:
        """The handshake; the session's id goes with everything from now on."""
        info = {"name": "test", "version": "1"}
        capabilities: Message = {"elicitation": {}, "sampling": {}}
        offer = {"protocolVersion": self.version, "capabilities": capabilities, "clientInfo": info}
        answer = await self.ask("initialize", **offer)
        if "mcp-session-id" in answer.headers:
            self.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
            self.headers["mcp-protocol-version"] = self.version
        return answer

    async def ask(self, method: str, **params: Any) -> Answer:
        """A request and its whole answer."""
        self.send(method, **params)
        return await self.answer()

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """A call and its whole answer."""
        return await self.ask("tools/call", name=tool, arguments=arguments)

    async def open(self, method: str, **params: Any) -> dict[str, str]:
        """A request that is answered by a stream; the head of the answer."""
        self.send(method, **params)
        return await self.streaming()

    async def listen(self) -> dict[str, str]:
        """The stream of what belongs to no request: GET, or subscriptions/listen."""
        if self.version == MODERN:
            return await self.open("subscriptions/listen", notifications={"toolsListChanged": True})
        self.write("GET", b"", {"accept": "text/event-stream"})
        return await self.streaming()

    async def streaming(self) -> dict[str, str]:
        """The head of an answer that must be a stream."""
        status, headers = await self.head()
        assert status == 200, (status, headers)
        assert headers["content-type"].startswith("text/event-stream"), headers
        return headers

    def send(self, method: str, **params: Any) -> None:
        """Send a request; do not wait."""
        self.id += 1
        headers = {}
        if self.version == MODERN:
            headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
            if name := params.get("name", params.get("uri")):
                headers["mcp-name"] = name
            about = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            params = {**params, "_meta": {**about, **params.get("_meta", {})}}
        self.post({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}, headers)

    def post(self, message: Message | bytes, headers: dict[str, str] | None = None) -> None:
        """Send any frame; do not wait."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        accepted = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        self.write("POST", body, {**accepted, **(headers or {})})

    def write(self, method: str, body: bytes, headers: dict[str, str]) -> None:
        """Send one HTTP request."""
        lines = [f"{method} {self.target} HTTP/1.1", f"host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **self.headers}.items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    # Answers.

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def answer(self) -> Answer:
        """The next answer as a whole."""
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while chunk := await self.chunk():
                body += chunk
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(status, headers, body)

    async def chunk(self) -> bytes:
        """The next piece of a stream; empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return data

    async def event(self) -> Message:
        """The next frame of a stream; heartbeats are passed over."""
        while True:
            data = await self.chunk()
            assert data, "the stream has ended"
            if found := events(data):
                return found[0]

    async def rest(self) -> list[Message]:
        """The frames of the stream up to its end."""
        body = b""
        while chunk := await self.chunk():
            body += chunk
        return events(body)

    async def ended(self) -> bool:
        """Whether the connection ends without another byte than a stream's end; waits for that."""
        try:
            return (await self.reader.read()).removesuffix(b"0\r\n\r\n").replace(
                b"3\r\n:\n\n\r\n", b""
            ) == b""
        except ConnectionError:
            return True
