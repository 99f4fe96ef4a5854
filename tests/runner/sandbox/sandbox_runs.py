"""Scripts in real sandboxes: a backend on an event loop of its own, and a host that keeps what it is told."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from callgate.runner.answer import Answer
from callgate.runner.execution import Ending
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.contract import Function, Job, Limits, Stream

T = TypeVar("T")

LIMITS = Limits(memory=256 << 20, wall_seconds=30.0, disk=8 << 20, inodes=500, threads=16)


class KeepingHost:
    """Answers calls by `tool`, keeps output and progress; `said` is set when anything was written or called."""

    def __init__(self, tool: "Callable[[str, dict[str, Any]], Awaitable[Answer]] | None" = None) -> None:
        self._tool = tool
        self.stdout = b""
        self.stderr = b""
        self.steps: list[tuple[float | None, str | None]] = []
        self.said = asyncio.Event()

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        self.said.set()
        if self._tool is None:
            return Answer(value={"function": function, "arguments": arguments})
        return await self._tool(function, arguments)

    def output(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            self.stdout += data
        else:
            self.stderr += data
        self.said.set()

    def progress(self, fraction: float | None, text: str | None) -> None:
        self.steps.append((fraction, text))


def job(script: str, limits: Limits = LIMITS, **more: Any) -> Job:
    return Job(uuid="test", attempt=1, script=script, limits=limits, **more)


TOOL = (Function(name="mcp_Shop_find", description="Find things.", parameters=("name",)),)


class Bench:
    """An open backend, and the loop that it lives on."""

    def __init__(self, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self.backend = BwrapBackend(
            limits=options.pop("limits", LIMITS), pool=options.pop("pool", 1), **options
        )
        self.walls = self.do(self.backend.open())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def run(self, script: str, limits: Limits = LIMITS, **more: Any) -> tuple[Ending, KeepingHost]:
        async def running() -> tuple[Ending, KeepingHost]:
            host = KeepingHost()
            return await self.backend.run(job(script, limits, **more), host), host

        return self.do(running())

    def close(self) -> None:
        self.do(self.backend.close())
        self._runner.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children(pid: int | None = None) -> list[int]:
    """The processes below a process, zombies too."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        try:
            direct = [int(each) for each in (thread / "children").read_text().split()]
        except OSError:
            continue
        for each in direct:
            found += [each, *children(each)]
    return found


def mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()
