"""Requests played to a server directly and to the same server behind `serve`, with everything that came back."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.http_agent import LEGACY, Agent, Answer, on_loop
from tests.support.real_traffic import normal
from tests.support.serve_checks import every_call_is_recorded
from tests.support.serve_process import ServeProcess

NOT_COMPARED = {
    # Hop by hop, times, names of the sender, and how long the other headers made it.
    *("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "x-powered-by"),
    # What each says of itself: never stored by anybody, never taken for another type.
    *("cache-control", "x-content-type-options", "x-accel-buffering", "vary"),
    # Which pages may call is the gate's to say.
    *("access-control-allow-origin", "access-control-expose-headers"),
    "mcp-session-id",
}
Script = Callable[[Agent, "Noted"], Awaitable[None]]


def compact(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


class Noted:
    """What an agent got."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def keep(self, answer: Answer) -> None:
        """Note a whole answer."""
        headers = {name: value for name, value in answer.headers.items() if name not in NOT_COMPARED}
        kind = headers.get("content-type", "").partition(";")[0] if answer.body else ""
        self.all.append([answer.status, {**headers, "content-type": kind}])
        self.all += [normal(compact(message)) for message in answer.messages]

    def frame(self, message: dict[str, Any]) -> None:
        """Note one frame of a stream."""
        self.all.append(normal(compact(message)))


def agent_at(url: str, version: str) -> Agent:
    parts = urlsplit(url)
    assert parts.port
    agent = Agent(parts.port, version=version)
    agent.target = parts.path
    return agent


def played(script: Script, url: str, version: str) -> list[Any]:
    noted = Noted()

    async def main() -> None:
        async with agent_at(url, version) as agent:
            await script(agent, noted)

    on_loop(main)
    return noted.all


@contextmanager
def gate_before(folder: Path, server: dict[str, Any]) -> Iterator[str]:
    """The URL of a server behind a gate, whose audit is looked at in the end."""
    settings = {"state": "memory://", "audit": str(folder / "audit.jsonl"), "audit_sync": "none"}
    with ServeProcess(folder / "gate", {"srv": server}, settings=settings) as gate:
        yield gate.url("srv")
        assert gate.stop() == 0
    every_call_is_recorded(folder / "audit.jsonl", 0)


def compared(script: Script, version: str, url: str, folder: Path) -> list[Any]:
    """What the script gets is the same both ways."""
    direct = played(script, url, version)
    with gate_before(folder, {"url": url}) as through:
        gated = played(script, through, version)
    assert gated == direct
    return gated


async def traffic(agent: Agent, noted: Noted) -> None:
    """Everything that needs no answer of the client."""
    if agent.version == LEGACY:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        noted.keep(await agent.ask("ping"))
    else:
        noted.keep(await agent.ask("server/discover"))
    noted.keep(await agent.ask("tools/list"))
    for tool, arguments in (
        ("add", {"a": 1, "b": 2}),
        ("echo", {"text": 'zw\u00f6lf\u2028 "quoted"\r\n\x00'}),
        ("echo", {"text": "\u00e9" * 500_000}),
        ("add", {"a": "no number"}),
        ("no-such-tool", {}),
    ):
        noted.keep(await agent.call(tool, **arguments))
    noted.keep(
        await agent.ask("tools/call", name="wait", arguments={"steps": 3}, _meta={"progressToken": "t"})
    )
    for method in ("prompts/list", "resources/list", "resources/templates/list"):
        noted.keep(await agent.ask(method))
    noted.keep(await agent.ask("resources/read", uri="file:///nowhere"))
    noted.keep(await agent.ask("tools/list", cursor="no such page"))


EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"message": "x" * 1_000_000}),
    ("get-sum", {"a": 2, "b": 40.5}),
    ("get-tiny-image", {}),
    ("get-structured-content", {"location": "Chicago"}),
    ("trigger-long-running-operation", {"duration": 0.2, "steps": 2}),
    ("echo", {}),
    ("no-such-tool", {}),
]
