"""Frames on stdio and over HTTP: a child says to agents over HTTP what it says on stdio, and the other way about."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from played_both_ways import EVERYTHING, Noted, compact, gate_before, played, traffic
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.http_servers import sdk_server
from tests.support.real_traffic import ROOT, normal, npm_server, pypi_server
from tests.support.serve_checks import every_call_is_recorded

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
                found.append(normal(compact(answer)))
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


MODERN_SERVER = [sys.executable, "-W", "ignore", str(ROOT / "tests/support/modern_server.py")]
ABOUT = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}
MODERN_REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("server/discover", {}),
    ("tools/list", {}),
    ("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}),
    ("tools/call", {"name": "wait", "arguments": {"steps": 3}, "_meta": {"progressToken": "mine"}}),
    ("tools/call", {"name": "greet", "arguments": {"greeting": "hello"}}),
    ("tools/call", {"name": "add", "arguments": {"a": "no number"}}),
    ("tools/call", {"name": "no-such-tool", "arguments": {}}),
    ("resources/read", {"uri": "file:///nowhere"}),
    ("prompts/list", {}),
]


def test_a_modern_server_on_stdio_says_over_http_what_it_says_on_stdio(tmp_path: Path) -> None:
    async def script(agent: Agent, noted: Noted) -> None:
        for method, params in MODERN_REQUESTS:
            for message in (await agent.ask(method, **with_capabilities(params))).messages:
                noted.frame(message)

    with gate_before(tmp_path, {"command": MODERN_SERVER, "env": {"PYTHONPATH": str(ROOT)}}) as url:
        gated = played(script, url, MODERN)
    frames = [
        {"jsonrpc": "2.0", "id": id, "method": method, "params": with_capabilities(params)}
        for id, (method, params) in enumerate(MODERN_REQUESTS, 1)
    ]
    direct = over_pipes(MODERN_SERVER, frames)
    assert gated == direct
    assert "mine" in json.dumps(gated)


def with_capabilities(params: dict[str, Any]) -> dict[str, Any]:
    return {**params, "_meta": {**ABOUT, **params.get("_meta", {})}}


def over_pipes(command: list[str], frames: list[dict[str, Any]]) -> list[Any]:
    """What a program on stdio says to each of these requests, one after the other; notifications are just sent."""
    found = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        for frame in frames:
            process.stdin.write(json.dumps(frame).encode() + b"\n")
            process.stdin.flush()
            while "id" in frame:
                line = process.stdout.readline()
                assert line, "the program has ended"
                found.append(normal(line))
                if found[-1].get("id") == frame["id"]:
                    break
        process.stdin.close()
        process.stdout.read()
    return found


@pytest.mark.parametrize("version", [LEGACY, MODERN])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["sse", "json"])
def test_an_agent_on_stdio_gets_every_frame_of_a_server_over_http(
    tmp_path: Path, version: str, options: list[str]
) -> None:
    asked: list[dict[str, Any]] = []

    async def script(agent: Agent, noted: Noted) -> None:
        post = agent.post

        def note(message: Any, headers: dict[str, str] | None = None) -> None:
            asked.append(message)
            post(message, headers)

        agent.post = note  # type: ignore[method-assign]
        await traffic(agent, noted)

    (tmp_path / "policy.yaml").write_text("default: allow\n")
    with sdk_server(*options) as url:
        direct = [frame for frame in played(script, url, version) if isinstance(frame, dict)]
        gate = [sys.executable, "-m", "callgate", "run", "-c", str(tmp_path / "policy.yaml")]
        gate += ["--state", "memory://", "--audit", str(tmp_path / "audit.jsonl"), "--upstream", url]
        gated = over_pipes(gate, asked)
    assert gated == direct
    assert every_call_is_recorded(tmp_path / "audit.jsonl", 6).total() == 6
