"""Run Python as a user without rights, with this interpreter and this project's packages within its reach.

    with plain_folder() as folder:                      # belongs to that user, gone afterwards
        script = folder / "script.py"
        script.write_text("import os; print(os.getuid())")
        done = run_plain(script, "an argument")          # CompletedProcess[str]
        ...
        subprocess.Popen(plain_command(sys.executable, str(script)))   # the same for what must be watched

An interpreter in a home folder that only root may enter is shown to it in a mount namespace of its own. A test run
that is no root runs the script as it is. Changes nothing outside of that namespace.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UID = 65534
"""`nobody`: exists everywhere, and owns nothing."""

_ROOT = Path(__file__).resolve().parents[2]


def _closed_above(path: Path) -> Path | None:
    """The first folder on the way to `path` that others may not enter."""
    return next(
        (folder for folder in [*reversed(path.parents), path] if not folder.stat().st_mode & 0o001), None
    )


def _opened(stage: str) -> str:
    """Shell commands that make the interpreter reachable; `stage` is an empty folder."""
    prefix = Path(sys.base_prefix).resolve()
    closed = _closed_above(prefix)
    if closed is None:
        return ""
    there = Path(stage) / prefix.relative_to(closed)
    steps = [
        ["mount", "-t", "tmpfs", "-o", "mode=0755", "none", stage],
        ["mkdir", "-p", str(there)],
        ["mount", "--bind", str(prefix), str(there)],
        ["mount", "--move", stage, str(closed)],
    ]
    return " && ".join(shlex.join(step) for step in steps) + " && "


_STAGE = "/mnt"


def plain_command(*command: str) -> list[str]:
    """The argument list that runs `command` as the plain user. The process started becomes the command itself."""
    if os.geteuid() != 0:
        return list(command)
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", *command]
    return [
        "unshare",
        "--mount",
        "--propagation=private",
        "sh",
        "-c",
        f"{_opened(_STAGE)}exec {shlex.join(drop)}",
    ]


def plain_environment() -> dict[str, str]:
    """What the plain user's processes find in their environment: the project's modules, and no home of ours."""
    paths = os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": paths,
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
    }


def run_plain(script: Path, *arguments: str, timeout: float = 120.0) -> "subprocess.CompletedProcess[str]":
    """Run the file with this interpreter, its folder being the working directory. Raises what `subprocess` does."""
    return subprocess.run(
        plain_command(sys.executable, str(script), *arguments),
        cwd=script.parent,
        env=plain_environment() | {"TMPDIR": str(script.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def plain_folder() -> Iterator[Path]:
    """A folder that belongs to the plain user, where it can reach it (pytest's own belong to root alone)."""
    folder = Path(tempfile.mkdtemp(prefix="plain-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, UID, UID)
        yield folder
    finally:
        shutil.rmtree(folder)
