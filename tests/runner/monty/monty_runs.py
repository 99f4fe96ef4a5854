"""Runs of single scripts in Monty, with a host that keeps what it is told."""

import asyncio
import os
from typing import Any

from callgate.runner.answer import Answer, Failure
from callgate.runner.execution import Ending
from callgate.runner.sandbox.contract import Function, Job, Limits, Stream
from callgate.runner.sandbox.monty.backend import MontyBackend

TOOL = Function(name="mcp_Notes_add", parameters=("title", "body"))
DENIED = Failure(
    kind="denied",
    message="`add` is denied",
    code="DEN001",
    rule="no-notes",
    reason="not on Sundays",
    retry_after=3.0,
    ran=False,
)


class Kept:
    """A host. `answers` are given in turn; then every call is answered with its arguments."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.written: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        self.told: list[tuple[float | None, str | None]] = []
        self.wrote = asyncio.Event()

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        self.calls.append((function, arguments))
        return self.answers.pop(0) if self.answers else Answer(value=arguments)

    def output(self, stream: Stream, data: bytes) -> None:
        self.written[stream] += data
        self.wrote.set()

    def progress(self, fraction: float | None, text: str | None) -> None:
        self.told.append((fraction, text))


def job(script: str, **more: Any) -> Job:
    """A job with a wall clock of a minute, if nothing else is said."""
    return Job(uuid="u", attempt=1, script=script, **{"limits": Limits(wall_seconds=60), **more})


def run(script: str, host: Kept | None = None, **more: Any) -> Ending:
    """Run one script in a child of its own, on a loop of its own."""

    async def body() -> Ending:
        return await MontyBackend(pool=0).run(job(script, **more), host or Kept())

    return asyncio.run(body())


def interpreters() -> set[int]:
    """The ids of all processes that interpret, or drive an interpreter, below this process."""
    found: set[int] = set()
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
        found |= more
    return found
