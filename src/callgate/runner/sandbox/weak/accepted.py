"""The full sandbox if it is to be had, else the weaker tier that the operator accepts by name, and a word about it.

Only what namespaces need may be missing: where a wall of the full sandbox was put up and does not hold, or where the
weaker tier's own do not, it refuses.
"""

from collections.abc import Callable, Sequence

from callgate.errors import SandboxError
from callgate.runner.execution import Ending
from callgate.runner.sandbox.contract import Backend, Host, Job, WallReport

_WARNING = "SBX040"

_NO_NAMESPACES = ("SBX003", "SBX010")
"""bubblewrap is not there, or cannot make its sandbox."""

MISSING = (
    "Scripts share this machine's processes, file systems and kernel names. They cannot read or change files, reach "
    "processes or use sockets, but can learn whether a path or a process exists, and a file's size, owner and times. "
    "Files, disk space and threads are counted while they run, not bounded beforehand"
)


class FullOrWeak:
    """`full` if it opens, else `weak`. `warn` is told why, and what that means. `name` and `tier`: of what opened."""

    def __init__(self, full: Backend, weak: Backend, warn: Callable[[str], None]) -> None:
        self._full = full
        self._weak = weak
        self._warn = warn
        self._use(full)

    def _use(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.tier = backend.name, backend.tier

    async def open(self) -> Sequence[WallReport]:
        """Raises SandboxError: neither can be had."""
        try:
            return await self._full.open()
        except SandboxError as problem:
            if problem.code not in _NO_NAMESPACES:
                raise
            why = problem.message
        reports = await self._weak.open()
        self._use(self._weak)
        self._warn(f"[{_WARNING}] scripts run behind weaker walls, without namespaces: {why}. {MISSING}")
        return reports

    def refuses(self, job: Job) -> str | None:
        return self._backend.refuses(job)

    async def run(self, job: Job, host: Host) -> Ending:
        """Raises SandboxError, CancelledError."""
        return await self._backend.run(job, host)

    async def close(self) -> None:
        await self._full.close()
        await self._weak.close()
