"""The child's end of the wire: frames on one socket, output on two descriptors. Standard library only.

The other end is `runner.sandbox.frames`, which trusts nothing that comes from here.
"""

import json
import os
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

_HEAD = 4


class Wire:
    """Sends frames; takes the runner's. When the runner ends or hangs up, `gone` is called in the reading thread."""

    def __init__(self, connection: socket.socket, outputs: dict[str, int]) -> None:
        self._connection = connection
        self._outputs = outputs
        self._received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.closed = threading.Event()

    def start(self, gone: Callable[[], None]) -> None:
        """Begin to read, in a thread: an end must be seen while the script computes."""
        threading.Thread(target=self._read, args=(gone,), daemon=True).start()

    def receive(self) -> dict[str, Any]:
        """Return the next frame; waits."""
        return self._received.get()

    def send(self, message: dict[str, Any]) -> None:
        """Send one frame. Raises ValueError for what is not JSON."""
        body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        self._connection.sendall(len(body).to_bytes(_HEAD, "big") + body)

    def output(self, stream: str, text: str) -> None:
        """Pass on what the script wrote; waits while the runner is behind."""
        left = memoryview(text.encode("utf-8", "replace"))
        while left:
            left = left[os.write(self._outputs[stream], left) :]

    def _read(self, gone: Callable[[], None]) -> None:
        try:
            while True:
                length = int.from_bytes(self._exactly(_HEAD), "big")
                self._received.put(json.loads(self._exactly(length)))
        except (OSError, EOFError):
            self.closed.set()
            gone()

    def _exactly(self, size: int) -> bytes:
        taken = bytearray()
        while len(taken) < size:
            data = self._connection.recv(min(size - len(taken), 1 << 20))
            if not data:
                raise EOFError
            taken += data
        return bytes(taken)
