"""The real guest in a real bubblewrap, one script at a time, driven over its wire by the test itself.

    outcome = run_inside("x = 1 + 1", outputs={"x": "int"})
    assert outcome.results == {"x": 2}

Everything of a sandbox but what only the host can add: time-outs, the pool, the bound on inodes.
"""

import contextlib
import functools
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy
from msgspec import Struct, to_builtins
from tests.support.plain_user import plain_command

from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.contract import Function, Limits

User = Literal["dropped", "namespace"]
"""`dropped`: bubblewrap runs as root, and the guest gives its user away. `namespace`: run by a user without rights."""

USERS: tuple[User, ...] = ("dropped", "namespace") if os.geteuid() == 0 else ("namespace",)

PACKAGES = "/packages/data"
UID = 2_000_000 + os.getpid()
"""Nobody else's: limits on threads count all that a user has."""
_SECONDS = 60.0

Answering = Callable[[str, dict[str, Any]], Any]


class Outcome(Struct):
    """What one run came to. `frame` is the last; None if the process ended without one. `status` as a shell has it."""

    ready: dict[str, Any]
    frame: dict[str, Any] | None
    stdout: str
    stderr: str
    status: int
    progress: list[tuple[float | None, str | None]]
    calls: list[dict[str, Any]]

    @property
    def results(self) -> dict[str, Any]:
        assert self.frame is not None, (self.status, self.stderr)
        assert self.frame["t"] == "done", (self.frame, self.stderr)
        found: dict[str, Any] = self.frame["results"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        assert self.frame is not None, (self.status, self.stderr)
        assert self.frame["t"] == "error", self.frame
        return self.frame


@functools.cache
def _prepared() -> str:
    folder = tempfile.mkdtemp(prefix="callgate-inside-")
    guest_files.prepare(sys.executable, folder)
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def command(user: User, arguments: Sequence[str], *, disk: int = 64 << 20) -> list[str]:
    """bubblewrap with the guest in it."""
    made = [
        "bwrap",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    made += ["--die-with-parent", "--as-pid-1", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if user == "dropped":
        made += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        made += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    for name, value in guest_files.environment().items():
        made += ["--setenv", name, value]
    made += ["--setenv", "LD_LIBRARY_PATH", "/opt/python/lib", "--perms", "0755", "--dir", "/opt"]
    made += [
        "--perms",
        "0755",
        "--dir",
        "/packages",
        "--ro-bind",
        str(Path(sys.base_prefix).resolve()),
        "/opt/python",
    ]
    made += ["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
    made += ["--ro-bind", _prepared(), guest_files.FOLDER]
    made += ["--ro-bind", str(Path(numpy.__file__).parents[1]), PACKAGES, "--proc", "/proc"]
    made += ["--perms", "0755", "--dir", "/dev"]
    for name in ("null", "zero", "urandom"):
        made += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for folder in guest_files.WRITABLE:
        made += ["--perms", "1777", "--size", str(disk), "--tmpfs", folder]
    made += ["--symlink", "/tmp", "/dev/shm", "--remount-ro", "/", "--chdir", "/work", "--"]
    made += [f"/opt/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}", *arguments]
    return made if user == "dropped" else plain_command(*made)


class Inside:
    """A guest that runs. Use as a context; whatever is left is killed at the end."""

    def __init__(self, made: list[str], extra: Mapping[int, int] | None = None) -> None:
        read_job, self._job = os.pipe()
        self._reply, write_reply = os.pipe()
        self.files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - closed by __exit__
        given = {
            3: read_job,
            4: write_reply,
            1: self.files[0].fileno(),
            2: self.files[1].fileno(),
            **(extra or {}),
        }
        # first out of the way of the numbers that they get, then there
        high = {number: os.dup2(descriptor, 200 + number) for number, descriptor in given.items()}
        actions: list[Any] = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        for number, descriptor in high.items():
            actions += [(os.POSIX_SPAWN_DUP2, descriptor, number), (os.POSIX_SPAWN_CLOSE, descriptor)]
        path = shutil.which(made[0])
        assert path is not None, "bubblewrap is needed: apt install bubblewrap"
        self.pid = os.posix_spawn(path, made, os.environ, file_actions=actions)
        for descriptor in (read_job, write_reply, *high.values()):
            os.close(descriptor)
        self._ended: int | None = None
        self._bytes = bytearray()

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *_: object) -> None:
        if self._ended is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for file in self.files:
            file.close()
        for descriptor in (self._job, self._reply):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def send(self, frame: Mapping[str, Any]) -> None:
        body = json.dumps(frame).encode()
        view = memoryview(len(body).to_bytes(4, "big") + body)
        with contextlib.suppress(BrokenPipeError):
            while view:
                view = view[os.write(self._job, view) :]

    def hang_up(self) -> None:
        """Close the host's end, as its death would."""
        os.close(self._job)
        self._job = os.open(os.devnull, os.O_WRONLY)

    def frames(self) -> Iterator[dict[str, Any]]:
        """Frames as they come, until the guest closes its end."""
        until = time.monotonic() + _SECONDS
        while True:
            while len(self._bytes) >= 4 and len(self._bytes) - 4 >= (
                size := int.from_bytes(self._bytes[:4], "big")
            ):
                body = bytes(self._bytes[4 : 4 + size])
                del self._bytes[: 4 + size]
                yield json.loads(body)
            if not select.select([self._reply], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("the guest is silent")
            data = os.read(self._reply, 1 << 16)
            if not data:
                return
            self._bytes += data

    def status(self) -> int:
        """Wait for the end."""
        if self._ended is None:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self._ended = code if code >= 0 else 128 - code
        return self._ended

    def words(self, which: int) -> str:
        self.files[which - 1].seek(0)
        return self.files[which - 1].read().decode("utf-8", "replace")


def job(
    script: str,
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, str] | None = None,
    functions: Sequence[Function] = (),
    secrets: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    packages: Sequence[str] = (),
    seed: str = "seed",
) -> dict[str, Any]:
    """A `job` frame."""
    return {
        "t": "job",
        "script": script,
        "filename": "script.py",
        "seed": seed,
        "input_vars": inputs or {},
        "output_vars": outputs or {},
        "functions": to_builtins(list(functions)),
        "secrets": secrets or {},
        "limits": to_builtins(limits or Limits()),
        "packages": list(packages),
        "proxy": None,
    }


def run_inside(
    script: str,
    *,
    user: User = USERS[0],
    answering: Answering | None = None,
    most: Limits | None = None,
    disk: int = 64 << 20,
    **parts: Any,
) -> Outcome:
    """Run one script to its end. `answering` answers tool calls: its value is the answer, or `{"failure": …}`."""
    arguments = guest_files.arguments(most or Limits(), uid=UID if user == "dropped" else None)
    with Inside(command(user, arguments, disk=disk)) as inside:
        return talk(inside, job(script, **parts), answering)


def talk(inside: Inside, the_job: Mapping[str, Any], answering: Answering | None = None) -> Outcome:
    """Give a started guest its job and see it through."""
    outcome = Outcome({}, None, "", "", 0, [], [])
    for frame in inside.frames():
        match frame["t"]:
            case "ready":
                outcome.ready = frame
                inside.send(the_job)
            case "call":
                outcome.calls.append(frame)
                assert answering is not None, frame
                value = answering(frame["function"], frame["arguments"])
                failed = isinstance(value, dict) and set(value) == {"failure"}
                answer = value if failed else {"value": value}
                inside.send({"t": "answer", "seq": frame["seq"], **answer})
            case "progress":
                outcome.progress.append((frame["fraction"], frame["text"]))
            case _:
                outcome.frame = frame
    outcome.status = inside.status()
    outcome.stdout, outcome.stderr = inside.words(1), inside.words(2)
    return outcome
