"""The walls tried from inside, after they were set: what the kernel says of us, and calls that must be refused.

Nothing tried here does harm where a wall is missing: then the call is empty, or its result is given back at once.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Sequence

from . import libc
from .seccomp import numbers

Walls = dict[str, dict[str, object]]
"""Name → {"held": bool, "detail": str}."""

_REFUSED: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "namespaces": ("unshare", (0,)),
    "memfd": ("memfd_create", (None, 0)),
    "unix_sockets": ("socket", (1, 1, 0)),
    "udp": ("socket", (2, 2, 0)),
    "vsock": ("socket", (40, 1, 0)),
    "netlink": ("socket", (16, 3, 0)),
    "io_uring": ("io_uring_setup", (0, None)),
    "keyring": ("keyctl", (0, -1, 0)),
    "ptrace": ("ptrace", (0x4207, 0, 0, 0)),
    "processes": ("execve", (None, None, None)),
    "affinity": ("sched_setaffinity", (0, 0, None)),
    "signals": ("kill", (-1, 0)),
}
"""Wall → the call to try, with arguments that fail otherwise, or do nothing, where it is not refused."""


_SHARED_NEEDS = 3
"""The version of Landlock from which on nothing that may only be read can be emptied."""


def walls(machine: str, landlock: int, writable: Sequence[str], profile: str, status_file: int) -> Walls:
    """Try every wall. `landlock` is the version that was used, `status_file` /proc/self/status, which is closed."""
    status, table = _status(status_file), numbers(machine)
    uids = {*status.get("Uid", "0").split(), *status.get("Gid", "0").split()}
    capabilities = [status.get(name, "?") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
    cores = resource.getrlimit(resource.RLIMIT_CORE)
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    found: Walls = {
        "user": _wall("0" not in uids, f"user and group {' '.join(sorted(uids))}"),
        "capabilities": _wall(all(int(c, 16) == 0 for c in capabilities if c != "?"), " ".join(capabilities)),
        "no_new_privs": _wall(status.get("NoNewPrivs") == "1", ""),
        "seccomp": _wall(status.get("Seccomp") == "2", f"mode {status.get('Seccomp')}"),
        "landlock": _wall(landlock >= (_SHARED_NEEDS if profile == "shared" else 1), f"version {landlock}"),
        "limits": _wall(cores == (0, 0) and memory != resource.RLIM_INFINITY, f"{memory} bytes of memory"),
        "clone3": _refused(lambda: libc.syscall(table["clone3"], None, 0), errno.ENOSYS),
        "system_files": _refused(lambda: _create("/callgate_probe"), errno.EACCES, errno.EROFS, errno.EPERM),
        "work_folder": _writable(writable),
    }
    for name, (call, arguments) in _REFUSED.items():
        found[name] = _refused(lambda: libc.syscall(table[call], *arguments), errno.EPERM)  # noqa: B023
    if profile == "shared":
        found["folders"] = _refused(lambda: os.listdir("/"), errno.EACCES)
        found["proc"] = _refused(lambda: _read("/proc/self/status"), errno.EACCES)
    return found


def _read(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def _wall(held: bool, detail: str) -> dict[str, object]:
    return {"held": held, "detail": detail}


def _refused(attempt: Callable[[], object], *answers: int) -> dict[str, object]:
    try:
        attempt()
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return _wall(error.errno in answers, f"answered with {name}")
    return _wall(False, "not refused")


def _create(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


def _writable(folders: Sequence[str]) -> dict[str, object]:
    try:
        for folder in folders:
            _create(os.path.join(folder, ".callgate_probe"))
    except OSError as error:
        return _wall(False, str(error)[:200])
    return _wall(True, "")


def _status(file: int) -> dict[str, str]:
    with open(file, "rb") as lines:
        pairs = (line.decode(errors="replace").partition(":") for line in lines)
        return {name: value.strip() for name, _, value in pairs}
