"""The same requests directly and through `serve`, message by message: only ids of sessions and times may differ.

Requests are written by hand, so the whole answer is compared: status, kind, headers that mean something, every frame.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.http_agent import LEGACY, MODERN, Agent, Answer, on_loop
from tests.support.http_servers import sdk_server, server_everything
from tests.support.real_traffic import normal, npm_server, pypi_server
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


class Noted:
    """What an agent got."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def keep(self, answer: Answer) -> None:
        """Note a whole answer."""
        headers = {name: value for name, value in answer.headers.items() if name not in NOT_COMPARED}
        kind = headers.get("content-type", "").partition(";")[0] if answer.body else ""
        self.all.append([answer.status, {**headers, "content-type": kind}])
        self.all += [normal(json.dumps(message).encode()) for message in answer.messages]

    def frame(self, message: dict[str, Any]) -> None:
        """Note one frame of a stream."""
        self.all.append(normal(json.dumps(message).encode()))


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


@pytest.mark.parametrize("version", [LEGACY, MODERN])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["sse", "json"])
def test_an_sdk_server_over_http(tmp_path: Path, version: str, options: list[str]) -> None:
    with sdk_server(*options) as url:
        found = compared(traffic, version, url, tmp_path)
    text = json.dumps(found)
    assert "\\u00e9" * 500_000 in text
    assert options or "notifications/progress" in text


def test_questions_to_the_client_on_its_stream_and_its_answers(tmp_path: Path) -> None:
    """Handshake era: elicitation and sampling go to the client in mid-call; its answers are POSTs of their own."""

    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        accepted = {"action": "accept", "content": {"name": "Ann"}}
        said = {"role": "assistant", "content": {"type": "text", "text": "yes"}, "model": "m"}
        for tool, arguments, answer in (("sign", {"letter": "hi"}, accepted), ("think", {}, said)):
            await agent.open("tools/call", name=tool, arguments=arguments)
            while "id" not in (question := await agent.event()) or "method" not in question:
                noted.frame(question)
            noted.frame({**question, "id": "asked"})
            async with Agent(agent.port) as other:
                other.target, other.headers = agent.target, agent.headers
                other.post({"jsonrpc": "2.0", "id": question["id"], "result": answer})
                noted.keep(await other.answer())
            for message in await agent.rest():
                noted.frame(message)

    with sdk_server() as url:
        found = compared(script, LEGACY, url, tmp_path)
    assert "hi, Ann" in json.dumps(found)
    assert "thought: yes" in json.dumps(found)


def test_a_stream_that_breaks_is_taken_up_again_with_the_last_event_id(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        meta = {"progressToken": 5}
        await agent.open("tools/call", name="interrupted", arguments={"steps": 4}, _meta=meta)
        text = b""
        while chunk := await agent.chunk():
            text += chunk
        # Event ids count all events of the server, so they are other ones the second time: their order is compared.
        ids = [line[4:].strip().decode() for line in text.split(b"\n") if line.startswith(b"id: ")]
        noted.all.append([len(ids), [line for line in text.decode().split() if line.startswith("data")]])
        agent.write("GET", b"", {"accept": "text/event-stream", "last-event-id": ids[-1]})
        noted.all.append((await agent.streaming())["content-type"])
        while True:
            message = await agent.event()
            noted.frame(message)
            if "result" in message:
                break

    with sdk_server("--resumable") as url:
        found = compared(script, LEGACY, url, tmp_path)
    assert "arrived" in json.dumps(found)


def test_a_cancelled_call_and_the_end_of_a_session(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        meta = {"progressToken": 5}
        await agent.open("tools/call", name="wait", arguments={"steps": 5_000}, _meta=meta)
        noted.frame(await agent.event())
        async with Agent(agent.port) as other:
            other.target, other.headers = agent.target, agent.headers
            params = {"requestId": agent.id, "reason": "enough"}
            other.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
            noted.keep(await other.answer())
            rest = [message for message in await agent.rest() if "progress" not in json.dumps(message)]
            noted.all.append(rest)
            other.write("DELETE", b"", {})
            noted.keep(await other.answer())
            noted.all.append((await other.call("add", a=1, b=2)).status)

    with sdk_server() as url:
        assert compared(script, LEGACY, url, tmp_path)[-1] == 404


def test_server_everything_over_http(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        noted.keep(await agent.initialize())
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        noted.keep(await agent.answer())
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
            noted.keep(await agent.ask(method))
        for tool, arguments in EVERYTHING:
            noted.keep(
                await agent.ask("tools/call", name=tool, arguments=arguments, _meta={"progressToken": 1})
            )
        noted.keep(await agent.ask("logging/setLevel", level="debug"))

    with server_everything() as url:
        found = compared(script, LEGACY, url, tmp_path)
    assert "notifications/progress" in json.dumps(found)


EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"message": "x" * 1_000_000}),
    ("get-sum", {"a": 2, "b": 40.5}),
    ("get-tiny-image", {}),
    ("get-structured-content", {"location": "Chicago"}),
    ("trigger-long-running-operation", {"duration": 0.2, "steps": 2}),
    ("echo", {}),
    ("no-such-tool", {}),
]
TIMES: list[tuple[str, dict[str, Any]]] = [
    ("convert_time", {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
    ("get_current_time", {"timezone": "nowhere"}),
    ("no-such-tool", {}),
]
CHILDREN = {
    "everything": (npm_server("everything"), EVERYTHING),
    "time": (pypi_server("time"), TIMES),
    "git": (pypi_server("git"), [("git_status", {"repo_path": "/nowhere"}), ("git_log", {})]),
}


async def spoken(command: list[str], calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """The frames that a server on stdio says to the requests of `over_http`, directly."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=-1,
        stdout=-1,
        stderr=-3,
        limit=1 << 24,
        env={"PATH": sys.path[0] + ":/usr/bin", **ENV},
    )
    assert process.stdin
    assert process.stdout
    found = []
    info = {"name": "test", "version": "1"}
    offer = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info}
    for id, (method, params) in enumerate([("initialize", offer), *requests(calls)], 1):
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        process.stdin.write(json.dumps(message).encode() + b"\n")
        while True:
            answer = json.loads(await process.stdout.readline())
            if answer.get("method") not in LATER:
                found.append(normal(json.dumps(answer).encode()))
            if answer.get("id") == id and "method" not in answer:
                break
        if id == 1:
            process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    process.stdin.close()
    process.terminate()
    await process.wait()
    return found


LATER = ("notifications/tools/list_changed", "notifications/resources/list_changed", "notifications/message")
"""What a server says when it pleases, on whichever stream there is."""
ENV = {"NO_COLOR": "1"}


def requests(calls: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """What a server on stdio is asked."""
    asked = [("tools/call", {"name": n, "arguments": a, "_meta": {"progressToken": 1}}) for n, a in calls]
    return [("tools/list", {}), *asked, ("no/such/method", {})]


@pytest.mark.parametrize("name", CHILDREN)
def test_a_server_on_stdio_says_over_http_what_it_says_on_stdio(tmp_path: Path, name: str) -> None:
    command, calls = CHILDREN[name]

    async def script(agent: Agent, noted: Noted) -> None:
        agent_offer = {"protocolVersion": LEGACY, "capabilities": {}}
        answer = await agent.ask("initialize", **agent_offer, clientInfo={"name": "test", "version": "1"})
        agent.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        answers = [answer]
        agent.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (await agent.answer()).status == 202
        for method, params in requests(calls):
            answers.append(await agent.ask(method, **params))
            assert answers[-1].status == 200
        for answer in answers:
            for message in answer.messages:
                if message.get("method") not in LATER:
                    noted.frame(message)

    with gate_before(tmp_path, {"command": command, "env": ENV}) as url:
        gated = played(script, url, LEGACY)
    direct: list[Any] = []

    async def main() -> None:
        direct.extend(await spoken(command, calls))

    on_loop(main)
    # A method that no version of the protocol knows does not reach the server.
    refused, known = gated.pop(), direct.pop()
    assert refused["error"]["code"] == known["error"]["code"] == -32601
    assert gated == direct
