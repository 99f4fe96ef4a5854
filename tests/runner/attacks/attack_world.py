"""What there is on the host for attacks to hit, and whether it was hit. All of it belongs to the attacked user."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_SECRET = "not for scripts"  # noqa: S105 - what a file holds
_SHARED = "VALUE = 42\n"


class World:
    """`folder` is empty, and gone afterwards by whoever made it."""

    def __init__(self, folder: Path, keep: ExitStack) -> None:
        self._secret = folder / "secret"
        self._secret.write_text(_SECRET)
        self._secret.chmod(0o644)
        self._open = folder / "open"
        self._open.mkdir()
        self._open.chmod(0o777)
        self.packages = folder / "packages"
        self.packages.mkdir(mode=0o755)
        (self.packages / "shared.py").write_text(_SHARED)
        self._tcp = keep.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._udp = keep.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind(("127.0.0.1", 0))
        self._abstract = f"callgate-{secrets.token_hex(8)}"
        self._sockets = [self._tcp, self._udp]
        for address in (f"\0{self._abstract}", str(folder / "socket")):
            one = keep.enter_context(socket.socket(socket.AF_UNIX))
            one.bind(address)
            one.listen()
            self._sockets.append(one)
        (folder / "socket").chmod(0o777)
        for each in self._sockets:
            each.setblocking(False)
        self._victim = keep.enter_context(
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        )
        keep.callback(self._victim.kill)
        self._modes = self._look()
        self.sibling_pid = 0
        self.sibling_uid = 0

    def _look(self) -> list[tuple[str, int, int, int, bytes]]:
        """The rights, owners, times and contents of what scripts could reach."""
        found = []
        for path in (
            self._secret,
            self.packages,
            self.packages / "shared.py",
            Path(os.__file__),
            Path("/dev/null"),
        ):
            status = path.stat()
            content = path.read_bytes() if path.is_file() else b""
            changed = 0 if path.is_char_device() else status.st_mtime_ns
            found.append((str(path), status.st_mode, status.st_uid, changed, content))
        return found

    def told(self, calls: dict[str, int]) -> dict[str, Any]:
        """What scripts know of it."""
        return {
            "calls": calls,
            "secret_file": str(self._secret),
            "open_folder": str(self._open),
            "home": os.path.expanduser("~"),
            "host_pid": os.getpid(),
            "victim_pid": self._victim.pid,
            "sibling_pid": self.sibling_pid,
            "sibling_uid": self.sibling_uid,
            "plain": os.getuid() != 0,
            "tcp_port": self._tcp.getsockname()[1],
            "udp_port": self._udp.getsockname()[1],
            "abstract": self._abstract,
            "socket_path": str(self._secret.with_name("socket")),
        }

    def harmed(self) -> list[str]:
        """What of the host was hit; empty if nothing."""
        found = []
        if self._look() != self._modes:
            found.append("a file was changed")
        if list(self._open.iterdir()):
            found.append("a file was made")
        if self._victim.poll() is not None:
            found.append("a process was ended")
        for each in self._sockets:
            try:
                each.recvfrom(1) if each is self._udp else each.accept()
            except BlockingIOError:
                continue
            found.append("a socket was reached")
        return found


@contextmanager
def world(folder: Path) -> Iterator[World]:
    with ExitStack() as keep:
        yield World(folder, keep)


def children() -> list[int]:
    """The processes below this one, zombies too."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: list[int] = []
    level = {os.getpid()}
    while level := {pid for pid, parent in parents.items() if parent in level}:
        found += level
    return sorted(found)


def peak_memory() -> int:
    """The most that this process has had in memory since `forget_peak`, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
