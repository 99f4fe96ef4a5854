"""An HTTP server in a thread that answers as a test's function says, byte for byte, and remembers what it was asked."""

import json
import queue
import socketserver
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 30.0
CLOSE = b"<close>"
"""A piece that ends the connection."""


class Request:
    """One request. `headers` are by name in lower case; `message` is its decoded body, None without one."""

    def __init__(self, raw: bytes, body: bytes) -> None:
        lines = raw.decode().split("\r\n")
        self.method, self.target, _ = lines[0].split(" ")
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        self.body = body
        self.message: Any = json.loads(body) if body else None

    @property
    def calls(self) -> str:
        """What it is: the JSON-RPC method, `answer`, or the HTTP method."""
        if self.message is None:
            return self.method
        name: str = self.message.get("method", "answer")
        return name


Script = Callable[[Request], Iterator[bytes] | bytes]


class ScriptedServer:
    """`script` is asked for the answer of each request: bytes, or pieces which may wait between them."""

    def __init__(self, script: Script) -> None:
        self.requests: list[Request] = []
        self._arrived = threading.Condition()
        self.gone: queue.Queue[Request] = queue.Queue()
        """Requests whose client closed the connection before the answer was complete."""
        outer = self

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while request := outer._read(self):
                    try:
                        if not outer._answer(script(request), self):
                            return
                    except OSError:
                        outer.gone.put(request)
                        return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """The client may go at any time."""

        self._server = Server(("127.0.0.1", 0), Connection)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, *calls: str) -> list[Request]:
        """The requests that are one of `calls`, as soon as there are as many."""

        def found() -> list[Request]:
            return [request for request in self.requests if request.calls in calls]

        with self._arrived:
            assert self._arrived.wait_for(lambda: len(found()) >= len(calls), PATIENCE_SECONDS), self.seen
            return found()

    @property
    def seen(self) -> list[str]:
        """What came, in order."""
        return [request.calls for request in self.requests]

    def _read(self, connection: socketserver.StreamRequestHandler) -> Request | None:
        lines = []
        while (line := connection.rfile.readline()) not in (b"\r\n", b""):
            lines.append(line)
        if not line:
            return None
        raw = b"".join(lines)
        size = raw.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        request = Request(raw, connection.rfile.read(int(size or 0)))
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        return request

    @staticmethod
    def _answer(answer: Iterator[bytes] | bytes, connection: socketserver.StreamRequestHandler) -> bool:
        for piece in [answer] if isinstance(answer, bytes) else answer:
            if piece == CLOSE:
                return False
            connection.wfile.write(piece)
        return True


def reply(status: int, body: Any = b"", kind: str = "application/json", **headers: str) -> bytes:
    """A whole answer; a body that is not bytes is written as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}"]
    lines += [f"Content-Type: {kind}"] if data else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def event(message: Any, id: str | None = None, retry: int | None = None) -> bytes:
    """One event of a chunked stream."""
    text = "" if id is None else f"id: {id}\n"
    text += "" if retry is None else f"retry: {retry}\n"
    data = (text + f"data: {'' if message is None else json.dumps(message)}\n\n").encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def until(what: threading.Event) -> Iterator[bytes]:
    """Wait in the middle of an answer; comments are written meanwhile, so that a client that went is noticed."""
    while not what.wait(0.02):
        yield b"3\r\n:\n\n\r\n"


def result(request: Request, value: Any) -> dict[str, Any]:
    """The response to a request."""
    return {"jsonrpc": "2.0", "id": request.message["id"], "result": value}


def legacy(calls: Script, listening: Script = lambda _: reply(405)) -> Script:
    """A server with sessions: `calls` answers tools/call and what else there is, `listening` the GET."""

    def script(request: Request) -> Iterator[bytes] | bytes:
        if request.calls == "initialize":
            offer = {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "serverInfo": {"name": "s", "version": "1"},
            }
            return reply(200, result(request, offer), mcp_session_id="session-1")
        if request.calls == "GET":
            return listening(request)
        if request.calls == "DELETE":
            return reply(200)
        if "id" not in request.message or request.calls == "answer":
            return reply(202)
        return calls(request)

    return script
