"""Thousands of streams, sessions, callers and children: they all get what one gets, and nothing of them stays."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.serve_checks import baseline, every_call_is_recorded, footprint, settles_to
from tests.support.serve_process import ServeProcess

from callgate.auth.apikeys import new_key

PUPPET = Path(__file__).parents[1] / "upstream" / "puppet_server.py"
SCALE = int(os.environ.get("CALLGATE_TEST_SCALE", "1"))
"""Multiplies what is smaller here than it could be."""
STREAMS, SESSIONS, KEYS, CALLERS = 1_000, 10_000, 10_000, 10_000
CHILD_SESSIONS, CHILDREN = 50 * min(SCALE, 4), 20
CONNECTIONS = 20
MB = 1 << 20
ONE_EACH = "default: allow\ntools: {echo: {rules: [{rate_limit: {max: 1, window: 1h, scope: SCOPE}}]}}\n"


def in_turns(count: int, work: Callable[[Agent, int], Awaitable[None]], make: Callable[[], Agent]) -> None:
    """Do `work` for every number below `count`, spread over a few connections."""

    async def share(first: int) -> None:
        async with make() as agent:
            for number in range(first, count, CONNECTIONS):
                await work(agent, number)

    async def main() -> None:
        await asyncio.gather(*map(share, range(CONNECTIONS)))

    on_loop(main)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_a_thousand_streams_at_once_all_hear_and_leave_nothing_behind(tmp_path: Path, version: str) -> None:
    servers, settings = {}, {"state": "memory://"}
    with LeanServer() as lean:
        servers["srv"] = {"url": lean.url}
        with ServeProcess(tmp_path, servers, settings=settings) as gate:

            async def streams(count: int) -> None:
                agents = [Agent(gate.port, version=version) for _ in range(count)]

                async def begin(agent: Agent) -> None:
                    await agent.connect()
                    if version == LEGACY:
                        await agent.initialize()
                    await agent.listen()

                for first in range(0, count, 100):
                    await asyncio.gather(*map(begin, agents[first : first + 100]))
                await asyncio.to_thread(lean.wait, "open", count)
                assert gate_levels(gate) == count
                lean.announce()
                heard = 0
                for agent in agents:
                    while (await agent.event())["method"] != "notifications/message":
                        continue
                    heard += 1
                assert heard == count
                for number, agent in enumerate(agents):
                    (agent.reset if number % 2 else agent.close)()

            on_loop(lambda: streams(50))
            before = baseline(gate.process.pid, gate.port)
            on_loop(lambda: streams(STREAMS))
            lean.wait("gone", 50 + STREAMS)
            settles_to(gate.process.pid, before, memory=24 * MB)
            assert gate_levels(gate) == 0
            once = footprint(gate.process.pid)
            on_loop(lambda: streams(STREAMS))
            lean.wait("gone", 50 + 2 * STREAMS)
            # What the first thousand needed is what the second use again.
            settles_to(gate.process.pid, once, memory=4 * MB)
            assert gate.stop() == 0


def gate_levels(gate: ServeProcess) -> float:
    """How many streams the gate says that it has."""
    return gate.metric("callgate_streams")


def test_ten_thousand_sessions_cost_no_memory_and_each_has_limits_of_its_own(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    settings = {"state": "memory://", "audit": str(audit), "audit_sync": "none"}
    policies = {"one.yaml": ONE_EACH.replace("SCOPE", "session")}
    with LeanServer() as lean:
        servers = {"srv": {"url": lean.url, "policy": "one.yaml"}}
        with ServeProcess(tmp_path / "gate", servers, settings=settings, policies=policies) as gate:
            called = 0

            async def session(agent: Agent, number: int) -> None:
                nonlocal called
                agent.headers.clear()
                await agent.initialize()
                if number % 10 == 0:
                    called += 1
                    assert (await agent.call("echo", text="x")).denied is None
                    assert (await agent.call("echo", text="x")).denied == "DEN020"

            in_turns(500, session, lambda: Agent(gate.port))
            before = baseline(gate.process.pid, gate.port)
            in_turns(SESSIONS, session, lambda: Agent(gate.port))
            assert lean.counts()["sessions"] == SESSIONS + 500
            settles_to(gate.process.pid, before, memory=16 * MB)
            assert gate.stop() == 0
        assert every_call_is_recorded(audit, called) == {"ok": called}


def test_ten_thousand_callers_without_sessions_have_limits_of_their_own(tmp_path: Path) -> None:
    settings = {"state": "memory://", "sessions": {"key_header": "X-Agent-Id"}}
    policies = {"one.yaml": ONE_EACH.replace("SCOPE", "session")}
    with LeanServer() as lean:
        servers = {"srv": {"url": lean.url, "policy": "one.yaml"}}
        with ServeProcess(tmp_path, servers, settings=settings, policies=policies) as gate:
            admitted = 0

            async def caller(agent: Agent, number: int) -> None:
                nonlocal admitted
                agent.headers = {"x-agent-id": f"agent-{number}"}
                answer = await agent.call("echo", text="x")
                admitted += answer.denied is None
                if number % 10 == 0:
                    assert (await agent.call("echo", text="x")).denied == "DEN020"

            before = baseline(gate.process.pid, gate.port)
            in_turns(CALLERS, caller, lambda: Agent(gate.port, version=MODERN))
            assert admitted == CALLERS == lean.counts()["ran"]
            # 10,000 counters have to be kept for an hour.
            settles_to(gate.process.pid, before, memory=CALLERS * 3_000)
            assert gate.stop() == 0


def test_ten_thousand_keys_each_let_one_caller_in(tmp_path: Path) -> None:
    keys = [new_key() for _ in range(KEYS)]
    lines = [
        f"- {{id: {id}, sha256: {digest}, identity: u{number}}}"
        for number, (_, id, digest) in enumerate(keys)
    ]
    (tmp_path / "keys.yaml").write_text("\n".join(["keys:", *lines]))
    (tmp_path / "keys.yaml").chmod(0o600)
    audit = tmp_path / "audit.jsonl"
    settings = {
        "state": "memory://",
        "audit": str(audit),
        "audit_sync": "none",
        "auth": {"keys": str(tmp_path / "keys.yaml")},
    }
    policies = {"one.yaml": ONE_EACH.replace("SCOPE", "identity")}
    with LeanServer() as lean:
        servers = {"srv": {"url": lean.url, "policy": "one.yaml"}}
        with ServeProcess(tmp_path / "gate", servers, settings=settings, policies=policies) as gate:

            async def caller(agent: Agent, number: int) -> None:
                key = keys[number][0]
                agent.headers = {"authorization": f"Bearer {key}"}
                assert (await agent.call("echo", text="x")).denied is None
                if number % 10:
                    return
                assert (await agent.call("echo", text="x")).denied == "DEN020"
                wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
                agent.headers = {"authorization": f"Bearer {wrong}"}
                assert (await agent.call("echo", text="x")).status == 401

            in_turns(KEYS, caller, lambda: Agent(gate.port, version=MODERN))
            assert lean.counts()["ran"] == KEYS
            assert gate.stop() == 0
        assert every_call_is_recorded(audit, KEYS) == {"ok": KEYS}


def test_more_sessions_than_children_make_room_for_each_other_and_all_children_end(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    command = [sys.executable, "-I", "-S", str(PUPPET), "legacy"]
    settings = {"state": "memory://", "audit": str(audit), "audit_sync": "none"}
    servers = {"srv": {"command": command, "max_children": CHILDREN}}
    with ServeProcess(tmp_path / "gate", servers, settings=settings) as gate:
        busy = 0

        async def session(agent: Agent, number: int) -> None:
            nonlocal busy
            agent.headers.clear()
            answer = await agent.initialize()
            if answer.failed is not None:
                # Every child is in use, or is just ending: the client is told to come again.
                assert answer.failed == "UPS046"
                assert answer.headers["retry-after"] == "1"
                busy += 1
                return
            answer = await agent.call("who")
            if answer.status == 404:
                return
            assert answer.message["result"]["got"]["params"]["name"] == "who"

        before = baseline(gate.process.pid, gate.port)
        in_turns(CHILD_SESSIONS, session, lambda: Agent(gate.port))
        assert busy < CHILD_SESSIONS / 2
        assert 0 < gate.metric("callgate_children", server="srv") <= 2 * CHILDREN
        # An edit takes the server away, and with it every child.
        gate.write_config({"other": {"command": command}}, settings)
        settles_to(gate.process.pid, before)
        assert gate.stop() == 0
    every_call_is_recorded(audit, 1)
