"""The rows that need no download: direct, nginx as the floor, and the gate in its settings."""

import os
import shutil
import subprocess

import msgspec
from bench.http.harness import Harness, Row
from bench.stdio.rows import POLICY

DIRECT = "direct"
FLOOR = "nginx, limit_req"
GATE = "callgate"

# Bodies stay in memory and connections stay open: the least that a proxy with a limit costs.
NGINX = """\
{user}
daemon off;
worker_processes {workers};
pid {dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  limit_req_zone $http_authorization zone=calls:1m rate=1000000r/s;
  upstream echo {
    server 127.0.0.1:{upstream};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_buffer_size 2m;
  server {
    listen 127.0.0.1:{port};
    location / {
      limit_req zone=calls burst=1000000 nodelay;
      proxy_pass http://echo;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffer_size 16k;
      proxy_buffers 32 64k;
      proxy_busy_buffers_size 128k;
    }
  }
}
"""

CONFIG = """\
servers:
  echo: {SERVER, policy: policy.yaml}
auth: {keys: keys.yaml}
state: "STATE"
workers: WORKERS
"""


def floor_rows() -> list[Row]:
    """What stands between client and server at least: nothing, and nginx with a limit if it is installed."""
    rows = [Row(DIRECT, (), "nothing between client and server")]
    if shutil.which("nginx"):
        rows += [_nginx(FLOOR, 1), _nginx(f"{FLOOR}, 2 workers", 2)]
    return rows


def _nginx(name: str, workers: int) -> Row:
    user = "user root;" if os.getuid() == 0 else ""
    text = NGINX.replace("{user}", user).replace("{workers}", str(workers))
    return Row(
        name,
        ("nginx", "-c", "{dir}/nginx.conf", "-p", "{dir}", "-e", "stderr"),
        "a limit per Authorization header that never refuses; looks at no body; keep-alive to the server, no log",
        files=(("nginx.conf", text),),
        headers=("Authorization: Bearer 0123456789abcdef0123456789abcdef",),
        workers=workers,
    )


class _Key(msgspec.Struct):
    key: str
    entry: dict[str, object]


def gate_rows(harness: Harness, command: tuple[str, ...]) -> list[Row]:
    """The gate with everything on: what the audit costs, what each state costs, two workers, other ends.

    Raises CalledProcessError if the gate does not even make an API key.
    """
    made = subprocess.run(
        [*command, "key", "new", "--identity", "bench", "--format", "json"], check=True, capture_output=True
    )
    key = msgspec.json.decode(made.stdout, type=_Key)
    keys = msgspec.json.encode({"keys": [key.entry]}).decode()
    policy = POLICY.read_text()
    http = 'url: "http://127.0.0.1:{upstream}/mcp"'
    sqlite, redis = "sqlite:///{dir}/limits.db?sync=normal", "redis://127.0.0.1:{redis}/0"

    def row(
        name: str,
        on: str,
        *,
        audit: str | None = "none",
        state: str = "memory://",
        server: str = http,
        workers: int = 1,
        light: bool = False,
    ) -> Row:
        config = CONFIG.replace("SERVER", server).replace("STATE", state).replace("WORKERS", str(workers))
        if audit is not None:
            config += f"audit: audit.jsonl\naudit_sync: {audit}\n"
        words = (*command, "serve", "-c", "{dir}/callgate.yaml", "--port", "{port}", "--log-level", "warning")
        return Row(
            name,
            words,
            on,
            files=(("callgate.yaml", config), ("keys.yaml", keys), ("policy.yaml", policy)),
            headers=(f"Authorization: Bearer {key.key}",),
            path="/echo/mcp",
            redis="{redis}" in state,
            records=None if audit is None else "audit.jsonl",
            workers=workers,
            light=light,
        )

    child = f"command: [{harness.program('echo_server')}]"
    events = 'url: "http://127.0.0.1:{upstream}/sse"'
    rows = [
        row(
            f"{GATE}, no audit",
            "API key, strict HTTP and wire, 50 rules, schema and required arguments, session limit in memory",
            audit=None,
        ),
        row(GATE, "the same, and a chained audit, written before each forward"),
        row(f"{GATE}, audit synced", "the same, on the disk before each forward (the default)", audit="full"),
        row(
            f"{GATE}, sqlite",
            f"as {GATE}, limits in SQLite: they survive a crash of the process",
            state=sqlite,
        ),
        row(f"{GATE}, answers as events", f"as {GATE}; the server answers with a stream", server=events),
        row(
            f"{GATE}, server on stdio",
            f"as {GATE}; the server is a child of the gate",
            server=child,
            light=True,
        ),
        row(f"{GATE}, sqlite, 2 workers", "two processes with one SQLite file", state=sqlite, workers=2),
    ]
    if shutil.which("redis-server"):
        rows += [
            row(f"{GATE}, redis", f"as {GATE}, limits in Redis (its CPU is not counted)", state=redis),
            row(f"{GATE}, redis, 2 workers", "two processes with one Redis", state=redis, workers=2),
        ]
    return rows
