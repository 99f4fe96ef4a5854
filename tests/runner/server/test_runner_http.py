"""The runner over HTTP: both eras, whose executions are whose, who is let in, and how it ends."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from memory_engine import MemoryEngine
from runner_programs import HttpRunner, content, http_runner
from server_calls import MODES, run, valid
from tests.support.raw_agent import RawAgent

from callgate.auth.apikeys import new_key
from callgate.config.model import ListenConfig
from callgate.errors import UsageError
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.over_http import serve_http

NOBODY = "7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd"


@pytest.fixture(scope="module")
def open_runner() -> Iterator[HttpRunner]:
    with http_runner() as found:
        yield found


class Keys:
    """A file of API keys; the keys by who has them."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.file = folder / "keys.yaml"
        self.keys = {}
        lines = ["keys:"]
        for name in names:
            self.keys[name], id, digest = new_key()
            lines.append(f'  - {{id: "{id}", sha256: "{digest}", identity: {name}}}')
        self.file.write_text("\n".join(lines) + "\n")
        self.file.chmod(0o600)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"), "ann", "bob", "gate")


@pytest.fixture(scope="module")
def closed_runner(keys: Keys) -> Iterator[HttpRunner]:
    with http_runner(str(keys.file), "key:gate", "https://runner.example") as found:
        yield found


def status(agent: RawAgent, uuid: str, *headers: tuple[str, str], modern: bool = False) -> str:
    """What the agent is told of an execution: its status, or the code of the refusal."""
    call = agent.modern_call if modern else agent.call
    told = content(call("checkCodeExecStatus", {"execution_uuid": uuid}, 1, *headers).frame)
    assert valid("checkCodeExecStatus", told)
    return str(told["refused"]["code"] if "refused" in told else told["status"])


def started(agent: RawAgent, *headers: tuple[str, str], modern: bool = False) -> str:
    call = agent.modern_call if modern else agent.call
    return str(content(call("asyncExecuteCode", {"script": "wait"}, 1, *headers).frame)["execution_uuid"])


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_starts_code_and_follows_it(open_runner: HttpRunner, mode: str) -> None:
    async def main() -> None:
        async with Client(open_runner.url, mode=mode) as client:
            result = await client.call_tool("executeCode", {"script": "return 5"})
            assert (result.structured_content or {})["results"] == {"value": "5"}
            result = await client.call_tool("asyncExecuteCode", {"script": "wait"})
            uuid = (result.structured_content or {})["execution_uuid"]
            result = await client.call_tool("cancelCodeExecution", {"execution_uuid": uuid})
            assert (result.structured_content or {})["status"] == "cancelled"

    run(main)


def test_without_authentication_each_session_has_its_own_executions(open_runner: HttpRunner) -> None:
    one, other, modern = (open_runner.agent() for _ in range(3))
    one.initialize()
    other.initialize()
    uuid = started(one)
    assert status(one, uuid) == "pending"
    assert status(other, uuid) == "RUN006"
    # A session's id means nothing in an era without sessions.
    for agent in (modern, one):
        headers = () if agent.session is None else (("Mcp-Session-Id", agent.session),)
        assert status(agent, uuid, *headers, modern=True) == "RUN006"
    listed = content(other.call("listCodeExecutions").frame)
    assert listed["executions"] == []
    assert len(content(one.call("listCodeExecutions").frame)["executions"]) == 1


def test_without_authentication_and_session_the_uuid_is_the_key(open_runner: HttpRunner) -> None:
    one, other = open_runner.agent(), open_runner.agent()
    uuid = started(one, modern=True)
    assert status(other, uuid, modern=True) == "pending"
    assert content(one.modern_call("listCodeExecutions").frame)["refused"]["code"] == "RUN008"
    other.initialize()
    assert status(other, uuid) == "RUN006"


@pytest.mark.parametrize("modern", [False, True])
def test_an_identity_sees_its_own_executions_in_every_session(
    closed_runner: HttpRunner, keys: Keys, modern: bool
) -> None:
    one, again, other = (closed_runner.agent(keys.keys[name]) for name in ("ann", "ann", "bob"))
    for agent in (one, again, other):
        agent.initialize()
    uuid = started(one, modern=modern)
    assert status(again, uuid, modern=not modern) == "pending"
    assert status(other, uuid, modern=modern) == "RUN006"
    assert status(one, NOBODY) == "RUN006"
    # A session is of whoever began it.
    thief = closed_runner.agent(keys.keys["bob"])
    thief.session = one.session
    assert thief.call("listCodeExecutions").status == 404


def test_a_trusted_gate_speaks_for_its_callers_and_nobody_else_does(
    closed_runner: HttpRunner, keys: Keys
) -> None:
    gate, ann, bob = (closed_runner.agent(keys.keys[name]) for name in ("gate", "ann", "bob"))
    for_ann, for_bob = ("Callgate-Identity", "key:ann"), ("Callgate-Identity", "key:bob")
    uuid = started(gate, for_ann, modern=True)
    assert status(gate, uuid, for_ann, modern=True) == "pending"
    assert status(gate, uuid, for_bob, modern=True) == "RUN006"
    assert status(gate, uuid, modern=True) == "RUN006"
    assert status(ann, uuid, modern=True) == "pending"
    # Gates percent-encode names.
    assert status(gate, uuid, ("Callgate-Identity", "key%3Aann"), modern=True) == "pending"
    for odd in ("key%3", "%zz", "key%FFann", "key%1Fann"):
        assert gate.modern("tools/list", {}, 1, ("Callgate-Identity", odd)).status == 400
    answer = bob.modern_call("checkCodeExecStatus", {"execution_uuid": uuid}, 1, for_ann)
    assert answer.status == 403
    assert b"RUN013" in answer.body
    answer = gate.modern_call("checkCodeExecStatus", {"execution_uuid": uuid}, 1, for_ann, for_bob)
    assert answer.status == 400


def test_behind_a_gate_that_asks_nobody_sessions_tell_callers_apart(
    closed_runner: HttpRunner, keys: Keys
) -> None:
    gate = closed_runner.agent(keys.keys["gate"])
    anonymous = ("Callgate-Identity", "anonymous")
    uuid = started(gate, anonymous, ("Callgate-Session", "one"), modern=True)
    assert status(gate, uuid, anonymous, ("Callgate-Session", "one"), modern=True) == "pending"
    assert status(gate, uuid, anonymous, ("Callgate-Session", "two"), modern=True) == "RUN006"


def test_who_has_no_key_learns_only_how_to_get_in(closed_runner: HttpRunner) -> None:
    answer = closed_runner.agent().modern("tools/list")
    assert answer.status == 401
    place = "https://runner.example/.well-known/oauth-protected-resource"
    assert answer.header("www-authenticate") == f'Bearer resource_metadata="{place}"'
    for path in ("", "/mcp"):
        page = RawAgent(closed_runner.port, f"/.well-known/oauth-protected-resource{path}")
        assert page.request("GET", ()).frame["resource"] == "https://runner.example"
    assert closed_runner.agent("cg_no_such_key").modern("tools/list").status == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Host", "evil.example")], 421),
        ([("Origin", "https://evil.example")], 403),
        ([("Origin", "null")], 403),
    ],
)
def test_pages_of_the_web_do_not_reach_it(
    open_runner: HttpRunner, headers: list[tuple[str, str]], expected: int
) -> None:
    assert open_runner.agent().modern("tools/list", {}, 1, *headers).status == expected
    assert open_runner.agent().request("OPTIONS", headers).status == expected


def test_it_says_that_it_lives_and_takes_no_body_without_end(open_runner: HttpRunner) -> None:
    health = RawAgent(open_runner.port, "/healthz")
    assert health.request("GET", [("Host", "probe.internal")]).body == b'{"status":"ok"}'
    assert RawAgent(open_runner.port, "/other").request("GET", ()).status == 404
    too_long = open_runner.agent().modern_call("executeCode", {"script": "x" * (17 << 20)})
    assert too_long.status == 413
    long = open_runner.agent().modern_call("executeCode", {"script": "x" * (2 << 20)})
    assert content(long.frame)["refused"]["code"] == "RUN004"


def test_a_client_that_goes_takes_its_execution_along(closed_runner: HttpRunner, keys: Keys) -> None:
    async def main() -> None:
        headers = {"Authorization": f"Bearer {keys.keys['gate']}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(closed_runner.url, http_client=http)) as client,
        ):
            await give_up_waiting(client)

    async def give_up_waiting(client: Client) -> None:
        call = asyncio.create_task(client.call_tool("executeCode", {"script": "wait", "name": "left"}))
        while (found := await listed(client)) is None:
            pass
        assert found["state"] == "queued"
        call.cancel()
        while found["state"] == "queued":
            found = await listed(client) or found
        assert found["state"] == "cancelled"

    async def listed(client: Client) -> dict[str, Any] | None:
        result = await client.call_tool("listCodeExecutions", {})
        executions = (result.structured_content or {})["executions"]
        return next((each for each in executions if each.get("name") == "left"), None)

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_told_to_end_it_lets_calls_under_way_end_first(keys: Keys, mode: str) -> None:
    with http_runner(str(keys.file)) as it:

        async def main() -> None:
            headers = {"Authorization": f"Bearer {keys.keys['ann']}"}
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(it.url, http_client=http), mode=mode) as client,
            ):
                call = asyncio.create_task(client.call_tool("executeCode", {"script": "linger"}))
                while not (await client.call_tool("listCodeExecutions", {})).structured_content["executions"]:
                    pass
                it.process.terminate()
                result = await call
                assert (result.structured_content or {})["status"] == "completed"

        # Such a client says good-bye to its session, which is over.
        run(main)
        assert it.end() == 0


def test_code_is_not_executed_for_anyone_who_can_reach_the_machine() -> None:
    async def main(listen: ListenConfig) -> None:
        await serve_http(MemoryEngine(), listen, None, ServerOptions(), stop=asyncio.Event())

    with pytest.raises(UsageError, match="anyone") as caught:
        asyncio.run(main(ListenConfig(host="0.0.0.0", port=0)))  # noqa: S104
    assert (caught.value.code, caught.value.exit_status) == ("RUN015", 2)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="port") as caught:
        asyncio.run(main(ListenConfig(port=taken.getsockname()[1])))
    assert caught.value.code == "RUN016"
