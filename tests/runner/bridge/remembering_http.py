"""A server over Streamable HTTP that knows only the handshake eras and remembers by session. Prints its port.

Its tool `odd` answers as no server should.

remembering_http.py
"""

import json
import os
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SESSIONS: dict[str, list[str]] = {}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("remember", "recall", "odd")]


class Sessions(BaseHTTPRequestHandler):
    """Answers JSON only."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        session = self.headers.get("mcp-session-id")
        method, id = message["method"], message.get("id")
        if id is None:
            self._send(202, None)
        elif method == "initialize":
            session = os.urandom(8).hex()
            SESSIONS[session] = []
            info = {"name": "remembering", "version": "1"}
            version = message["params"]["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
            self._send(200, {"id": id, "result": result}, session)
        elif session not in SESSIONS:
            self._send(200, {"id": id, "error": {"code": -32601, "message": "no session"}})
        elif method == "tools/list":
            self._send(200, {"id": id, "result": {"tools": TOOLS}})
        elif message["params"]["name"] == "odd":
            self._misbehave(message["params"]["arguments"]["how"], session, id)
        else:
            self._send(200, {"id": id, "result": self._call(message["params"], SESSIONS[session])})

    def do_GET(self) -> None:
        self._send(405, None)

    def do_DELETE(self) -> None:
        self._send(200, None)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""

    def _misbehave(self, how: str, session: str, id: Any) -> None:
        content = [{"type": "text", "text": "x" * 200_000}]
        large = json.dumps({"jsonrpc": "2.0", "id": id, "result": {"content": content}}).encode()
        if how == "forget":
            del SESSIONS[session]
            self._send(404, None)
        elif how == "elsewhere":
            self._head(307, {"location": "http://127.0.0.1:9/mcp", "content-length": "0"})
        elif how == "drop":
            self._head(200, {"content-length": "1000"})
            self.wfile.write(b"{")
            self.close_connection = True
        else:
            body = {
                "large": large,
                "compressed": zlib.compress(large),
                "page": b"<html>",
                "stream": b"event: message\ndata: " + large + b"\n\n",
                "broken": b'{"jsonrpc"',
                "failing": b"",
            }[how]
            headers = {"content-length": str(len(body))}
            if how == "compressed":
                headers["content-encoding"] = "deflate"
            kinds = {"page": "text/html", "stream": "text/event-stream"}
            self._head(500 if how == "failing" else 200, headers, kinds.get(how, "application/json"))
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str], kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _call(self, params: dict[str, Any], kept: list[str]) -> dict[str, Any]:
        if params["name"] == "remember":
            kept.append(params["arguments"]["text"])
        return {"content": [{"type": "text", "text": json.dumps(kept)}]}

    def _send(self, status: int, message: dict[str, Any] | None, session: str | None = None) -> None:
        body = b"" if message is None else json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if session is not None:
            self.send_header("mcp-session-id", session)
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Sessions)
print(server.server_address[1], flush=True)
server.serve_forever()
