"""What the tests of the bridge share: a folder with callgate.yaml and policies, and a bridge over it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.json import encode

from callgate.clock import Clock
from callgate.config.load import load_files
from callgate.runner.answer import Answer, Failure
from callgate.runner.bridge.contract import Parent
from callgate.runner.bridge.gated import GatedBridge
from callgate.runner.execution import Owner
from callgate.transports.spawner import Spawner

ROOT = Path(__file__).parents[3]
ODD = [sys.executable, "-I", "-S", str(Path(__file__).parent / "odd_server.py")]
MODERN = [sys.executable, str(ROOT / "tests/support/modern_server.py")]
ALICE = Owner("local:alice", limit_session="alice-1")
BOB = Owner("local:bob", limit_session="bob-1")
ALLOW = "default: allow\ntools:\n  never: {rules: [{action: deny}]}\n"
PATIENCE_SECONDS = 30.0


class Folder:
    """callgate.yaml in `path`, with one policy, `policy.yaml`, for all servers that name no other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.audit = path / "audit.jsonl"
        self.state = f"sqlite:{path / 'state.db'}"

    def write(
        self, policy: str = ALLOW, runner: Mapping[str, Any] | None = None, **servers: Mapping[str, Any]
    ) -> None:
        """One argument for each server: its settings, as in the file; `runner` is that section."""
        self.policy(policy)
        settings = {name: {"policy": "policy.yaml", **each} for name, each in servers.items()}
        # JSON is YAML, and quotes what has to be quoted.
        config: dict[str, Any] = {
            "servers": settings,
            "state": self.state,
            "audit": str(self.audit),
            "audit_sync": "none",
        }
        if runner is not None:
            config["runner"] = runner
        (self.path / "callgate.yaml").write_text(encode(config).decode())

    def policy(self, text: str, name: str = "policy.yaml") -> None:
        (self.path / name).write_text(text)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def calls(self, kind: str = "decision") -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]


class Bench:
    """A bridge that is open, and the log of it."""

    def __init__(self, bridge: GatedBridge) -> None:
        self.bridge = bridge
        self.forwarded: list[str] = []

    async def call(
        self,
        function: str,
        arguments: dict[str, Any] | None = None,
        owner: Owner = ALICE,
        uuid: str = "uuid-1",
    ) -> Answer:
        async def before_forward(decision: str) -> None:
            self.forwarded.append(decision)

        return await self.bridge.call(Parent(uuid, owner), function, arguments or {}, before_forward)

    async def value(
        self, function: str, arguments: dict[str, Any] | None = None, owner: Owner = ALICE
    ) -> Any:
        answer = await self.call(function, arguments, owner)
        assert answer.failure is None, answer.failure
        return answer.value

    async def failure(
        self, function: str, arguments: dict[str, Any] | None = None, owner: Owner = ALICE
    ) -> Failure:
        answer = await self.call(function, arguments, owner)
        assert answer.failure is not None, answer.value
        return answer.failure


@asynccontextmanager
async def opened(
    folder: Folder, spawner: Spawner | None = None, log: list[str] | None = None, clock: Clock | None = None
) -> AsyncIterator[Bench]:
    lines = [] if log is None else log
    bridge = GatedBridge(
        load_files(str(folder.path / "callgate.yaml"), "runner"),
        spawner=spawner,
        clock=clock,
        log=lambda level, line: lines.append(f"{level}: {line}"),
    )
    await bridge.open()
    try:
        yield Bench(bridge)
    finally:
        await bridge.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the test's coroutine, and give up in the end."""
    asyncio.run(asyncio.wait_for(work, PATIENCE_SECONDS))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)
