"""Servers behind `serve` that die, stall and come back: clear errors at once, every call with its end, nothing kept."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.free_port import free_port
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.serve_checks import (
    baseline,
    descendants,
    every_call_is_recorded,
    settles_to,
    wait_until,
)
from tests.support.serve_process import ServeProcess

PUPPET = Path(__file__).parents[1] / "upstream" / "puppet_server.py"
LIMITED = "default: allow\ntools: {'*': {rules: [{rate_limit: {max: 1000, window: 1h, scope: global}}]}}\n"
ERAS = pytest.mark.parametrize("version", [LEGACY, MODERN])


def serve(folder: Path, server: dict[str, Any], **settings: Any) -> ServeProcess:
    return ServeProcess(
        folder / "gate",
        {"srv": {**server, "policy": "limited.yaml"}},
        settings={"state": "memory://", "audit": str(folder / "audit.jsonl"), **settings},
        policies={"limited.yaml": LIMITED},
    )


def puppet(era: str) -> dict[str, Any]:
    return {"command": [sys.executable, "-I", "-S", str(PUPPET), "modern" if era == MODERN else "legacy"]}


@ERAS
def test_a_server_killed_in_mid_stream_ends_every_call_with_an_error(tmp_path: Path, version: str) -> None:
    with LeanServer(tmp_path / "ran") as lean, serve(tmp_path, {"url": lean.url}) as gate:

        async def main() -> None:
            agents = [Agent(gate.port, version=version) for _ in range(20)]
            for number, agent in enumerate(agents):
                await agent.connect()
                if version == LEGACY:
                    await agent.initialize()
                agent.send("tools/call", name="hold" if number % 2 else "mute", arguments={"token": number})
            await asyncio.to_thread(lean.wait, "held", len(agents))
            lean.kill()
            for agent in agents:
                answer = await agent.answer()
                assert answer.failed == "UPS023", answer
                # The connection goes on, and says at once that the server is not there.
                assert (await agent.call("echo")).failed in ("UPS020", "UPS023")
                agent.close()

        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        settles_to(gate.process.pid, before)
        assert gate.stop() == 0
    found = every_call_is_recorded(tmp_path / "audit.jsonl", 20)
    assert found["unknown"] >= 20
    assert found["not_forwarded"] >= 10


def test_a_session_goes_on_at_a_server_that_is_there_again_with_a_clean_end(tmp_path: Path) -> None:
    """What the restarted server does not know is 404, as it would be without the gate: agents begin anew."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    with serve(tmp_path, {"url": url}) as gate, LeanServer(port=port) as first:

        async def main() -> None:
            async with Agent(gate.port) as agent:
                await agent.initialize()
                assert (await agent.call("echo", text="1")).message["result"]
                first.kill()
                with LeanServer(port=port):
                    assert (await agent.call("echo", text="2")).status == 404
                    agent.headers.clear()
                    await agent.initialize()
                    assert (await agent.call("echo", text="3")).message["result"]

        on_loop(main)
        assert gate.stop() == 0
    every_call_is_recorded(tmp_path / "audit.jsonl", 2)


@ERAS
def test_a_stalled_server_is_given_up_after_its_time_and_used_again_when_it_goes_on(
    tmp_path: Path, version: str
) -> None:
    server = {"timeout": "1s", "stream_timeout": "1s"}
    with LeanServer(tmp_path / "ran") as lean, serve(tmp_path, {"url": lean.url, **server}) as gate:

        async def main() -> None:
            streaming, plain = Agent(gate.port, version=version), Agent(gate.port, version=version)
            for agent in (streaming, plain):
                await agent.connect()
                if version == LEGACY:
                    await agent.initialize()
            await streaming.open("tools/call", name="hold", arguments={})
            assert (await streaming.event())["method"] == "notifications/progress"
            lean.stall()
            answer = await plain.call("echo", text="x")
            assert answer.failed == "UPS022"
            assert answer.status == (504 if version == MODERN else 200)
            assert (await streaming.rest())[-1]["error"]["data"]["code"] == "UPS022"
            lean.go_on()
            for agent in (streaming, plain):
                assert (await agent.call("echo", text="x")).message["result"]["content"]
                agent.close()

        on_loop(main)
        assert gate.stop() == 0
    assert every_call_is_recorded(tmp_path / "audit.jsonl", 3) == {"unknown": 2, "ok": 2}


@ERAS
def test_a_killed_child_ends_its_calls_and_its_session_and_the_next_gets_another(
    tmp_path: Path, version: str
) -> None:
    with serve(tmp_path, puppet(version)) as gate:

        async def main() -> None:
            agents = [Agent(gate.port, version=version) for _ in range(2)]
            for agent in agents:
                await agent.connect()
                if version == LEGACY:
                    await agent.initialize()
                pid = (await agent.call("who")).message["result"]["pid"]
                meta = {"progressToken": agent.id + 1}
                lines = [
                    '{"jsonrpc":"2.0","method":"notifications/progress",'
                    '"params":{"progressToken":@TOKEN@,"progress":1}}'
                ]
                await agent.open("tools/call", name="say", arguments={"lines": lines}, _meta=meta)
                assert (await agent.event())["params"]["progressToken"] == meta["progressToken"]
                os.kill(pid, signal.SIGKILL)
                assert (await agent.rest())[-1]["error"]["data"]["code"] == "UPS041"
                if version == LEGACY:
                    assert (await agent.call("who")).status == 404
                    agent.headers.clear()
                    await agent.initialize()
                answer = await agent.call("who")
                assert answer.message.get("result", {}).get("pid", pid) != pid, answer
                agent.close()

        on_loop(main)
        assert gate.stop() == 0
        assert not descendants(gate.process.pid)
    every_call_is_recorded(tmp_path / "audit.jsonl", 4)


@ERAS
def test_a_stopped_child_is_given_up_after_its_time(tmp_path: Path, version: str) -> None:
    with serve(tmp_path, {**puppet(version), "timeout": "1s"}) as gate:

        async def main() -> None:
            async with Agent(gate.port, version=version) as agent:
                if version == LEGACY:
                    await agent.initialize()
                pid = (await agent.call("who")).message["result"]["pid"]
                os.kill(pid, signal.SIGSTOP)
                assert (await agent.call("who")).failed == "UPS042"
                os.kill(pid, signal.SIGCONT)
                # The late answer of the first is nobody's.
                answer = await agent.call("who", second=True)
                assert answer.message["result"]["got"]["params"]["arguments"] == {"second": True}
                os.kill(pid, signal.SIGSTOP)

        on_loop(main)
        # A stopped child cannot keep the gate from ending, nor outlive it.
        below = descendants(gate.process.pid)
        assert gate.stop() == 0
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "a child is left")
    assert every_call_is_recorded(tmp_path / "audit.jsonl", 2) == {"ok": 2, "unknown": 1}


def test_a_server_hears_that_a_call_was_given_up(tmp_path: Path) -> None:
    with LeanServer() as lean, serve(tmp_path, {"url": lean.url, "timeout": "0.5s"}) as gate:

        async def main() -> None:
            async with Agent(gate.port, version=MODERN) as agent:
                for _ in range(3):
                    assert (await agent.call("mute")).failed == "UPS022"
                assert (await agent.call("echo", text="mine")).message["result"]["content"][0][
                    "text"
                ] == "mine"

        on_loop(main)
        lean.wait("gone", 3)
        assert gate.stop() == 0
    assert every_call_is_recorded(tmp_path / "audit.jsonl", 4) == {"unknown": 3, "ok": 1}
