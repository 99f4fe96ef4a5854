"""An agent over HTTP with its bytes in the test's hands: every header as often and as it likes, any body."""

import http.client
import io
import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

PATIENCE_SECONDS = 30.0
LEGACY = "2025-11-25"
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
Headers = Sequence[tuple[str, str]]
JSON: Headers = (("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"))


class Reply(NamedTuple):
    """One answer. `headers` in order, without Date; `whole` unless the connection ended in the middle of it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool = True

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def events(self) -> list[bytes]:
        """The blocks of a stream of events, comments left out."""
        blocks = self.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
        return [block for block in blocks if block and not block.startswith(b":")]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Every frame, as JSON or as events."""
        if self.header("content-type") == "text/event-stream":
            datas = [_data(block) for block in self.events]
            return [json.loads(data) for data in datas if data]
        return [json.loads(self.body)] if self.body else []

    @property
    def frame(self) -> dict[str, Any]:
        """The only one."""
        (only,) = self.frames
        return only

    @property
    def codes(self) -> list[tuple[Any, str]]:
        """The id and the stable code of every answer in it; "result" for whatever the server says itself."""
        return [(frame.get("id"), code_of(frame)) for frame in self.frames if "method" not in frame]

    @property
    def code(self) -> str:
        """The code of the only frame."""
        return code_of(self.frame)


def code_of(frame: dict[str, Any]) -> str:
    """The code of a refusal or a denial; "result" for anything else."""
    if "error" in frame:
        data = frame["error"].get("data")
        return str(data["code"]) if isinstance(data, dict) and "code" in data else str(frame["error"]["code"])
    result = frame["result"]
    told = result.get("structuredContent") or (result.get("_meta") or {}).get("callgate/denial") or {}
    return str(told.get("code", "result"))


class RawAgent:
    """Speaks to the endpoint of one server of a gate; every request has a connection of its own."""

    def __init__(self, port: int, path: str, key: str | None = None) -> None:
        self.port = port
        self.path = path
        self.session: str | None = None
        self.key: Headers = () if key is None else (("Authorization", f"Bearer {key}"),)

    def exchange(self, data: bytes) -> bytes:
        """Send bytes; everything that comes back until the gate ends the connection."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as sock:
            received = b""
            # What is refused before it is read to its end may still be answered.
            with suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(data)
            with suppress(ConnectionResetError):
                while piece := sock.recv(1 << 16):
                    received += piece
            return received

    def head(self, method: str, headers: Headers, length: int | None) -> bytes:
        """The head of a request with these headers, Host, Connection and, unless it is None, the length."""
        lines = [f"{method} {self.path} HTTP/1.1", "Connection: close"]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.append(f"Host: 127.0.0.1:{self.port}")
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def request(self, method: str, headers: Headers, body: bytes = b"") -> Reply:
        """One request with exactly these headers and body; its whole answer."""
        return reply(self.exchange(self.head(method, headers, len(body)) + body), method)

    def post(
        self, body: bytes | dict[str, Any], *more: tuple[str, str], version: str | None = LEGACY
    ) -> Reply:
        """A POST in the session, if one was begun; `more` headers stand behind the usual ones."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [*JSON, *self.key, *more]
        if version is not None:
            headers.append(("MCP-Protocol-Version", version))
        if self.session is not None:
            headers.append(("Mcp-Session-Id", self.session))
        return self.request("POST", headers, data)

    def ask(
        self, method: str, params: dict[str, Any] | None = None, id: object = 1, *more: tuple[str, str]
    ) -> Reply:
        """A request of the handshake eras."""
        return self.post({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}, *more)

    def call(
        self, tool: str, arguments: dict[str, Any] | None = None, id: object = 1, *more: tuple[str, str]
    ) -> Reply:
        """A tools/call of the handshake eras."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}}, id, *more)

    def modern(
        self, method: str, params: dict[str, Any] | None = None, id: object = 1, *more: tuple[str, str]
    ) -> Reply:
        """A request that describes itself, with the headers that go with it."""
        given: dict[str, Any] = {**(params or {}), "_meta": META}
        key = "taskId" if method.startswith("tasks/") else "uri" if method == "resources/read" else "name"
        named = given.get(key)
        routing = [("Mcp-Method", method), *([("Mcp-Name", named)] if named else [])]
        frame = {"jsonrpc": "2.0", "id": id, "method": method, "params": given}
        headers = [*JSON, *self.key, ("MCP-Protocol-Version", MODERN), *routing, *more]
        return self.request("POST", headers, json.dumps(frame).encode())

    def modern_call(
        self, tool: str, arguments: dict[str, Any] | None = None, id: object = 1, *more: tuple[str, str]
    ) -> Reply:
        """A tools/call of 2026-07-28."""
        return self.modern("tools/call", {"name": tool, "arguments": arguments or {}}, id, *more)

    def initialize(self, *more: tuple[str, str]) -> str:
        """The handshake. Later requests are of this session, if the server has any."""
        self.session = None
        params = {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "0"},
        }
        frame = {"jsonrpc": "2.0", "id": "initialize", "method": "initialize", "params": params}
        answer = self.post(frame, *more, version=None)
        assert answer.status == 200, answer
        self.session = answer.header("mcp-session-id")
        assert self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, *more).status == 202
        return self.session or ""


class _Source(io.BytesIO):
    """What http.client reads an answer from."""

    def makefile(self, _mode: str) -> io.BytesIO:
        return self


def reply(data: bytes, method: str = "POST") -> Reply:
    """The first answer in `data`; fails if there is none."""
    response = http.client.HTTPResponse(cast("socket.socket", _Source(data)), method=method)
    response.begin()
    headers = [header for header in response.getheaders() if header[0] != "Date"]
    try:
        return Reply(response.status, headers, response.read())
    except http.client.IncompleteRead as cut:
        return Reply(response.status, headers, cut.partial, whole=False)


def _data(block: bytes) -> bytes:
    fields = [line.partition(b":")[::2] for line in block.split(b"\n")]
    return b"\n".join(value.removeprefix(b" ") for name, value in fields if name == b"data")
