"""The backend itself: which jobs it takes, and the life of the pool behind it."""

import ast
import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from callgate.errors import SandboxError
from callgate.runner.execution import Ending
from callgate.runner.sandbox.contract import Host, Job, Tier, WallReport
from callgate.runner.sandbox.monty import run as runs
from callgate.runner.sandbox.monty.pool import Pool
from callgate.runner.sandbox.monty.process import Child
from callgate.runner.sandbox.monty.selftest import self_test

MODULES: Final = frozenset(
    {
        *("asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime"),
        *(
            "decimal",
            "functools",
            "hashlib",
            "itertools",
            "json",
            "math",
            "os",
            "pathlib",
            "posixpath",
            "random",
        ),
        *("re", "sys", "time", "tomllib", "typing", "unicodedata"),
    }
)
"""The modules that the interpreter has."""


class MontyBackend:
    """Runs scripts in Monty. `pool` is how many children wait ready; how many run at once is the caller's matter."""

    name: str = "monty"
    tier: Tier = "interpreter"

    def __init__(self, *, pool: int = 2) -> None:
        self._pool = Pool(pool)

    async def open(self) -> Sequence[WallReport]:
        """Fill the pool and try the walls. Raises SandboxError: SBX050, SBX051, SBX052."""
        if find_spec("pydantic_monty") is None:
            raise SandboxError(
                "SBX050",
                "the backend `monty` needs the package pydantic-monty, which is not installed",
                "run `pip install callgate[monty]`, or set `backend: bwrap`",
            )
        await self._pool.open()
        try:
            reports = await self_test(self.run)
            await self._pool.filled()
        except BaseException:
            await self.close()
            raise
        missing = [report for report in reports if not report.held]
        if missing:
            await self.close()
            raise SandboxError(
                "SBX052",
                f"the interpreter fails its self-test: {missing[0].name} ({missing[0].detail})",
                "install a version of pydantic-monty that callgate names in its extra `monty`",
            )
        return reports

    def refuses(self, job: Job) -> str | None:
        """Why this job cannot run here: packages, network, or a module that the interpreter does not have."""
        if job.packages:
            return "the backend `monty` cannot use packages; leave out additional_imports"
        if job.network:
            return "the backend `monty` has no network; scripts reach hosts only through tools"
        lacking = _imported(job.script) - MODULES
        if "callgate" in lacking:
            return (
                "the backend `monty` has no module `callgate`; leave the import out: report_progress, "
                "callgate.ToolError, callgate.ToolDenied and the others are there without import"
            )
        if lacking:
            return (
                f"the backend `monty` has no module `{min(lacking)}`; "
                f"it has {', '.join(sorted(MODULES - {'asyncio'}))}"
            )
        return None

    async def run(self, job: Job, host: Host) -> Ending:
        """Run one script in a child of its own. The child and its interpreter are gone when this returns or raises."""
        child = await self._pool.take()
        try:
            return await runs.run(child, job, host)
        finally:
            await _surely(child)

    async def close(self) -> None:
        """End every waiting child. Runs under way end with their own tasks. Idempotent."""
        await self._pool.close()


async def _surely(child: Child) -> None:
    """End `child`, however often this task is cancelled meanwhile."""
    ending = asyncio.ensure_future(child.end())
    cancelled: asyncio.CancelledError | None = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _imported(script: str) -> set[str]:
    """The top names of what `script` imports anywhere in it; nothing if it is not Python (the run then says where)."""
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
