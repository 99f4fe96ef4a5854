"""A server over Streamable HTTP that knows only the handshake eras and remembers by session. Prints its port.

remembering_http.py
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SESSIONS: dict[str, list[str]] = {}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("remember", "recall")]


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
        else:
            self._send(200, {"id": id, "result": self._call(message["params"], SESSIONS[session])})

    def do_GET(self) -> None:
        self._send(405, None)

    def do_DELETE(self) -> None:
        self._send(200, None)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""

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
