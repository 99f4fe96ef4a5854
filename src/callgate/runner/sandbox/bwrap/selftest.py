"""What is tried in a real sandbox before anything is served. A wall that does not hold is an error, never a warning."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from callgate.errors import SandboxError
from callgate.runner.answer import Answer
from callgate.runner.execution import Ending
from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.bwrap import attempts
from callgate.runner.sandbox.bwrap.sandbox import help_for
from callgate.runner.sandbox.contract import Host, Job, Limits, Stream, WallReport
from callgate.text import escape

_SECONDS = 20.0
_COMMON = frozenset({"LC_CTYPE", "LD_LIBRARY_PATH", "PWD"})
"""Variables that an interpreter inside has of its own."""


class _Nobody:
    """A host that has nothing to offer."""

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:  # noqa: ARG002
        return Answer()

    def output(self, stream: Stream, data: bytes) -> None:
        """Nothing of it is kept."""

    def progress(self, fraction: float | None, text: str | None) -> None:
        """Nobody looks."""


async def walls(
    run: Callable[[Job, Host], Awaitable[Ending]],
    limits: Limits,
    folder: str,
    *,
    names: Mapping[str, str] = attempts.NAMES,
    tries: str = attempts.SCRIPT,
) -> Sequence[WallReport]:
    """Try every wall by `run`; the reports, all of them held. Raises SandboxError (SBX010 to SBX021).

    `folder` is one that all may read, and that somebody removes if this process is killed meanwhile. `tries` and
    `names` are the script and what its attempts are called.
    """
    limits = replace(limits, wall_seconds=_SECONDS, cpu_seconds=None, results=1 << 20)
    # A file that this user can read, and that a script must not even find.
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        os.chmod(file.name, 0o644)
        own = sorted(set(os.environ) - set(guest_files.environment()) - _COMMON)
        script = Job(
            uuid="selftest",
            attempt=0,
            script=f"MOST_INODES, MOST_DISK = {limits.inodes}, {limits.disk}\n{tries}",
            limits=limits,
            input_vars={"host_file": file.name, "host_pid": os.getpid(), "host_environment": own},
            output_vars={"found": "dict"},
        )
        memory = Job(uuid="selftest", attempt=0, script=attempts.MEMORY, limits=limits)
        tried, exhausted = await asyncio.gather(run(script, _Nobody()), run(memory, _Nobody()))
    reports = [*_tried(tried, names), _bounded(exhausted)]
    missing = [report for report in reports if not report.held]
    if missing:
        said = "; ".join(f"{report.name}: {report.detail}" for report in missing)
        raise SandboxError("SBX020", f"a wall of the sandbox does not hold here ({said})", help_for(said))
    return reports


def _tried(ending: Ending, names: Mapping[str, str]) -> list[WallReport]:
    found = (ending.results or {}).get("found")
    if ending.state != "completed" or not isinstance(found, dict):
        said = ending.error.message if ending.error is not None else "it said nothing"
        raise SandboxError(
            "SBX021", f"the self-test did not come to its end: {escape(said)[:400]}", help_for(said)
        )
    reports = [
        WallReport(name, found.get(name, "not tried") == "", escape(str(found.get(name, "not tried")))[:200])
        for name in names
    ]
    return [
        WallReport(report.name, report.held, names[report.name] if report.held else report.detail)
        for report in reports
    ]


def _bounded(ending: Ending) -> WallReport:
    held = ending.state == "resource_killed" and ending.cause == "memory"
    return WallReport("memory", held, "needing more than the limit" if held else f"ended {ending.state}")
