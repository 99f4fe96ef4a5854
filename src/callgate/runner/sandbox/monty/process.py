"""The runner's end of a child process: started, spoken with, and surely gone. One child for one execution."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import Final

from callgate.errors import SandboxError
from callgate.runner.sandbox.frames import FrameReader, GuestFrame, HostileFrame, Ready

_MODULE: Final = "callgate.runner.sandbox.monty.child"
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 2.0
"""How long a child may take to end by itself, interpreter first; then its process group is killed."""


class Child:
    """A process that waits for a job. `frames` must be read by one task at a time."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        wire: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        outputs: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]],
    ) -> None:
        self._process = process
        self._reader, self._writer = wire
        self._outputs = outputs
        self._frames = FrameReader()
        self._whole: list[GuestFrame] = []

    @classmethod
    async def start(cls) -> "Child":
        """Start a child and wait until its interpreter is ready. Raises SandboxError (SBX051)."""
        ours: list[socket.socket] = []
        theirs: list[socket.socket] = []
        try:
            for _ in range(3):
                one, other = socket.socketpair()
                ours.append(one)
                theirs.append(other)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-m", _MODULE),
                stdin=theirs[0].fileno(),
                stdout=theirs[1].fileno(),
                stderr=theirs[2].fileno(),
                env={},
                cwd="/",
                start_new_session=True,
            )
            streams = [await asyncio.open_connection(sock=each) for each in ours]
        except OSError as error:
            for each in ours:
                each.close()
            raise SandboxError(
                "SBX051", f"the interpreter's process cannot be started: {error.strerror}"
            ) from None
        finally:
            for each in theirs:
                each.close()
        child = cls(process, streams[0], {"stdout": streams[1], "stderr": streams[2]})
        try:
            await child._wait_until_ready()
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def expect(self, results: int) -> None:
        """Take results of up to so many bytes."""
        self._frames.results = results

    async def send(self, frame: bytes) -> None:
        """Raises ConnectionError when the child is gone."""
        self._writer.write(frame)
        await self._writer.drain()

    async def receive(self) -> GuestFrame | None:
        """Return the child's next frame; None when it has hung up. Raises HostileFrame."""
        while not self._whole:
            try:
                data = await self._reader.read(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            self._whole.extend(self._frames.feed(data))
        return self._whole.pop(0)

    async def read_output(self, stream: str) -> bytes:
        """Return what the script wrote next to `stdout` or `stderr`; nothing at its end."""
        try:
            return await self._outputs[stream][0].read(1 << 16)
        except ConnectionError:
            return b""

    async def end(self) -> None:
        """End the child and its interpreter, whatever they are doing. Returns when both are gone. Idempotent.

        Hanging up is enough: the child then kills and reaps its interpreter. Its group is killed if it does not.
        """
        writers = (self._writer, *(each for _, each in self._outputs.values()))
        for writer in writers:
            writer.transport.abort()
        try:
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                first = await self.receive()
        except (TimeoutError, HostileFrame):
            first = None
        if isinstance(first, Ready):
            return
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                said = await self.read_output("stderr")
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise SandboxError(
            "SBX051",
            f"the interpreter's process does not start: {last[0][:200]}",
            "run `monty --version` in the runner's environment, and reinstall `callgate[monty]` if it fails",
        )
