"""A real Redis server, started on a socket of its own and gone with the process that started it."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

_HINT = "these tests need a Redis server: `apt-get install redis-server`"


class RedisServer:
    """One redis-server. `options` are its command line's. Its data are in `directory`, and outlive a restart.

    It listens on the unix socket `socket` and, if `port` is given, on 127.0.0.1 too.
    """

    def __init__(self, *options: str, port: int = 0) -> None:
        self.directory = tempfile.mkdtemp(prefix="cg-redis-")
        self.socket = f"{self.directory}/s"
        self.port = port
        self.options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.remove)

    def start(self, *more: str) -> "RedisServer":
        """Start it, and wait until it answers, if only with an error."""
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        assert program is not None, _HINT
        command: Sequence[str] = (
            *("setpriv", "--pdeathsig", "KILL", program, "--port", str(self.port)),
            *("--bind", "127.0.0.1", "--unixsocket", self.socket, "--dir", self.directory),
            *("--save", "", "--loglevel", "warning", "--logfile", f"{self.directory}/log"),
            *self.options,
            *more,
        )
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, f"the server in {self.directory} answers")
        return self

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and delete its data."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def url(self, query: str = "", *, timeout: float = 20) -> str:
        """With a long time-out, as these tests share their machine."""
        return f"unix://{self.socket}?timeout={timeout}&connect_timeout=20{'&' if query else ''}{query}"

    def run(self, *command: str | int) -> object:
        """One command, by another connection."""
        never = Retry(NoBackoff(), 0)
        with Redis(unix_socket_path=self.socket, decode_responses=True, retry=never) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the server did not start"
        try:
            self.run("PING")
        except RedisError as error:
            return "AUTH" in str(error).upper()
        return True


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Look at something outside this process until it has come about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)
