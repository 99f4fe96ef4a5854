"""`callgate run` as a real process with its pipes in the test's hands."""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 30.0


class GateProcess:
    """Speaks raw frames to a gate; without `server`, to one that has its server elsewhere.

    Use it as a context manager: whatever happens, nothing is left running.
    """

    def __init__(
        self,
        policy: Path,
        server: list[str],
        *options: str,
        env: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
        stderr: Path | None = None,
    ) -> None:
        behind = ["--", *server] if server else []
        self.command = [sys.executable, "-m", "callgate", "run", "-c", str(policy), *options, *behind]
        self._stderr_path = stderr or policy.parent / f"stderr-{time.monotonic_ns()}.txt"
        with open(self._stderr_path, "wb") as errors:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                pass_fds=pass_fds,
                bufsize=0,
            )
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_input()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()

    @property
    def stderr(self) -> str:
        """What the gate and its server have said to people so far."""
        return self._stderr_path.read_text(errors="replace")

    def send(self, *frames: dict[str, Any] | bytes) -> None:
        """Write frames; bytes go as they are with a newline behind them."""
        assert self.process.stdin is not None
        for frame in frames:
            data = frame if isinstance(frame, bytes) else json.dumps(frame, separators=(",", ":")).encode()
            self.process.stdin.write(data + b"\n")

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def receive_line(self) -> bytes:
        """The next line from the gate, without its newline; b"" at its end. Fails if none comes."""
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        end = time.monotonic() + PATIENCE_SECONDS
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no answer in {PATIENCE_SECONDS} s; stderr: {self.stderr}")
            data = os.read(fd, 65536)
            if not data:
                rest, self._buffer = self._buffer, b""
                return rest
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def receive(self) -> dict[str, Any]:
        """The next frame from the gate."""
        line = self.receive_line()
        assert line, f"the gate ended; stderr: {self.stderr}"
        message: dict[str, Any] = json.loads(line)
        return message

    def answer_to(self, request_id: object) -> dict[str, Any]:
        """The answer with this id; frames before it that are no answers are passed over."""
        while True:
            message = self.receive()
            if "method" not in message and message.get("id") == request_id:
                return message

    def ask(
        self, method: str, params: dict[str, Any] | None = None, request_id: object = 1
    ) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        frame: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            frame["params"] = params
        self.send(frame)
        return self.answer_to(request_id)

    def call(
        self, tool: str, arguments: dict[str, Any] | None = None, request_id: object = 1, **params: Any
    ) -> dict[str, Any]:
        """Call a tool and wait for the answer."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}, **params}, request_id)

    def initialize(self, version: str = "2025-11-25") -> dict[str, Any]:
        """The handshake of the session era."""
        answer = self.ask(
            "initialize",
            {
                "protocolVersion": version,
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "0"},
            },
            "initialize",
        )
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def close_input(self) -> None:
        """End the agent's side, as a client that goes away in order does."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()

    def wait(self) -> int:
        """The exit status; negative for a signal."""
        return self.process.wait(PATIENCE_SECONDS)


def denial(answer: dict[str, Any]) -> dict[str, Any]:
    """The structured content of a denied call; fails if the call was not denied."""
    result = answer["result"]
    assert result["isError"] is True, answer
    content: dict[str, Any] = result["structuredContent"]
    assert set(content) >= {"code", "rule", "reason"}, answer
    return content
