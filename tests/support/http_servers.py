"""Real servers over Streamable HTTP, each on a port of its own, for the length of a `with`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.real_traffic import NODE_BIN

PATIENCE_SECONDS = 30.0


@contextmanager
def sdk_server(*options: str) -> Iterator[str]:
    """The URL of `tests.support.http_server`."""
    command = [sys.executable, "-m", "tests.support.http_server", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, "the server did not start"
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


@contextmanager
def server_everything() -> Iterator[str]:
    """The URL of npm's server-everything."""
    command = [str(NODE_BIN / "mcp-server-everything"), "streamableHttp"]
    with subprocess.Popen(
        command, env={**os.environ, "PORT": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            assert b"listening" in process.stderr.readline()
            yield f"http://127.0.0.1:{listening_port(process.pid)}/mcp"
        finally:
            process.kill()


def listening_port(pid: int) -> int:
    """The TCP port on which a process listens."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        inodes = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                    return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError("it does not listen")
