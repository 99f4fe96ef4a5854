"""Starts of `print(1)` and `import pandas`: bare interpreters, bubblewrap alone, and the backends without a server."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from bench.runner.interleave import Row

from callgate.config.runner_model import PackagesConfig
from callgate.runner.answer import Answer
from callgate.runner.packages.store import PackageStore
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Backend, Job, Limits, Packages, Stream
from callgate.runner.sandbox.monty.backend import MontyBackend

STARTS, PANDAS = "print(1), from the start to the end", "import pandas, from the start to the end"
FLOOR = "python -I -S"
PANDAS_FLOOR = "python -I -S, import pandas"
PRINT = "print(1)"
INTERPRETER = os.path.realpath(sys.executable)
"""Without the virtual environment, as inside a sandbox."""

BARE = (INTERPRETER, "-I", "-S", "-c", PRINT)

NAMESPACES = (
    "bwrap",
    "--unshare-all",
    "--die-with-parent",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
)


class Listener:
    """A host that keeps what the script wrote."""

    def __init__(self) -> None:
        self.wrote = bytearray()

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        """No script here calls anything."""
        raise NotImplementedError(f"{function} {arguments}")

    def output(self, stream: Stream, data: bytes) -> None:
        """Keep it."""
        del stream
        self.wrote += data

    def progress(self, fraction: float | None, text: str | None) -> None:
        """Nothing here tells any."""


def job(script: str, packages: Sequence[Packages] = ()) -> Job:
    """A job with the default limits."""
    return Job(uuid="bench", attempt=1, script=script, limits=Limits(), packages=tuple(packages))


async def timed(
    backend: Backend, script: str, expected: str, packages: Sequence[Packages] = ()
) -> list[float]:
    """Run a script once. Raises RuntimeError if it does not complete as expected."""
    listener = Listener()
    began = time.perf_counter()
    ending = await backend.run(job(script, packages), listener)
    took = time.perf_counter() - began
    if ending.state != "completed" or listener.wrote.decode() != expected:
        raise RuntimeError(f"{ending.state}: {ending.error}")
    return [took]


def command(*words: str, expected: str = "1\n") -> list[float]:
    """Run a program once. Raises RuntimeError if it does not print what is expected."""
    began = time.perf_counter()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.stdout != expected:
        raise RuntimeError(f"exit status {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
    return [took]


def program(table: str, name: str, on: str, *words: str, floor: str = FLOOR, heavy: bool = False) -> Row:
    """A row that is one process that prints 1."""

    async def once() -> list[float]:
        return command(*words)

    return Row(table, name, on, floor, once, heavy=heavy)


def backend_row(
    table: str,
    name: str,
    on: str,
    backend: Backend,
    script: str = PRINT,
    packages: Sequence[Packages] = (),
    *,
    floor: str = FLOOR,
    heavy: bool = False,
) -> Row:
    """A row that is one run of an open backend, its pool full before."""

    async def once() -> list[float]:
        return await timed(backend, script, "1\n", packages)

    async def settled() -> None:
        await full(backend)

    return Row(table, name, on, floor, once, settled, heavy=heavy)


async def full(backend: Backend) -> None:
    """Wait until a bubblewrap backend's pool has as many sandboxes as it is to have."""
    pool = getattr(backend, "_pool", None)
    while isinstance(backend, BwrapBackend) and pool is not None and pool._missing() is not None:
        await asyncio.sleep(0.002)


async def start_rows(opened: AsyncExitStack, failed: dict[str, str]) -> list[Row]:
    """All rows; what cannot be opened is told in `failed`."""
    rows = [
        program(
            STARTS,
            FLOOR,
            "the interpreter that is inside the sandboxes, as there without `site`; no wall",
            *BARE,
        ),
        program(
            STARTS,
            "python -I",
            "the same with `site`, whatever this machine has it do",
            INTERPRETER,
            "-I",
            "-c",
            PRINT,
        ),
        program(
            STARTS,
            "bwrap python -I -S",
            "all namespaces, every file to read; no other wall",
            *NAMESPACES,
            *BARE,
        ),
    ]
    for name, on, pool in (
        ("callgate bwrap, cold", "every wall; no pool", 0),
        ("callgate bwrap, pooled", "every wall; two sandboxes wait", 2),
    ):
        try:
            backend = await _open(opened, BwrapBackend(limits=Limits(), pool=pool))
            rows.append(backend_row(STARTS, name, on, backend))
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    try:
        monty = await _open(opened, MontyBackend(pool=2))
        rows.append(backend_row(STARTS, "callgate monty, pooled", "no wall of the operating system", monty))
    except Exception as error:
        failed["callgate monty, pooled"] = f"{type(error).__name__}: {error}"
    return rows


async def _open(opened: AsyncExitStack, backend: Backend) -> Backend:
    opened.push_async_callback(backend.close)
    await backend.open()
    return backend


async def pandas_rows(opened: AsyncExitStack, failed: dict[str, str], cache: str) -> list[Row]:
    """Rows with the data profile, which is copied to `cache` first."""
    script = "import pandas; print(1)"
    rows: list[Row] = []
    name = "callgate bwrap, pooled, data profile"
    try:
        store = PackageStore(PackagesConfig(cache=cache), python=None)
        opened.callback(store.close)
        installed = await store.profile()
        if installed is None:
            raise RuntimeError("numpy, pandas and httpx are not installed here")
        profile = Packages(key=installed.key, path=installed.path)
        # The same folder, compiled: what pip installed here may have no bytecode.
        bare = f"import sys; sys.path.append({profile.path!r}); {script}"
        words = (INTERPRETER, "-I", "-S", "-c", bare)
        on = "the same folder of packages; no wall"
        rows.append(program(PANDAS, PANDAS_FLOOR, on, *words, floor=PANDAS_FLOOR, heavy=True))
        backend = await _open(opened, BwrapBackend(limits=Limits(), pool=1, packages=(profile,)))
        on = "every wall; a sandbox waits, with the profile's folder"
        rows.append(
            backend_row(PANDAS, name, on, backend, script, (profile,), floor=PANDAS_FLOOR, heavy=True)
        )
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
    return rows
