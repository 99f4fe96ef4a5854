"""`callgate runner` and `callgate runner worker` as processes of their own, which may be killed at any moment."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 60.0
_HERE = Path(__file__).parent


class Gone(Exception):
    """The process ended before it answered."""


class Home:
    """A folder with one configuration, one journal, one log of effects, and the processes' temporary files."""

    def __init__(self, folder: Path, *, queue: str = "memory://", **runner: Any) -> None:
        self.folder = folder
        self.effects_log = folder / "effects"
        self.journal = folder / "journal" / "runner.sqlite"
        self.temporary = folder / "tmp"
        self.log = folder / "log"
        for needed in (folder, self.temporary):
            needed.mkdir(exist_ok=True)
        self.journal.parent.mkdir(0o700, exist_ok=True)
        self.effects_log.touch()
        settings = {
            "journal": f"sqlite:{self.journal}",
            "queue": queue,
            "lease": "1s",
            "drain": "2s",
            "max_attempts": 40,
            "pool": 1,
            "limits": {"memory": "256MiB"},
            "packages": {"profile": "none"},
            **runner,
        }
        tally = [sys.executable, str(_HERE / "tally_server.py"), str(self.effects_log)]
        (folder / "policy.yaml").write_text("tools: {}\n")
        server = {"command": tally, "policy": "policy.yaml"}
        # JSON is YAML too.
        configuration = {"servers": {"Tally": server}, "state": "memory://", "runner": settings}
        self.configuration = folder / "callgate.yaml"
        self.configuration.write_text(json.dumps(configuration))

    def environment(self, **more: str) -> dict[str, str]:
        """What processes get: nothing of theirs lies anywhere but in this folder."""
        state = str(self.folder / "state")
        return {**os.environ, "TMPDIR": str(self.temporary), "XDG_STATE_HOME": state, **more}

    def effects(self, at: str = "effect") -> list[tuple[str, str]]:
        """The token and word of every line of this kind, in order."""
        noted = [json.loads(line) for line in self.effects_log.read_bytes().splitlines()]
        return [(line["token"], line["word"]) for line in noted if line["at"] == at]


class Program:
    """A process of the product, started by `start`."""

    def __init__(self, home: Home, *words: str, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._words = words
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was not started"
        return self._process

    async def start(self) -> None:
        """Start it. Returns at once."""
        with self.home.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "callgate", "runner", *self._words),
                *("-c", str(self.home.configuration)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.home.environment(**self._environment),
                limit=32 << 20,
            )

    async def kill(self) -> None:
        """SIGKILL; returns when it is dead."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)


class Worker(Program):
    """`callgate runner worker`."""

    def __init__(self, home: Home, *words: str) -> None:
        super().__init__(home, "worker", *words)


class Runner(Program):
    """`callgate runner` over stdio, and its client. `owner` is whom the gate before it would name."""

    def __init__(self, home: Home, *words: str, owner: str | None = None) -> None:
        super().__init__(home, *words, environment={} if owner is None else {"CALLGATE_IDENTITY": owner})
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 0
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and begin a conversation. Returns as soon as requests may be made; Gone if it ends before."""
        await super().start()
        self._reading = asyncio.create_task(self._read())
        hello = {"name": "durability", "version": "1"}
        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": hello}
        await self._ask("initialize", about)
        self._say({"method": "notifications/initialized"})

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool's answer. Raises Gone."""
        result = await self._ask("tools/call", {"name": tool, "arguments": arguments})
        content: dict[str, Any] = result["structuredContent"]
        return content

    async def submit(self, script: str, **arguments: Any) -> str:
        """Begin an execution; the UUID with which it was acknowledged. Raises Gone."""
        told = await self.call("asyncExecuteCode", script=script, **arguments)
        return str(told["execution_uuid"])

    async def ended(self, uuid: str) -> dict[str, Any]:
        """Wait for the end of an execution. Raises Gone."""
        while True:
            told = await self.call("checkCodeExecStatus", execution_uuid=uuid, wait_seconds=10)
            if told["status"] not in ("pending", "running"):
                return told

    async def hang_up(self) -> int:
        """Close its standard input, as a client does that ends; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)

    async def kill(self) -> None:
        """SIGKILL; whoever waits for an answer hears of it."""
        await super().kill()
        await self.closed()

    async def closed(self) -> None:
        """Wait until all that it said has been read, and let go of its streams."""
        if self._reading is not None:
            await self._reading
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            while line := await self.process.stdout.readline():
                message = json.loads(line)
                waiter = self._waiting.pop(message.get("id", -1), None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
        except (ValueError, OSError):
            pass  # Cut off in the middle of a line.
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(Gone())
        self._waiting.clear()

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self._reading is None or self._reading.done():
            raise Gone
        self._next += 1
        number = self._next
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiter
        self._say({"id": number, "method": method, "params": params})
        answer = await waiter
        if "result" not in answer:
            raise AssertionError(f"{method} was answered with {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
