"""Resolving and unpacking with uv: a request → a lock, a lock → a folder. Wheels only: nothing is ever built.

Everything uv writes lies in the staging folder it is given, and is measured while it works.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine, Mapping
from typing import Any

from callgate.errors import PackagesError
from callgate.runner.packages.failures import failure, too_large
from callgate.runner.packages.index_settings import index_settings
from callgate.runner.packages.lock import Lock, read_lock
from callgate.runner.packages.requirement import Asked
from callgate.runner.packages.tree import measure
from callgate.runner.packages.uv_process import Finished, confinement, find_uv, run

_LOOK_EVERY = 0.3
_ENTRIES = 200_000
_QUIET = ("--color", "never", "--no-progress", "--no-python-downloads")


class Installer:
    """uv with fixed settings. `max_set` bounds what a set may take on the disk; times in seconds."""

    def __init__(
        self,
        folder: str,
        *,
        python: str | None,
        index: str | None,
        environ: Mapping[str, str],
        max_set: int,
        timeout: float,
    ) -> None:
        self._uv = find_uv()
        self._python = python or sys.executable
        self._settings = index_settings(index, environ)
        self._max_set = max_set
        self._timeout = timeout
        self._confined = confinement(folder)

    @property
    def confined(self) -> bool:
        """Whether uv can write nowhere but into the cache."""
        return bool(self._confined)

    async def resolve(self, asked: tuple[Asked, ...], staging: str) -> Lock:
        """Pin everything that is asked for and needed. Raises PackagesError."""
        text = "\n".join(one.line for one in asked) + "\n"
        words = (
            "pip",
            "compile",
            "-",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
            "--no-strip-extras",
        )
        finished = await self._uv_run((*words, "--no-emit-index-url", "--no-emit-find-links"), staging, text)
        lock = read_lock(finished.out)
        if not lock.names:
            raise PackagesError("PKG013", "the packages cannot be resolved", "ask for other packages")
        return lock

    async def install(self, lock: Lock, staging: str) -> None:
        """Unpack a lock into `staging`/site, with bytecode. Raises PackagesError."""
        site = os.path.join(staging, "site")
        requirements = os.path.join(staging, "lock.txt")
        await asyncio.to_thread(_write, requirements, lock.text)
        words = ("pip", "install", "--target", site, "--require-hashes", "--no-deps", "--compile-bytecode")
        await self._uv_run((*words, "--link-mode", "copy", "-r", requirements), staging, "")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(site, ".lock"))  # uv's own
        found = await asyncio.to_thread(measure, site)
        if found.odd is not None:
            raise PackagesError(
                "PKG017", "one of the packages holds something that is not a file", "ask for other packages"
            )
        if found.size > self._max_set or found.entries > _ENTRIES:
            raise too_large()

    async def _uv_run(self, words: tuple[str, ...], staging: str, stdin: str) -> Finished:
        for name in ("tmp", "home", "uv"):
            os.makedirs(os.path.join(staging, name), exist_ok=True)
        environ = {
            **self._settings.environ,
            "HOME": os.path.join(staging, "home"),
            "TMPDIR": os.path.join(staging, "tmp"),
            "LC_ALL": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
            # Files keep their times only by luck of the unpacking; a set never changes, so nothing need be compared.
            "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
        }
        common = ("--no-build", "--python", self._python, "--cache-dir", os.path.join(staging, "uv"))
        work = run(
            (self._uv, *words, *common, *_QUIET, *self._settings.flags),
            folder=staging,
            environ=environ,
            stdin=stdin,
            timeout=self._timeout,
            largest_file=self._max_set,
            confined=self._confined,
        )
        finished = await _watched(work, staging, self._max_set)
        if finished.status != 0:
            raise failure(finished)
        return finished


async def _watched(work: Coroutine[Any, Any, Finished], staging: str, max_set: int) -> Finished:
    """Do the work, and end it when it fills the disk: archives and what they unpack to, before anything is counted."""
    task = asyncio.ensure_future(work)
    most = 3 * max_set
    try:
        while True:
            done, _ = await asyncio.wait([task], timeout=_LOOK_EVERY)
            if done:
                return task.result()
            found = await asyncio.to_thread(measure, staging, enough_size=most)
            if found.size > most or found.entries > 3 * _ENTRIES:
                raise too_large()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
