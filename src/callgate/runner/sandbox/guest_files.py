"""How the host starts the guest: which folder to bind, what to run, in which environment.

The guest is a package of the standard library alone. It is compiled once, by the very interpreter that will run it, so
that a start reads bytecode only and the sandbox sees no source folder. Nothing here runs a script.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from callgate.errors import SandboxError
from callgate.runner.sandbox.contract import Limits
from callgate.text import escape, quote

FOLDER = "/callgate_guest"
"""Where the prepared folder is bound, read-only."""

WORK = "/work"
"""The working folder: writable for the guest, its files are those that may be exported."""

WRITABLE = (WORK, "/tmp")  # noqa: S108 - inside the sandbox, where it is a file system of its own
"""What Landlock leaves writable; each must be mounted, or the guest refuses."""

Profile = Literal["plain", "network", "shared"]
"""`shared`: without namespaces, on the machine's own file systems."""

_HELP = "name a CPython 3.11 or newer as `runner.python`, or leave it out to use the runner's own"
_ENTER = "import sys;sys.path.insert(0,{!r});from callgate_guest.start import main;del sys.path[0];main()"
_COMPILE = """
import os, py_compile, sys
source, target = sys.argv[1:]
if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit("it is no CPython 3.11 or newer")
for name in sorted(os.listdir(source)):
    if name.endswith(".py"):
        py_compile.compile(
            os.path.join(source, name), cfile=os.path.join(target, name + "c"), dfile="callgate_guest/" + name,
            doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
"""


def prepare(python: str, into: str) -> None:
    """Compile the guest for the interpreter `python` into the existing folder `into`, which is then bound at FOLDER.

    Everything is made readable for every user, since the guest gives its user away before it reads the last of it.
    Raises SandboxError (SBX005) if that interpreter is missing, older than 3.11, or cannot compile it.
    """
    source = Path(__file__).parent / "guest"
    target = Path(into) / "callgate_guest"
    target.mkdir(mode=0o755, exist_ok=True)
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-B", "-c", _COMPILE, str(source), str(target)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(
            "SBX005",
            f"the interpreter for scripts, {quote(python)}, cannot be run ({type(error).__name__})",
            _HELP,
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SandboxError(
            "SBX005",
            f"the interpreter for scripts, {quote(python)}, cannot compile the guest: {escape(last[:200])}",
            _HELP,
        )
    for path in (Path(into), target, *target.iterdir()):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)


def arguments(
    limits: Limits,
    *,
    uid: int | None = None,
    gid: int | None = None,
    profile: Profile = "plain",
    writable: Sequence[str] = WRITABLE,
    preload: Sequence[str] = (),
    paths: Sequence[str] = (),
    first: str = "",
    folder: str = FOLDER,
    readable: Sequence[str] = ("/",),
    listable: Sequence[str] = (),
    parent: int | None = None,
) -> list[str]:
    """What follows the interpreter on its command line.

    `limits` are the most that any job of this sandbox may have; a job can only lower them. `uid` and `gid` are given
    if and only if the guest starts as real root. `preload` names modules to import before the sandbox says that it
    is ready, found in the folders `paths` (read-only, inside the sandbox) or in the standard library. `first` is
    Python to run before the guest, with FOLDER not yet on `sys.path` (one line, trusted).

    `folder` is where the prepared folder is, `readable` what Landlock leaves readable, `listable` of which
    folders it leaves the names, `parent` the process that a
    guest of the profile `shared` ends with.
    """
    settings = {
        "uid": uid,
        "gid": uid if gid is None else gid,
        "profile": profile,
        "writable": list(writable),
        "readable": list(readable),
        "listable": list(listable),
        "parent": parent,
        "limits": {"memory": limits.memory, "threads": limits.threads, "disk": limits.disk},
        "preload": list(preload),
        "paths": list(paths),
    }
    text = json.dumps(settings, separators=(",", ":"))
    # -P and -s as -I has them; not -E, since the hash seed below must count: the order of a set of strings decides
    # in which order a script makes its calls, and a second attempt must make the same.
    enter = _ENTER.format(folder)
    return ["-P", "-s", "-S", "-B", "-X", "utf8", "-c", f"{first}\n{enter}" if first else enter, text]


def environment(work: str = WORK, temporary: str = "/tmp") -> dict[str, str]:  # noqa: S108
    """The whole environment of the guest; nothing of the host's may be added to it.

    One thread for BLAS and two arenas for malloc: each of them reserves address space, which is what is limited.
    """
    return {
        "HOME": work,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONHASHSEED": "0",
        "TMPDIR": temporary,
        "TZ": "UTC",
    }
