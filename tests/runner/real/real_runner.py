"""The whole product as its users have it: `python -m callgate …` in processes of their own, and the SDK's clients."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.extension import ClientExtension
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from msgspec import Struct

from callgate.auth.apikeys import new_key

ROOT = Path(__file__).resolve().parents[3]
NODE_BIN = ROOT / "tests" / "servers" / "node_modules" / ".bin"
VENV_BIN = Path(sys.executable).parent
CALLGATE = (sys.executable, "-m", "callgate")
ERAS = ("legacy", "2026-07-28")
PATIENCE_SECONDS = 180.0
UNDER_WAY = ("pending", "running")
NOBODY = "7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd"


class Home:
    """A folder with a `callgate.yaml`, its policies, its journal, and everything else that the processes keep.

    servers: as in the file. runner, settings: the section `runner` and the rest. policies: by file name.
    """

    def __init__(
        self,
        folder: Path,
        servers: Mapping[str, Mapping[str, Any]] | None = None,
        runner: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        policies: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.journal = folder / "journal" / "runner.sqlite"
        self.stderr = folder / "stderr.txt"
        self.calls = folder / "calls.jsonl"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.journal.parent.mkdir(mode=0o700, exist_ok=True)
        for name, text in {"allow.yaml": "default: allow\n", **(policies or {})}.items():
            (folder / name).write_text(text)
        content = {
            "state": "memory://",
            "audit": self.calls.name,
            **(settings or {}),
            "runner": {
                "journal": f"sqlite:{self.journal}",
                "drain": "1s",
                "pool": 1,
                "concurrency": 2,
                "packages": {"profile": "none"},
                **(runner or {}),
            },
        }
        if servers is not None:
            content["servers"] = {
                name: {"policy": "allow.yaml", **server} for name, server in servers.items()
            }
        self.config = folder / "callgate.yaml"
        # JSON is YAML too.
        self.config.write_text(json.dumps(content, indent=1))

    def environment(self, **more: str) -> dict[str, str]:
        """What processes get: whatever they keep lies in this folder."""
        ours = {"XDG_STATE_HOME": str(self.folder / "state"), "TMPDIR": str(self.temporary)}
        return {**os.environ, **ours, **more}

    def runner(self, *options: str) -> list[str]:
        """The command line of a runner with this configuration."""
        return [*CALLGATE, "runner", "-c", str(self.config), *options]

    def gated(self, policy: str, *options: str) -> list[str]:
        """The same behind `callgate run` with a policy of this folder."""
        return [*CALLGATE, "run", "-c", str(self.folder / policy), *options, "--", *self.runner()]

    def decisions(self, file: Path | None = None) -> list[dict[str, Any]]:
        """What an audit file holds of decisions, in order; without `file`, that of the configuration."""
        records = [json.loads(line) for line in (file or self.calls).read_text().splitlines()]
        return [record for record in records if record["kind"] == "decision"]

    def said(self) -> str:
        """What the processes have said on stderr so far."""
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""


class Agent:
    """What an agent does with a runner, by the SDK's client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of an answer."""
        content: dict[str, Any] = (await self.call(tool, **arguments)).structured_content or {}
        return content

    async def started(self, script: str, **arguments: Any) -> str:
        """Begin an execution; its UUID."""
        told = await self.told("asyncExecuteCode", script=script, **arguments)
        assert "execution_uuid" in told, told
        return str(told["execution_uuid"])

    async def ended(self, uuid: str) -> dict[str, Any]:
        """Follow an execution to its end."""
        while True:
            told = await self.told("checkCodeExecStatus", execution_uuid=uuid, wait_seconds=20)
            assert "status" in told, told
            if told["status"] not in UNDER_WAY:
                return told

    async def executed(self, script: str, **arguments: Any) -> dict[str, Any]:
        """The end of an execution that was waited for."""
        return await self.told("executeCode", script=script, **arguments)

    async def completed(self, script: str, **arguments: Any) -> dict[str, Any]:
        """The results of one that must complete."""
        told = await self.executed(script, **arguments)
        assert told.get("status") == "completed", told
        results: dict[str, Any] = told["results"]
        return results


@asynccontextmanager
async def over_stdio(
    home: Home, command: list[str], mode: str = ERAS[1], env: Mapping[str, str] | None = None
) -> AsyncIterator[Agent]:
    """An agent that has started `command` itself, as agents do."""
    server = StdioServerParameters(
        command=command[0], args=command[1:], env=home.environment(**(env or {})), cwd=ROOT
    )
    with home.stderr.open("a") as errors:
        async with Client(stdio_client(server, errlog=errors), mode=mode) as client:
            yield Agent(client)


@asynccontextmanager
async def over_http(
    url: str, key: str | None = None, mode: str = ERAS[1], *extensions: ClientExtension
) -> AsyncIterator[Agent]:
    """An agent of a runner or gate that serves HTTP."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, extensions=extensions) as client,
    ):
        yield Agent(client)


class Program:
    """A process of the product that serves until it is told to end. Use it as a context manager."""

    def __init__(self, home: Home, command: list[str], env: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.log = home.folder / f"log-{os.urandom(4).hex()}.txt"
        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=home.environment(**(env or {})),
                cwd=ROOT,
            )

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end: {self.said()}") from None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    async def says(self, pattern: str) -> str:
        """Wait until it says something of this form; the first group of it, or all."""
        async for _ in looks():
            if found := re.search(pattern, self.said()):
                return found.group(found.re.groups and 1)
            assert self.process.poll() is None, self.said()
        raise AssertionError(f"it never said {pattern}: {self.said()}")

    async def url(self) -> str:
        """Where it listens."""
        return await self.says(r"listening on (http://\S+)")


class Key(Struct, frozen=True):
    """An API key, and its entry in a file of keys."""

    key: str
    entry: dict[str, str]


def keys(*names: str) -> dict[str, Key]:
    """New ones, by whose they are."""
    made = {}
    for name in names:
        key, id, digest = new_key()
        made[name] = Key(key, {"id": id, "sha256": digest, "identity": name})
    return made


def key_file(folder: Path, made: Mapping[str, Key], name: str = "keys.yaml") -> str:
    """Write the file of keys; its name."""
    file = folder / name
    file.write_text(json.dumps({"keys": [each.entry for each in made.values()]}))
    file.chmod(0o600)
    return name


async def looks(seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
    """Look again and again at something outside of this process, for a limited time."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        yield
        await asyncio.sleep(0.02)


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something outside of this process."""
    async for _ in looks():
        if true():
            return
    raise AssertionError(f"waited in vain until {what}")


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine for a limited time."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await main()

    asyncio.run(limited())


def text_of(result: CallToolResult) -> str:
    """The only text of an answer."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text
