"""The weaker tier as a backend: the same guest, pool and runs as in the full sandbox, without bubblewrap.

Refuses at `open` when a wall is missing that this tier claims. Never chosen by itself; `accepted` does, where told to.
"""

import os
from collections.abc import Sequence

from callgate.errors import SandboxError
from callgate.runner.execution import Ending
from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.bwrap import selftest
from callgate.runner.sandbox.bwrap.backend import BwrapBackend
from callgate.runner.sandbox.bwrap.command import Environment
from callgate.runner.sandbox.bwrap.sandbox import Sandbox
from callgate.runner.sandbox.bwrap.system import Interpreter, check_machine
from callgate.runner.sandbox.contract import Host, Job, Limits, Tier, WallReport
from callgate.runner.sandbox.removal import remove_tree
from callgate.runner.sandbox.weak import attempts
from callgate.runner.sandbox.weak.places import check_reachable, listable, needed, outside, readable
from callgate.runner.sandbox.weak.process import GuestAlone
from callgate.runner.sandbox.weak.rights import gives_users
from callgate.runner.sandbox.weak.run import WatchedRun
from callgate.runner.sandbox.weak.watch import Watch, bytes_written
from callgate.runner.sandbox.weak.work_folder import TEMPORARY, make


class WeakBackend(BwrapBackend):
    """Scripts behind Landlock, seccomp and limits alone. Parameters as for `BwrapBackend`; there is no network."""

    name = "landlock"
    tier: Tier = "weak"

    _made = 0

    async def open(self) -> Sequence[WallReport]:
        """Test the walls that this tier has, fill the pool. Raises SandboxError; nothing is left open then."""
        check_machine()
        if self._network:
            raise SandboxError(
                "SBX043",
                "without namespaces scripts get no network, and `runner.network` names hosts",
                "delete `network`, or let the runner make namespaces",
            )
        self._root = gives_users()
        return await super().open()

    def _find(self) -> str:
        return ""

    async def _walls(self) -> Sequence[WallReport]:
        reports = await selftest.walls(
            self._selftest, self._limits, self._guest.path, names=attempts.NAMES, tries=attempts.SCRIPT
        )
        return [*reports, await self._counted()]

    async def _counted(self) -> WallReport:
        """That the host can see how much a script writes: what it unlinks shows nowhere else."""
        sandbox = await self._start(Environment())
        try:
            if not isinstance(sandbox.process, GuestAlone) or self._written(sandbox.process, sandbox) is None:
                raise SandboxError(
                    "SBX020",
                    "a wall of the sandbox does not hold here (written: what a script writes cannot be counted)",
                    "use a kernel with task I/O accounting, and let the runner read `/proc/PID/io`",
                )
        finally:
            await sandbox.dead()
        return WallReport("written", True, "writing without being counted")

    def _written(self, process: GuestAlone, sandbox: Sandbox) -> int | None:
        return bytes_written(process.pid, self._user(sandbox.slot))

    def _user(self, slot: int) -> int | None:
        return self._slots.user(slot) if self._root else None

    def refuses(self, job: Job) -> str | None:
        if job.network:
            return "this runner gives scripts no network: it runs them without namespaces"
        return None

    async def _carry(self, sandbox: Sandbox, job: Job, host: Host) -> Ending:
        process = sandbox.process
        if not isinstance(process, GuestAlone):
            raise TypeError("a sandbox of another backend")
        watch = Watch(process.pid, process.folder, self._user(sandbox.slot), job.limits)
        return await WatchedRun(sandbox, job, host, watch).ending()

    def _spawn(self, environment: Environment, slot: int, python: Interpreter) -> Sandbox:
        uid = self._user(slot)
        places = readable(python, self._guest.path, environment.packages)
        if uid is not None:
            check_reachable(needed(python, self._guest.path, environment.packages))
        self._made += 1
        folder = os.path.join(self._guest.path, f"work-{self._made}")
        limits = Limits(memory=environment.memory, threads=environment.threads, disk=environment.disk)
        command = [
            outside(python, python.executable),
            *guest_files.arguments(
                limits,
                uid=uid,
                profile="shared",
                writable=[folder],
                readable=places,
                listable=listable(python),
                paths=[each.path for each in environment.packages],
                first=f"import os;os.chdir({folder!r})",
                folder=self._guest.path,
                parent=os.getpid(),
            ),
        ]
        variables = guest_files.environment(folder, os.path.join(folder, TEMPORARY))
        if python.library_path:
            variables["LD_LIBRARY_PATH"] = outside(python, python.library_path)
        try:
            make(folder, uid)
            process = GuestAlone(command, variables, folder)
        except OSError as problem:
            remove_tree(folder)
            raise SandboxError(
                "SBX010",
                f"a sandbox could not be started: {problem.strerror}",
                "the machine has no more processes, files, room or memory to give",
            ) from None
        return Sandbox(process, environment, slot, self._slots.give_back)
