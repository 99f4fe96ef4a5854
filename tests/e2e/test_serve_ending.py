"""However `serve` ends: calls under way are finished or on record, nothing of it is left, and it says how it ended."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.serve_checks import (
    alive,
    descendants,
    every_call_is_recorded,
    outcomes,
    wait_until,
)
from tests.support.serve_process import ServeProcess

PUPPET = Path(__file__).parents[1] / "upstream" / "puppet_server.py"
ERAS = pytest.mark.parametrize("version", [LEGACY, MODERN])
CALLS = 20


def serve(folder: Path, lean: LeanServer, *options: str, **settings: Any) -> ServeProcess:
    children = {
        era: {"command": [sys.executable, "-I", "-S", str(PUPPET), era]} for era in ("legacy", "modern")
    }
    servers: dict[str, Any] = {"srv": {"url": lean.url}, **(children if "--workers" not in options else {})}
    shared = {"state": f"sqlite:{folder}/state.db", "audit": str(folder / "audit.jsonl"), **settings}
    return ServeProcess(folder / "gate", servers, *options, settings=shared)


async def begin(gate: ServeProcess, version: str, count: int, tool: str, server: str = "srv") -> list[Agent]:
    """As many agents that have called `tool`."""
    agents = [Agent(gate.port, server, version=version) for _ in range(count)]
    for number, agent in enumerate(agents):
        await agent.connect()
        if version == LEGACY:
            await agent.initialize()
        agent.send("tools/call", name=tool, arguments={"token": number})
    return agents


async def hold(gate: ServeProcess, lean: LeanServer) -> None:
    """Calls of both eras under way, at the server and at children, and streams."""
    await begin(gate, LEGACY, CALLS, "hold")
    await begin(gate, MODERN, CALLS, "mute")
    for version, server in ((LEGACY, "legacy"), (MODERN, "modern")):
        for agent in await begin(gate, version, 2, "who", server):
            answer = await agent.answer()
            assert "pid" in answer.message["result"], answer
            agent.send("tools/call", name="hold", arguments={})
    for version in (LEGACY, MODERN):
        async with Agent(gate.port, version=version) as agent:
            await agent.listen()
    await asyncio.to_thread(lean.wait, "held", 2 * CALLS)


def all_gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(alive, pids)), "a process is left")


@pytest.mark.parametrize("way", ["SIGKILL", "SIGTERM twice"])
def test_a_gate_that_is_killed_leaves_no_child_and_every_call_that_ran_was_decided(
    tmp_path: Path, way: str
) -> None:
    ran = tmp_path / "ran"
    with LeanServer(ran) as lean, serve(tmp_path, lean) as gate:
        below: list[int] = []

        async def main() -> None:
            await hold(gate, lean)
            below.extend(descendants(gate.process.pid))
            if way == "SIGKILL":
                gate.kill()
                return
            gate.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(gate.wait_for_line, lambda line: "calls under way" in line)
            gate.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(gate.wait)

        on_loop(main)
        assert len(below) >= 4
        all_gone(below)
        assert gate.process.returncode == (-signal.SIGKILL if way == "SIGKILL" else 0)
        executed = len(ran.read_text().splitlines())
        assert executed == 2 * CALLS
        # A killed gate can record nothing; one that is told to end twice still does.
        held = outcomes(tmp_path / "audit.jsonl")["(none)"]
        assert held <= (2 * CALLS + 4 if way == "SIGKILL" else 0)
        every_call_is_recorded(tmp_path / "audit.jsonl", executed, unfinished=held)
        # The next gate goes on with the same files.
        with serve(tmp_path, lean) as again:

            async def ask() -> None:
                async with Agent(again.port, version=MODERN) as agent:
                    assert (await agent.call("echo", text="x")).denied is None

            on_loop(ask)
            assert again.stop() == 0
        every_call_is_recorded(tmp_path / "audit.jsonl", executed + 1, unfinished=held)


@ERAS
def test_a_gate_that_is_told_to_end_finishes_calls_refuses_new_ones_and_ends_streams(
    tmp_path: Path, version: str
) -> None:
    with LeanServer(tmp_path / "ran") as lean, serve(tmp_path, lean) as gate:

        async def main() -> None:
            async with (
                Agent(gate.port, version=version) as listening,
                Agent(gate.port, version=version) as idle,
            ):
                if version == LEGACY:
                    await listening.initialize()
                await listening.listen()
                if version == MODERN:
                    assert (await listening.event())["method"] == "notifications/subscriptions/acknowledged"
                calling = await begin(gate, version, CALLS, "hold")
                calling += await begin(gate, version, CALLS, "mute")
                await asyncio.to_thread(lean.wait, "held", 2 * CALLS)
                gate.process.send_signal(signal.SIGTERM)
                assert await listening.ended()
                assert await idle.ended()
                with pytest.raises(OSError, match=r"refused|Connect call failed|reset"):
                    await Agent(gate.port).connect()
                assert gate.process.poll() is None
                lean.release()
                for agent in calling:
                    answer = await agent.answer()
                    assert answer.message["result"]["content"][0]["text"] == "released"
                    # Nothing follows on this connection.
                    assert await agent.ended()

        on_loop(main)
        assert gate.wait() == 0
    assert every_call_is_recorded(tmp_path / "audit.jsonl", 2 * CALLS) == {"ok": 2 * CALLS}


@ERAS
def test_what_takes_longer_than_the_drain_is_ended_and_recorded_as_unknown(
    tmp_path: Path, version: str
) -> None:
    with LeanServer(tmp_path / "ran") as lean, serve(tmp_path, lean, drain="1s") as gate:

        async def main() -> None:
            calling = await begin(gate, version, CALLS, "hold")
            calling += await begin(gate, version, CALLS, "mute")
            await asyncio.to_thread(lean.wait, "held", 2 * CALLS)
            gate.process.send_signal(signal.SIGTERM)
            for agent in calling:
                await agent.reader.read()

        on_loop(main)
        assert gate.wait() == 0
        assert f"had not ended: {2 * CALLS}" in gate.stderr
        assert "UPS023" not in gate.stderr, "the server is blamed for what the gate has ended"
    every_call_is_recorded(tmp_path / "audit.jsonl", 2 * CALLS)


def test_a_child_in_mid_call_is_ended_with_the_drain_and_the_call_is_recorded(tmp_path: Path) -> None:
    with LeanServer() as lean, serve(tmp_path, lean, drain="0.5s") as gate:

        async def main() -> None:
            await hold(gate, lean)
            below = descendants(gate.process.pid)
            gate.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(gate.wait)
            await asyncio.to_thread(all_gone, below)

        on_loop(main)
        assert gate.process.returncode == 0
    every_call_is_recorded(tmp_path / "audit.jsonl", 2 * CALLS)


def test_of_two_workers_one_is_killed_the_other_goes_on_and_a_new_one_starts(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with LeanServer(ran) as lean, serve(tmp_path, lean, "--workers", "2") as gate:
        made: dict[int, Agent] = {}

        async def spread() -> None:
            """Agents until both workers have one with a call under way."""
            while len(made) < 2:
                agent = Agent(gate.port)
                await agent.connect()
                await agent.initialize()
                _, port = agent.writer.get_extra_info("sockname")
                made.setdefault(holder(gate, port), agent)

        async def main() -> None:
            await spread()
            (dead, lost), (_, kept) = made.items()
            for agent in (lost, kept):
                agent.send("tools/call", name="hold", arguments={"token": 1})
            await asyncio.to_thread(lean.wait, "held", 2)
            os.kill(dead, signal.SIGKILL)
            await lost.reader.read()
            lean.release()
            assert (await kept.answer()).message["result"]["content"]
            await asyncio.to_thread(
                wait_until, lambda: len(set(descendants(gate.process.pid)) - {dead}) == 2, "no new worker"
            )
            # The session of the lost one goes on at whichever worker takes it.
            for _ in range(8):
                async with Agent(gate.port) as again:
                    again.headers = lost.headers
                    assert (await again.call("echo", text="x", token=1)).denied is None

        on_loop(main)
        gate.wait_for_line(
            lambda line: re.search(r"worker [01] ended: signal 9; started again", line) is not None
        )
        assert gate.stop() == 0
        assert not descendants(gate.process.pid)
        assert gate.stderr.count("listening on") == 1
        executed = len(ran.read_text().splitlines())
        assert executed == 10
    every_call_is_recorded(tmp_path / "audit.jsonl", executed, unfinished=1)


def test_a_gate_that_is_told_to_end_while_its_workers_start_ends_with_all_of_them(tmp_path: Path) -> None:
    with LeanServer() as lean:
        for started in range(1, 5):
            options = {"workers": 4, "state": f"sqlite:{tmp_path}/state.db"}
            folder = tmp_path / str(started)
            with ServeProcess(folder, {"srv": {"url": lean.url}}, settings=options, wait=False) as gate:
                seen: set[int] = set()

                def enough(gate: ServeProcess = gate, seen: set[int] = seen, wanted: int = started) -> bool:
                    seen.update(descendants(gate.process.pid))
                    return len(seen) >= wanted

                wait_until(enough, "no worker starts")
                gate.stop()
                all_gone(list(seen))


def holder(gate: ServeProcess, port: int) -> int:
    """The process of the gate that holds the other end of a connection from `port`."""
    ends = f":{gate.port:04X}", f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = [row[9] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
    for pid in descendants(gate.process.pid):
        folder = f"/proc/{pid}/fd"
        if any(os.readlink(f"{folder}/{fd}") == f"socket:[{inode}]" for fd in os.listdir(folder)):
            return pid
    raise AssertionError("no process holds the connection")
