"""`lean_server` as a process of its own, with the means to wait for what happens in it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 30.0
PROGRAM = Path(__file__).with_name("lean_server.py")


class LeanServer:
    """Use it as a context manager. `log` is the file of the calls that it ran; port 0 lets the system choose."""

    def __init__(self, log: Path | None = None, *, port: int = 0) -> None:
        command = [sys.executable, str(PROGRAM), str(port), *([] if log is None else [str(log)])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def counts(self) -> dict[str, int]:
        """What has happened."""
        return self._ask("/counts")

    def wait(self, name: str, least: int) -> dict[str, int]:
        """Wait until the count called `name` is as large; fails if that does not come about."""
        return self._ask(f"/wait?{name}={least}")

    def release(self) -> None:
        """Have everything answered that is held."""
        self._ask("/release", b"")

    def announce(self) -> None:
        """Put a message on every listening stream."""
        self._ask("/announce", b"")

    def stall(self) -> None:
        """SIGSTOP: connections are taken by the kernel, and nothing is answered."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _ask(self, target: str, body: bytes | None = None) -> dict[str, int]:
        url = f"http://127.0.0.1:{self.port}{target}"
        with urllib.request.urlopen(url, body, timeout=PATIENCE_SECONDS) as answer:
            found: dict[str, int] = json.load(answer)
        return found
