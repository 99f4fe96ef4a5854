"""The backend as the contract has it: opens with a self-test, runs scripts in sandboxes of the pool, closes.

Refuses at `open` when a wall is missing; there is no way to go on with fewer.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence

from callgate.errors import SandboxError
from callgate.runner.execution import Ending
from callgate.runner.sandbox.bwrap import selftest
from callgate.runner.sandbox.bwrap.command import Environment, arguments
from callgate.runner.sandbox.bwrap.guest_folder import GuestFolder
from callgate.runner.sandbox.bwrap.network import Egress, received
from callgate.runner.sandbox.bwrap.pool import Pool
from callgate.runner.sandbox.bwrap.process import INFO, Process
from callgate.runner.sandbox.bwrap.run import Run
from callgate.runner.sandbox.bwrap.sandbox import Sandbox
from callgate.runner.sandbox.bwrap.spawned import Exit
from callgate.runner.sandbox.bwrap.system import Interpreter, find_bwrap, interpreter
from callgate.runner.sandbox.bwrap.users import SLOTS, Slots, is_root
from callgate.runner.sandbox.contract import Host, Job, Limits, Packages, Tier, WallReport


class BwrapBackend:
    """Scripts in bubblewrap. `python` as in `RunnerConfig`; `limits` and `network` are what most jobs will have.

    `pool` sandboxes wait for such jobs, with `packages`. `egress` lets jobs reach the hosts that they name; without
    it, jobs that name any are refused.
    """

    name = "bwrap"
    tier: Tier = "sandbox"

    def __init__(
        self,
        *,
        limits: Limits,
        python: str | None = None,
        pool: int = 2,
        packages: Sequence[Packages] = (),
        network: Sequence[str] = (),
        egress: Egress | None = None,
    ) -> None:
        self._limits = limits
        self._python_path = python or sys.executable
        self._size = pool
        self._packages = tuple(packages)
        self._network = bool(network)
        self._egress = egress
        self._bwrap = ""
        self._python: Interpreter | None = None
        self._guest = GuestFolder()
        self._slots = Slots()
        self._root = is_root()
        self._pool: Pool | None = None
        self._running: set[asyncio.Task[Ending]] = set()
        self._going: set[asyncio.Future[Exit]] = set()

    async def open(self) -> Sequence[WallReport]:
        """Test the walls, fill the pool. Raises SandboxError; nothing is left open then."""
        self._bwrap = self._find()
        try:
            self._python = await asyncio.to_thread(interpreter, self._python_path)
            await asyncio.to_thread(self._guest.make, self._python_path)
            cores = len(os.sched_getaffinity(0))
            base = environment_of(self._limits, packages=self._packages, network=self._network)
            self._pool = Pool(self._start, base, size=self._size, at_once=cores)
            reports = await self._walls()
            await self._pool.fill()
        except BaseException:
            await self.close()
            raise
        return reports

    def _find(self) -> str:
        return find_bwrap()

    async def _walls(self) -> Sequence[WallReport]:
        return await selftest.walls(self._selftest, self._limits, self._guest.path)

    def refuses(self, job: Job) -> str | None:
        if job.network and self._egress is None:
            return "this runner gives scripts no network"
        return None

    async def run(self, job: Job, host: Host) -> Ending:
        if self._pool is None:
            raise SandboxError("SBX013", "the sandboxes are closed")
        environment = environment_of(job.limits, packages=job.packages, network=bool(job.network))
        return await self._run(await self._pool.take(environment), job, host)

    async def _run(self, sandbox: Sandbox, job: Job, host: Host) -> Ending:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        sandbox.on_death(None)
        try:
            if not job.network or self._egress is None:
                return await self._carry(sandbox, job, host)
            async with self._egress.serve(received(sandbox), job.network) as proxy:
                return await Run(sandbox, job, host, proxy).ending()
        finally:
            if task is not None:
                self._running.discard(task)
            self._going.add(sandbox.process.ended)
            sandbox.process.ended.add_done_callback(self._going.discard)
            await sandbox.over()

    async def _carry(self, sandbox: Sandbox, job: Job, host: Host) -> Ending:
        return await Run(sandbox, job, host).ending()

    async def _selftest(self, job: Job, host: Host) -> Ending:
        return await self._run(await self._start(environment_of(job.limits)), job, host)

    async def _start(self, environment: Environment) -> Sandbox:
        """One sandbox, ready. Raises SandboxError; nothing is left of it then, nor when cancelled."""
        if self._python is None:
            raise SandboxError("SBX013", "the sandboxes are closed")
        slot = self._slots.take()
        try:
            if slot >= SLOTS:
                raise SandboxError("SBX014", f"more than {SLOTS} sandboxes at a time")
            sandbox = self._spawn(environment, slot, self._python)
        except BaseException:
            self._slots.give_back(slot)
            raise
        await sandbox.ready()
        sandbox.on_death(self._pool.died if self._pool is not None else None)
        return sandbox

    def _spawn(self, environment: Environment, slot: int, python: Interpreter) -> Sandbox:
        uid = self._slots.user(slot) if self._root else None
        command = arguments(self._bwrap, python, self._guest.path, environment, uid=uid, info=INFO)
        ours = theirs = None
        try:
            if environment.network:
                ours, theirs = socket.socketpair()
            process = Process(
                command, network=None if theirs is None else theirs.fileno(), guest_first=not self._root
            )
        except OSError as problem:
            if ours is not None:
                ours.close()
            raise SandboxError(
                "SBX010",
                f"a sandbox could not be started: {problem.strerror}",
                "the machine has no more processes, files or memory to give",
            ) from None
        finally:
            if theirs is not None:
                theirs.close()
        sandbox = Sandbox(process, environment, slot, self._slots.give_back)
        sandbox.control = ours
        return sandbox

    async def close(self) -> None:
        """End every sandbox and give everything back. Idempotent."""
        pool, self._pool = self._pool, None
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        if self._going:
            await asyncio.wait(self._going)
        if pool is not None:
            await pool.close()
        self._python = None
        self._slots.close()
        self._guest.remove()


def environment_of(
    limits: Limits, *, packages: Sequence[Packages] = (), network: bool = False
) -> Environment:
    """Which kind of sandbox a job with such limits needs."""
    return Environment(
        packages=tuple(packages),
        network=network,
        memory=limits.memory,
        threads=limits.threads,
        disk=limits.disk,
        inodes=limits.inodes,
    )
