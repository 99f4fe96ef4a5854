"""The runner's server as a program of its own, over `MemoryEngine`, for tests that speak to it from outside."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.raw_agent import RawAgent

PROGRAM = [sys.executable, str(Path(__file__).with_name("runner_process.py"))]
PATIENCE_SECONDS = 30.0


class HttpRunner:
    """One that serves over HTTP."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2].partition("/")[0])

    def agent(self, key: str | None = None) -> RawAgent:
        """An agent with its bytes in the test's hands."""
        return RawAgent(self.port, "/mcp", key)

    def end(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def http_runner(*words: str) -> Iterator[HttpRunner]:
    """A runner over HTTP; `words` as its program has them."""
    with subprocess.Popen(
        [*PROGRAM, "http", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            yield HttpRunner(process, process.stdout.readline().decode().strip())
        finally:
            process.kill()


def content(frame: dict[str, Any]) -> dict[str, Any]:
    """The structured content of an answer."""
    found: dict[str, Any] = frame["result"]["structuredContent"]
    return found
