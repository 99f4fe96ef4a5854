# ruff: noqa: ARG002
"""Scripts behind the weaker walls: an open backend with an interpreter that every user can reach."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from callgate.runner.answer import Answer
from callgate.runner.execution import Ending
from callgate.runner.sandbox.contract import Job, Limits, Stream
from callgate.runner.sandbox.weak.backend import WeakBackend

T = TypeVar("T")

LIMITS = Limits(memory=256 << 20, wall_seconds=30.0, disk=4 << 20, inodes=300, threads=12)
SYSTEM_PYTHON = "/usr/bin/python3"


def reachable_python() -> str:
    """The tests' own interpreter, or the system's where scripts' users cannot get to it."""
    prefix = Path(sys.base_prefix).resolve()
    closed = os.geteuid() == 0 and any(not each.stat().st_mode & 0o001 for each in (prefix, *prefix.parents))
    return SYSTEM_PYTHON if closed else sys.executable


class Listener:
    """A host that keeps what is written; `said` is set when anything was."""

    def __init__(self) -> None:
        self.written = b""
        self.said = asyncio.Event()

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        return Answer(value=[function, arguments])

    def output(self, stream: Stream, data: bytes) -> None:
        self.written += data
        self.said.set()

    def progress(self, fraction: float | None, text: str | None) -> None:
        return


def weak_job(script: str, limits: Limits = LIMITS, **more: Any) -> Job:
    return Job(uuid="test", attempt=1, script=script, limits=limits, **more)


class WeakBench:
    """An open backend, and the loop that it lives on."""

    def __init__(self, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self.backend = WeakBackend(limits=LIMITS, pool=1, python=reachable_python(), **options)
        self.walls = self.do(self.backend.open())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def run(self, script: str, limits: Limits = LIMITS, **more: Any) -> tuple[Ending, Listener]:
        async def running() -> tuple[Ending, Listener]:
            host = Listener()
            return await self.backend.run(weak_job(script, limits, **more), host), host

        return self.do(running())

    def close(self) -> None:
        self.do(self.backend.close())
        self._runner.close()


def left_behind(folder: str) -> Sequence[str]:
    """The work folders that are there."""
    return [name for name in os.listdir(folder) if name.startswith("work-")]
