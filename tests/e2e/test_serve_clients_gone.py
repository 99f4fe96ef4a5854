"""Clients that vanish in every way: the modern era cancels, before it the call goes on; the end is on record."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.serve_checks import baseline, every_call_is_recorded, outcomes, settles_to, wait_until
from tests.support.serve_process import ServeProcess

WAYS = ("reset", "close", "half-close")
CALLS = [(way, tool) for way in WAYS for tool in ("hold", "mute")] * 4


def serve(folder: Path, lean: LeanServer, **settings: Any) -> ServeProcess:
    shared = {"state": "memory://", "audit": str(folder / "audit.jsonl"), **settings}
    return ServeProcess(folder / "gate", {"srv": {"url": lean.url}}, settings=shared)


def vanish(agent: Agent, way: str) -> None:
    """Go away in mid-answer: RST, FIN of both sides, FIN of one."""
    if way == "half-close":
        agent.writer.write_eof()
        return
    if way == "reset":
        sock: Any = agent.writer.get_extra_info("socket")
        own = socket.socket(fileno=socket.dup(sock.fileno()))
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        own.close()
    agent.reset()


def test_the_server_sees_that_a_modern_client_has_gone(tmp_path: Path) -> None:
    with LeanServer() as lean, serve(tmp_path, lean) as gate:

        async def main() -> None:
            agents = [Agent(gate.port, version=MODERN) for _ in CALLS]
            for agent, (_, tool) in zip(agents, CALLS, strict=True):
                await agent.connect()
                agent.send("tools/call", name=tool, arguments={})
            await asyncio.to_thread(lean.wait, "held", len(CALLS))
            for agent, (way, _) in zip(agents, CALLS, strict=True):
                vanish(agent, way)
            await asyncio.to_thread(lean.wait, "gone", len(CALLS))

        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        settles_to(gate.process.pid, before)
        assert gate.stop() == 0
    assert every_call_is_recorded(tmp_path / "audit.jsonl", len(CALLS)) == {"cancelled": len(CALLS)}


def test_the_call_of_a_legacy_client_goes_on_without_it_and_its_end_is_recorded(tmp_path: Path) -> None:
    with LeanServer() as lean, serve(tmp_path, lean) as gate:

        async def main() -> None:
            agents = [Agent(gate.port) for _ in CALLS]
            for agent, (_, tool) in zip(agents, CALLS, strict=True):
                await agent.connect()
                await agent.initialize()
                agent.send("tools/call", name=tool, arguments={})
            await asyncio.to_thread(lean.wait, "held", len(CALLS))
            for agent, (way, _) in zip(agents, CALLS, strict=True):
                vanish(agent, way)

        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        wait_until(lambda: gate.metric("callgate_connections") <= 1, "clients are not seen to have gone")
        assert lean.counts().get("gone", 0) == 0
        assert outcomes(tmp_path / "audit.jsonl") == {"(none)": len(CALLS)}
        lean.release()
        wait_until(
            lambda: outcomes(tmp_path / "audit.jsonl") == {"ok": len(CALLS)}, "the ends are not recorded"
        )
        settles_to(gate.process.pid, before)
        assert gate.stop() == 0
    assert every_call_is_recorded(tmp_path / "audit.jsonl", len(CALLS)) == {"ok": len(CALLS)}


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_stream_that_nobody_hears_any_more_ends_at_the_server_too(tmp_path: Path, version: str) -> None:
    with LeanServer() as lean, serve(tmp_path, lean) as gate:

        async def main() -> None:
            for number in range(20):
                agent = Agent(gate.port, version=version)
                await agent.connect()
                if version == LEGACY:
                    await agent.initialize()
                await agent.listen()
                await asyncio.to_thread(lean.wait, "open", 1)
                vanish(agent, WAYS[number % 3])
            await asyncio.to_thread(lean.wait, "gone", 20)

        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        settles_to(gate.process.pid, before)
        assert gate.metric("callgate_streams") == 0
        assert gate.stop() == 0


def test_clients_that_fall_silent_anywhere_are_let_go(tmp_path: Path) -> None:
    limits = {"head_timeout": "1s", "body_timeout": "1s", "idle_timeout": "1s", "write_timeout": "1s"}
    with LeanServer() as lean, serve(tmp_path, lean, listen={"limits": limits}) as gate:

        async def main() -> None:
            silent = [Agent(gate.port, version=MODERN) for _ in range(40)]
            for number, agent in enumerate(silent):
                await agent.connect()
                if number % 4 == 1:
                    agent.writer.write(b"POST /srv/mcp HT")
                elif number % 4 == 2:
                    agent.writer.write(
                        b"POST /srv/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                        b'Content-Length: 100\r\n\r\n{"jsonrpc"'
                    )
                elif number % 4 == 3:
                    # Asks for more than buffers hold, and reads nothing of it.
                    agent.writer.transport.pause_reading()  # type: ignore[attr-defined]
                    agent.send("tools/call", name="big", arguments={"size": 16 << 20})
            closed = [agent for number, agent in enumerate(silent) if number % 4 != 3]
            for agent in closed:
                await agent.reader.read()

        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        # Memory that was needed once is kept for the next time.
        settles_to(gate.process.pid, before, memory=1 << 30)
        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        settles_to(gate.process.pid, before, memory=64 << 20)
        assert gate.stop() == 0
    every_call_is_recorded(tmp_path / "audit.jsonl", 20)
