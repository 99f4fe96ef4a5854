"""A real nginx as the load balancer in front of gates, with settings that let event streams through as they come."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.free_port import free_port

PATIENCE_SECONDS = 30.0
PORTS_TO_TRY = 5

CONFIG = """
daemon off;
{user}
master_process on;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 64m;
  upstream gates {{
    {balance}
    {members}
    keepalive 64;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gates;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_cache off;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
      proxy_next_upstream error;
      {location}
    }}
  }}
}}
"""


class NginxProxy:
    """nginx on a free port of 127.0.0.1 in front of `gates`, their base URLs. Use it as a context manager.

    `balance` is a directive of the `upstream` block ("least_conn;", "ip_hash;"); without one nginx takes turns.
    `location` adds directives to the one location. A request that may have reached a gate is not sent to another.
    """

    def __init__(self, folder: Path, gates: Sequence[str], *, balance: str = "", location: str = "") -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        assert program, "nginx is missing: scripts/setup installs it as root"
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # Workers of another user could not enter a test's folder.
        user = "user root;" if os.geteuid() == 0 else ""
        members = "\n    ".join(f"server {urlsplit(gate).netloc} max_fails=0;" for gate in gates)
        for attempt in range(PORTS_TO_TRY):
            self.port = free_port()
            config = folder / "nginx.conf"
            config.write_text(
                CONFIG.format(
                    user=user,
                    folder=folder,
                    balance=balance,
                    members=members,
                    port=self.port,
                    location=location,
                )
            )
            with open(folder / "stderr.txt", "wb") as errors:
                self.process = subprocess.Popen(
                    [program, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")],
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    env={"PATH": os.environ.get("PATH", os.defpath)},
                )
            if self._listens():
                return
            assert attempt < PORTS_TO_TRY - 1, (folder / "stderr.txt").read_text()

    def _listens(self) -> bool:
        """Whether it came up; False if it ended, as when another took the port."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < end, "nginx does not listen"
                time.sleep(0.01)
            else:
                return self.process.poll() is None
        return False

    @property
    def base(self) -> str:
        """Its URL without a path."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, name: str) -> str:
        """The MCP endpoint of a server behind it."""
        return f"{self.base}/{name}/mcp"

    def stop(self) -> None:
        """End it at once, connections and all."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
