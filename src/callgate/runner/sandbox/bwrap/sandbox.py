"""One sandbox as the rest sees it: started until its guest says that it is ready, then good for one script.

Never gives out a sandbox whose guest has not hardened itself.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.command import Environment
from callgate.runner.sandbox.bwrap.process import GuestProcess
from callgate.runner.sandbox.frames import FrameReader, GuestFrame, HostileFrame, Ready
from callgate.text import escape

_READY_SECONDS = 30.0
_WORDS = 400
_UNHELD = 70
"""How a guest ends whose walls do not hold."""


class Sandbox:
    """`walls` is what the guest says of its walls. `control` is where its network hands us its socket."""

    def __init__(
        self, process: GuestProcess, environment: Environment, slot: int, release: Callable[[int], None]
    ) -> None:
        self.process = process
        self.environment = environment
        self.walls: dict[str, Any] = {}
        self.control: socket.socket | None = None
        self.reader = FrameReader()
        self.slot = slot
        self._release = release
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._died: Callable[[Sandbox], None] | None = None
        process.reply.take = self._greeting
        process.ended.add_done_callback(self._over)

    @property
    def alive(self) -> bool:
        return not self.process.ended.done()

    def kill(self) -> None:
        self.process.kill()

    def on_death(self, tell: "Callable[[Sandbox], None] | None") -> None:
        """Who is to be told if it ends while it waits."""
        self._died = tell

    def _greeting(self, data: bytes) -> None:
        try:
            frames: list[GuestFrame] = list(self.reader.feed(data))
        except HostileFrame:
            frames = []
        if len(frames) == 1 and isinstance(frames[0], Ready) and not self._ready.done():
            self.walls = frames[0].walls
            self._ready.set_result(None)
        elif frames or not self.reader.amid:
            self.process.kill()

    def _over(self, _: object) -> None:
        self._release(self.slot)
        if self.control is not None:
            self.control.close()
        if not self._ready.done():
            self._ready.set_result(None)
        if self._died is not None:
            self._died(self)

    async def ready(self) -> None:
        """Wait until it has hardened itself.

        Raises SandboxError (SBX010, SBX011, SBX012); it is dead then, and when this was cancelled.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await asyncio.shield(self._ready)
        except TimeoutError:
            await self.dead()
            raise SandboxError(
                "SBX011",
                f"a sandbox was not ready within {_READY_SECONDS:.0f} seconds",
                "the machine is overloaded, or the interpreter for scripts hangs at its start",
            ) from None
        except asyncio.CancelledError:
            await self.dead()
            raise
        missing = [f"{name} ({_detail(wall)})" for name, wall in self.walls.items() if not _held(wall)]
        if missing:
            await self.dead()
            said = escape("; ".join(missing))[:_WORDS]
            raise SandboxError("SBX012", f"the guest could not put up its walls: {said}", help_for(said))
        if not self.alive or not self.process.find_first():
            await self.dead()
            raise self._failure()

    def _failure(self) -> SandboxError:
        code = self.process.ended.result().code
        said = escape(" ".join(self.process.words.split()))[-_WORDS:] or "it said nothing"
        if code == _UNHELD:
            return SandboxError("SBX012", f"the guest could not put up its walls: {said}", help_for(said))
        how = f"signal {signal.Signals(code - 128).name}" if 128 < code < 160 else f"status {code}"
        return SandboxError("SBX010", f"a sandbox could not be started ({how}): {said}", help_for(said))

    async def over(self) -> None:
        """As `dead`, but come back at once if the guest has ended by itself: nothing can be done in there any more."""
        if not self.process.exited.done():
            await self.dead()

    async def dead(self) -> None:
        """Kill it, and come back when nothing is left of it, however often the caller is cancelled meanwhile."""
        self.process.kill()
        cancelled = False
        while not self.process.ended.done():
            try:
                await asyncio.shield(self.process.ended)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError


def _held(wall: Any) -> bool:
    return isinstance(wall, dict) and wall.get("held") is True


def _detail(wall: Any) -> str:
    return str(wall.get("detail", "")) if isinstance(wall, dict) else "no answer"


def help_for(said: str) -> str:
    """What most likely keeps a sandbox from starting, by what bubblewrap or the guest said."""
    lowered = said.lower()
    if "creating new namespace" in lowered or "user namespace" in lowered or "uid map" in lowered:
        if os.path.exists("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"):
            return (
                "allow user namespaces: give bwrap an AppArmor profile, or set "
                "`kernel.apparmor_restrict_unprivileged_userns=0`"
            )
        return (
            "allow user namespaces (`sysctl user.max_user_namespaces`, on older Debian also "
            "`kernel.unprivileged_userns_clone=1`); in a container, allow `unshare` and `mount`, or give CAP_SYS_ADMIN"
        )
    if "landlock" in lowered:
        return "use Linux 5.13 or newer with Landlock among the modules in `/sys/kernel/security/lsm` (`lsm=` at boot)"
    if "seccomp" in lowered or "machine" in lowered or "architecture" in lowered:
        return "sandboxes are made on x86_64 and aarch64, on kernels with seccomp filters"
    if "operation not permitted" in lowered or "permission denied" in lowered:
        return "in a container, allow the calls `unshare`, `mount` and `pivot_root`, or run the runner outside of it"
    return "run `bwrap --version`, and look at the message: it is bubblewrap's, or the guest's own"
