"""A real PostgreSQL server, started as a plain user on a socket of its own and gone with who started it."""

import atexit
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from urllib.parse import quote

import psycopg

_HINT = "these tests need a PostgreSQL server: `apt-get install postgresql`"


class PostgresServer:
    """One cluster. `durable`: with fsync, as it is in earnest. `port` (chosen by the OS by the caller) is listened to
    on 127.0.0.1; without it only the unix socket in `directory` is."""

    def __init__(self, *, durable: bool = False, port: int = 0) -> None:
        self._bin = _binaries()
        self._user = _plain_user()
        self.directory = tempfile.mkdtemp(prefix="cg-pg-")
        os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self.port = port or 5432  # Without a port of TCP it only names the socket.
        self._listen = "127.0.0.1" if port else ""
        self._options = ["-c", "fsync=on"] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        atexit.register(self.remove)
        self._run(
            f"{self._bin}/initdb",
            "-D",
            self._data,
            "-U",
            "owner",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        )

    @property
    def _data(self) -> str:
        return f"{self.directory}/data"

    def start(self) -> "PostgresServer":
        """Start it, and wait until it takes connections."""
        command = [
            *(
                "setpriv",
                "--pdeathsig",
                "KILL",
                f"--reuid={self._user.pw_uid}",
                f"--regid={self._user.pw_gid}",
            ),
            *("--clear-groups", f"{self._bin}/postgres", "-D", self._data, "-k", self.directory),
            *("-p", str(self.port), "-c", f"listen_addresses={self._listen}", "-c", "max_connections=100"),
            *("-c", "shared_buffers=32MB", "-c", "autovacuum=off", *self._options),
        ]
        self._process = self._launched(command)
        for _ in range(600):
            try:
                psycopg.connect(self._conninfo("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    # After a crash the processes of the server before may still hold its memory for a moment.
                    assert "pre-existing shared memory block" in self._log(), self._log()
                    self._process = self._launched(command)
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(self._log())

    def _launched(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with open(f"{self.directory}/log", "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd="/")

    def stop(self, *, crash: bool = False) -> None:
        """End it: at once but in order, or as a crash (SIGKILL to all of it)."""
        process, self._process = self._process, None
        if process is None:
            return
        if crash:
            children = _children(process.pid)
            process.kill()
            process.wait()
            for child in children:
                _kill(child)
            for lock in (f"{self._data}/postmaster.pid", *glob.glob(f"{self.directory}/.s.PGSQL.*")):
                if os.path.exists(lock):
                    os.unlink(lock)
        else:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"d{os.getpid()}_{self._databases}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://owner@/{database}?host={quote(self.directory, safe='')}&port={self.port}"

    def remove(self) -> None:
        """End it and delete its data."""
        if self._process is not None and self._process.poll() is None:
            self.stop(crash=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _conninfo(self, database: str) -> str:
        return f"host={self.directory} port={self.port} user=owner dbname={database}"

    def _run(self, *command: str) -> None:
        drop = ("setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups")
        done = subprocess.run([*drop, *command], capture_output=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr.decode()

    def _log(self) -> str:
        with open(f"{self.directory}/log", encoding="utf-8", errors="replace") as file:
            return file.read()


def _binaries() -> str:
    found = shutil.which("postgres")
    if found is not None:
        return os.path.dirname(os.path.realpath(found))
    versions = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    assert versions, _HINT
    return os.path.dirname(max(versions, key=lambda path: int(path.split("/")[4])))


def _plain_user() -> pwd.struct_passwd:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("these tests need a user other than root: `postgres` or `nobody`")


def _children(parent: int) -> list[int]:
    with open(f"/proc/{parent}/task/{parent}/children") as file:
        return [int(pid) for pid in file.read().split()]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@cache
def shared_server() -> PostgresServer:
    """The one server of this process for tests that leave it alone."""
    return PostgresServer().start()
