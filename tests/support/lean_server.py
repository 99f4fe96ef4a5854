"""An MCP server of both eras over Streamable HTTP that costs next to nothing, holds what it is told to, and counts.

    lean_server.py PORT [FILE]

Prints its port, serves at /mcp. tools/call: `hold` begins a stream with one progress notification and answers when
released; `mute` says nothing before that; `big` answers with `size` letters; `ask` puts an elicitation to the client
first (handshake eras); anything else is answered at once. With FILE the argument `token` of every call that it runs
is appended to it. GET /counts tells what has happened as JSON, GET /wait?NAME=N answers when NAME has become N, POST
/release answers everything that is held, POST /announce puts a log message on every listening stream.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from typing import Any

import uvloop

counts: Counter[str] = Counter()
"""`ran` calls, `held` ones (ever), `gone` ones (held or listening, ended by their client), `open` streams, ..."""
held: set["Connection"] = set()
listening: set["Connection"] = set()
waiting: list[tuple[str, int, "Connection"]] = []
sessions: set[str] = set()
log = -1


def count(name: str, by: int = 1) -> None:
    """Something happened; whoever waits for it is told."""
    counts[name] += by
    for entry in [entry for entry in waiting if counts[entry[0]] >= entry[1]]:
        waiting.remove(entry)
        entry[2].send(counts)


class Connection(asyncio.Protocol):
    """One client, one request after the other."""

    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.input = b""
        self.message: dict[str, Any] = {}

    def data_received(self, data: bytes) -> None:
        self.input += data
        while (end := self.input.find(b"\r\n\r\n")) >= 0:
            head = self.input[:end].decode("latin-1")
            size = int(head.lower().partition("content-length: ")[2].partition("\r")[0] or 0)
            if len(self.input) < end + 4 + size:
                return
            body, self.input = self.input[end + 4 : end + 4 + size], self.input[end + 4 + size :]
            self.request(head, body)

    def connection_lost(self, _error: Exception | None) -> None:
        if self in held or self in listening:
            count("open", -1 if self in listening else 0)
            held.discard(self)
            listening.discard(self)
            count("gone")

    def send(self, value: Any, status: int = 200, more: str = "") -> None:
        body = b"" if value is None else json.dumps(value).encode()
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{kind}{more}\r\n"
        self.transport.write(head.encode() + body)

    def stream(self, *messages: Any) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.transport.write(head.encode())
        for message in messages:
            self.event(message)

    def event(self, message: Any) -> None:
        data = b"data: " + json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n\n"
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self.transport.write(b"0\r\n\r\n")

    def result(self, **result: Any) -> dict[str, Any]:
        modern = "io.modelcontextprotocol/protocolVersion" in (self.params.get("_meta") or {})
        about = {"resultType": "complete"} if modern else {}
        return {"jsonrpc": "2.0", "id": self.message["id"], "result": {**about, **result}}

    @property
    def params(self) -> dict[str, Any]:
        return self.message.get("params") or {}

    def request(self, head: str, body: bytes) -> None:
        method, target, _ = head.split(" ", 2)
        if target != "/mcp":
            self.control(target)
            return
        session = head.lower().partition("mcp-session-id: ")[2].partition("\r")[0]
        if session and session not in sessions:
            self.send(None, 404)
        elif method == "GET":
            self.listen()
        elif method == "DELETE":
            sessions.discard(session)
            count("ended")
            self.send(None)
        else:
            self.message = json.loads(body)
            self.post()

    def control(self, target: str) -> None:
        path, _, query = target.partition("?")
        if path == "/wait":
            name, _, least = query.partition("=")
            waiting.append((name, int(least), self))
            count("asked")
            return
        if path == "/release":
            for connection in list(held):
                connection.release()
        if path == "/announce":
            for connection in listening:
                connection.event({"method": "notifications/message", "params": {"level": "info", "data": 1}})
        self.send(counts)

    def listen(self, *messages: Any) -> None:
        listening.add(self)
        self.stream(*messages)
        count("open")

    def post(self) -> None:
        method = self.message.get("method")
        if method is None or "id" not in self.message:
            count(f"got {method or 'answer'}")
            self.send(None, 202)
        elif method == "initialize":
            session = os.urandom(8).hex()
            sessions.add(session)
            offer = {
                "protocolVersion": self.params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "lean", "version": "1"},
            }
            count("sessions")
            self.send(self.result(**offer), more=f"Mcp-Session-Id: {session}\r\n")
        elif method == "tools/call":
            self.call(self.params["name"], self.params.get("arguments") or {})
        elif method == "tools/list":
            names = ("echo", "hold", "mute", "big", "ask")
            self.send(
                self.result(tools=[{"name": name, "inputSchema": {"type": "object"}} for name in names])
            )
        elif method == "subscriptions/listen":
            about = {"io.modelcontextprotocol/subscriptionId": self.message["id"]}
            self.listen({"method": "notifications/subscriptions/acknowledged", "params": {"_meta": about}})
        else:
            self.send(self.result())

    def call(self, name: str, arguments: dict[str, Any]) -> None:
        if log >= 0:
            os.write(log, f"{arguments.get('token')}\n".encode())
        count("ran")
        if name in ("hold", "ask"):
            token = (self.params.get("_meta") or {}).get("progressToken", 0)
            self.stream(
                {"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
            )
            if name == "ask":
                asked = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
                self.event({"id": "ask-1", "method": "elicitation/create", "params": asked})
        if name in ("hold", "mute", "ask"):
            held.add(self)
            count("held")
        elif name == "big":
            self.send(self.result(content=[{"type": "text", "text": "x" * arguments["size"]}]))
        else:
            self.send(self.result(content=[{"type": "text", "text": str(arguments.get("text"))}]))

    def release(self) -> None:
        held.discard(self)
        answer = self.result(content=[{"type": "text", "text": "released"}])
        if self.params["name"] == "mute":
            self.send(answer)
        else:
            self.event(answer)
            self.end()


async def main() -> None:
    """Serve until killed."""
    global log
    if len(sys.argv) > 2:
        log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
