"""Several gates as one: limits that all of them share, and sessions that move between them or end cleanly."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.nginx_proxy import NginxProxy
from tests.support.redis_server import RedisServer
from tests.support.serve_checks import every_call_is_recorded
from tests.support.serve_process import ServeProcess

GATES, KILLED, MAX = 10, 3, 100
SECRET = "s" * 48
SHARED = f"default: deny\ntools: {{echo: {{rules: [{{rate_limit: {{max: {MAX}, window: 24h, scope: global}}}}]}}}}\n"
IN_SESSION = "default: allow\ntools: {echo: {rules: [{rate_limit: {max: 5, window: 24h, scope: session}}]}}\n"


def started(
    folder: Path, count: int, lean: LeanServer, policy: str, settings: dict[str, Any], stack: ExitStack
) -> list[ServeProcess]:
    """As many gates of the same settings, each with an audit of its own."""
    found = []
    for number in range(count):
        gate = ServeProcess(
            folder / f"gate-{number}",
            {"srv": {"url": lean.url, "policy": "policy.yaml"}},
            settings={**settings, "audit": str(folder / f"audit-{number}.jsonl"), "audit_sync": "none"},
            policies={"policy.yaml": policy},
            wait=False,
        )
        found.append(stack.enter_context(gate))
    for gate in found:
        gate.wait_ready()
    return found


@pytest.mark.parametrize("kill", [False, True], ids=["all live", "some are killed"])
def test_ten_gates_on_one_redis_admit_exactly_the_maximum(tmp_path: Path, kill: bool) -> None:
    ran = tmp_path / "ran"
    with ExitStack() as stack:
        redis = RedisServer().start()
        stack.callback(redis.remove)
        lean = stack.enter_context(LeanServer(ran))
        gates = started(tmp_path, GATES, lean, SHARED, {"state": redis.url()}, stack)
        admitted = 0

        async def client(gate: ServeProcess, version: str) -> None:
            nonlocal admitted
            try:
                async with Agent(gate.port, version=version) as agent:
                    if version == LEGACY:
                        await agent.initialize()
                    while (answer := await agent.call("echo", token=1)).denied is None:
                        admitted += 1
                        if kill and admitted > MAX // 3:
                            for victim in gates[:KILLED]:
                                victim.process.kill()
                    assert answer.denied == "DEN020"
            except (asyncio.IncompleteReadError, ConnectionError):
                assert kill
                assert gate in gates[:KILLED]

        async def main() -> None:
            await asyncio.gather(*(client(gate, version) for gate in gates for version in (LEGACY, MODERN)))

        on_loop(main)
        executed = len(ran.read_text().splitlines())
        if not kill:
            assert executed == admitted == MAX
        # A killed gate may take the answers of what it had under way with it: two clients each.
        assert MAX - 2 * KILLED <= admitted <= executed <= MAX
        for gate in gates[KILLED if kill else 0 :]:
            assert gate.stop() == 0
        for gate in gates[: KILLED if kill else 0]:
            gate.kill()
        decided = 0
        for number in range(GATES):
            dead = kill and number < KILLED
            audit = tmp_path / f"audit-{number}.jsonl"
            decided += every_call_is_recorded(audit, 0, unfinished=None if dead else 0).total()
        assert executed <= decided <= MAX


def test_a_session_moves_between_gates_that_share_the_secret_and_takes_its_limits_along(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        redis = RedisServer().start()
        stack.callback(redis.remove)
        lean = stack.enter_context(LeanServer())
        (tmp_path / "secret").write_text(SECRET)
        settings = {"state": redis.url(), "sessions": {"secret": {"file": str(tmp_path / "secret")}}}
        gates = started(tmp_path, 2, lean, IN_SESSION, settings, stack)
        nginx = stack.enter_context(NginxProxy(tmp_path / "nginx", [gate.base for gate in gates]))

        async def main() -> None:
            async with Agent(nginx.port) as agent, Agent(nginx.port) as other:
                await agent.initialize()
                assert [(await agent.call("echo", text="x")).denied for _ in range(7)] == [
                    *[None] * 5,
                    *["DEN020"] * 2,
                ]
                await other.initialize()
                assert (await other.call("echo", text="x")).denied is None
                await agent.listen()
                await asyncio.to_thread(lean.wait, "open", 1)
                lean.announce()
                assert (await agent.event())["method"] == "notifications/message"

        on_loop(main)
        assert lean.counts()["ran"] == 6
        for gate in gates:
            assert gate.stop() == 0
        ends = [every_call_is_recorded(tmp_path / f"audit-{number}.jsonl", 0).total() for number in range(2)]
        # Both had a part of it.
        assert min(ends) >= 1
        assert sum(ends) == 6


def test_without_a_shared_secret_another_gate_knows_no_session(tmp_path: Path) -> None:
    with ExitStack() as stack:
        lean = stack.enter_context(LeanServer())
        first, second = started(tmp_path, 2, lean, IN_SESSION, {"state": "memory://"}, stack)

        async def raw() -> None:
            async with Agent(first.port) as agent, Agent(second.port) as moved:
                await agent.initialize()
                moved.headers = agent.headers
                answer = await moved.call("echo", text="x")
                assert (answer.status, answer.failed) == (404, "WIR077")
                assert lean.counts().get("ran", 0) == 0
                moved.headers = {}
                await moved.initialize()
                assert (await moved.call("echo", text="x")).denied is None

        on_loop(raw)
        for gate in (first, second):
            assert gate.stop() == 0


def test_the_official_client_hears_that_its_session_has_ended_and_can_begin_another(tmp_path: Path) -> None:
    """A gate without `sessions.secret` that is started again, as replicas are behind one address."""
    with LeanServer() as lean, ExitStack() as stack:
        servers, settings = {"srv": {"url": lean.url}}, {"state": "memory://"}
        gate = stack.enter_context(ServeProcess(tmp_path / "first", servers, settings=settings))
        url, port = gate.url("srv"), gate.port

        async def main() -> None:
            async with Client(url, mode="legacy", cache=None) as client:
                assert not (await client.call_tool("echo", {"text": "x"})).is_error
                await asyncio.to_thread(gate.kill)
                again = await asyncio.to_thread(
                    lambda: ServeProcess(tmp_path / "again", servers, settings=settings, port=port)
                )
                stack.enter_context(again)
                with pytest.raises(MCPError, match=r"[Ss]ession"):
                    await client.call_tool("echo", {"text": "x"})
            async with Client(url, mode="legacy", cache=None) as client:
                assert not (await client.call_tool("echo", {"text": "x"})).is_error

        asyncio.run(main())
        assert lean.counts()["ran"] == 2
