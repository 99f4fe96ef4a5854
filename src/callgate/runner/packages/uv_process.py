"""Runs uv: a child with a minimal environment, bounds on time, memory, files and output, and writing only where it may.

No code of a package runs here: uv unpacks wheels and compiles them to bytecode. Where bubblewrap works, uv sees the
file system read-only but for its own working folder, has no capability, and dies with this process.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from msgspec import Struct

from callgate.errors import PackagesError

_OUTPUT = 8 << 20
_MEMORY = 4 << 30
_LIMITED = 'ulimit -c 0 && ulimit -v "$1" && ulimit -f "$2" && ulimit -t "$3" && shift 3 && exec "$@"'
"""sh(1) sets the limits: a function between fork and exec is not safe in a process with threads."""


class Finished(Struct, frozen=True):
    """What uv said. Both texts come from strangers (index, wheels) in part."""

    status: int
    out: str
    err: str


def find_uv() -> str:
    """The path of uv: beside this interpreter, else on the PATH. Raises PackagesError (PKG012)."""
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    found = beside if os.access(beside, os.X_OK) else shutil.which("uv")
    if found is None:
        raise PackagesError(
            "PKG012",
            "packages cannot be installed: `uv` is missing",
            "the operator installs `callgate[runner]`",
        )
    return found


def confinement(folder: str) -> tuple[str, ...]:
    """The words before a command that may write in `folder` only; none where bubblewrap does not work."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return ()
    words = (
        *(bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", folder, folder),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--chdir", folder, "--"),
    )
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return words if tried.returncode == 0 else ()


async def run(
    words: Sequence[str],
    *,
    folder: str,
    environ: Mapping[str, str],
    stdin: str,
    timeout: float,
    largest_file: int,
    confined: Sequence[str] = (),
) -> Finished:
    """Run one command to its end in `folder`. Raises PackagesError (PKG011 out of time, PKG012 cannot be started).

    Cancelled, out of time or too talkative: it is dead with all its children before this returns.
    """
    limits = (str(_MEMORY // 1024), str(max(largest_file // 512, 1)), str(int(timeout) * 2 + 1))
    try:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _LIMITED, "sh", *limits, *confined, *words),
            cwd=folder,
            env=dict(environ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise PackagesError("PKG012", f"packages cannot be installed: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout):
            out, err = await _talk(process, stdin.encode())
            return Finished(await process.wait(), out, err)
    except TimeoutError:
        raise PackagesError(
            "PKG011",
            f"installing the packages took longer than {timeout:g} s",
            "ask for fewer or smaller packages",
        ) from None
    finally:
        await _end(process)


async def _talk(process: asyncio.subprocess.Process, data: bytes) -> tuple[str, str]:
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise AssertionError("all three are pipes")
    with contextlib.suppress(OSError):
        stdin.write(data)
        await stdin.drain()
    stdin.close()
    out, err = await asyncio.gather(_bounded(stdout), _bounded(stderr))
    return out, err


async def _bounded(stream: asyncio.StreamReader) -> str:
    """All of a stream, or its beginning: what comes after the bound is read and dropped."""
    kept = bytearray()
    while chunk := await stream.read(1 << 16):
        kept += chunk[: _OUTPUT - len(kept)]
    return kept.decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    # The whole group: without bubblewrap, uv's compilers are children that would outlive it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
