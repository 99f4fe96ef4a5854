"""The SDK's clients before a whole runner: both eras, stdio and HTTP, tasks, and whose executions are whose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_runner import (
    ERAS,
    NOBODY,
    Home,
    Key,
    Program,
    key_file,
    keys,
    over_http,
    over_stdio,
    run,
)
from tests.support.raw_agent import META, RawAgent

TASKS = "io.modelcontextprotocol/tasks"
KNOWS = {**META, "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}}}


def test_agents_are_told_which_hosts_scripts_reach(tmp_path: Path) -> None:
    async def main() -> None:
        for hosts, told in (
            ([], "There is no network"),
            (["a.example:443"], "reach a.example:443 and nothing"),
        ):
            home = Home(tmp_path / str(len(hosts)), {}, {"network": hosts})
            async with over_stdio(home, home.runner()) as agent:
                (execute, *_) = (await agent.client.list_tools()).tools
            assert told in (execute.description or "")

    run(main)


class Serving:
    """A runner over HTTP for Ann and Bob."""

    def __init__(self, folder: Path) -> None:
        self.keys: dict[str, Key] = keys("ann", "bob")
        folder.mkdir()
        self.home = Home(folder, {}, settings={"auth": {"keys": key_file(folder, self.keys)}})
        self.program = Program(self.home, self.home.runner("--http", "127.0.0.1:0"))

    async def url(self) -> str:
        return await self.program.url()

    async def raw(self, name: str) -> RawAgent:
        """An agent whose bytes are in the test's hands."""
        port = int((await self.url()).rpartition(":")[2].partition("/")[0])
        return RawAgent(port, "/mcp", self.keys[name].key)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("clients") / "home")
    with serving.program:
        yield serving


async def _work(agent: Any) -> None:
    """What agents do, as in either era over either transport."""
    assert {tool.name for tool in (await agent.client.list_tools()).tools} == {
        "executeCode",
        "asyncExecuteCode",
        "checkCodeExecStatus",
        "cancelCodeExecution",
        "listCodeExecutions",
        "searchTools",
        "getToolDetails",
    }
    assert await agent.completed("n = 6 * 7", output_vars={"n": "int"}) == {"n": 42}
    end = await agent.ended(await agent.started("print('here')"))
    assert (end["status"], end["output"]["stdout"]) == ("completed", "here\n")
    told = await agent.executed("def f():\n    return 1 / 0\nf()")
    assert [line["line"] for line in told["error"]["traceback"]] == [3, 2]
    told = await agent.executed("async def f(): pass")
    assert told["refused"]["line"] == 1
    uuid = await agent.started("import time\ntime.sleep(600)")
    assert (await agent.told("cancelCodeExecution", execution_uuid=uuid))["execution_uuid"] == uuid
    assert (await agent.ended(uuid))["status"] == "cancelled"


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_of_either_era_works_over_stdio(tmp_path: Path, mode: str) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        async with over_stdio(home, home.runner(), mode) as agent:
            await _work(agent)

    run(main)


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_of_either_era_works_over_http(serving: Serving, mode: str) -> None:
    async def main() -> None:
        async with over_http(await serving.url(), serving.keys["ann"].key, mode) as agent:
            await _work(agent)

    run(main)


def test_code_is_a_task_for_who_knows_tasks_and_a_uuid_for_everybody_else(serving: Serving) -> None:
    async def main() -> None:
        raw = await serving.raw("ann")

        def ask(method: str, **params: Any) -> dict[str, Any]:
            named = str(params.get("taskId") or params["name"])
            frame = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": KNOWS}}
            headers = (("Mcp-Method", method), ("Mcp-Name", named))
            found: dict[str, Any] = raw.post(frame, *headers, version="2026-07-28").frame
            return found

        def begin(script: str) -> str:
            arguments = {"script": script, "output_vars": {"n": "int"}}
            task = ask("tools/call", name="asyncExecuteCode", arguments=arguments)["result"]
            assert (task["resultType"], task["status"]) == ("task", "working")
            return str(task["taskId"])

        task_id = begin("n = 5")
        async with over_http(await serving.url(), serving.keys["ann"].key) as plain:
            # The same execution, seen by a client that knows nothing of tasks.
            assert (await plain.ended(task_id))["results"] == {"n": 5}
            assert await plain.started("print(1)") != task_id
        done = ask("tasks/get", taskId=task_id)["result"]
        assert done["status"] == "completed"
        assert done["result"]["structuredContent"]["results"] == {"n": 5}
        endless = begin("import time\ntime.sleep(600)\nn = 1")
        assert ask("tasks/get", taskId=endless)["result"]["status"] == "working"
        assert "result" in ask("tasks/cancel", taskId=endless)
        async with over_http(await serving.url(), serving.keys["ann"].key) as plain:
            assert (await plain.ended(endless))["status"] == "cancelled"
        assert ask("tasks/get", taskId=endless)["result"]["status"] == "cancelled"

    run(main)


def test_another_caller_is_answered_as_for_an_execution_that_was_never_there(serving: Serving) -> None:
    async def main() -> None:
        async with over_http(await serving.url(), serving.keys["ann"].key) as ann:
            uuid = await ann.started("print('mine')")
            assert (await ann.ended(uuid))["status"] == "completed"
        bob = await serving.raw("bob")

        def answers(asked: str) -> list[bytes]:
            about = {"execution_uuid": asked}
            found = [
                bob.modern_call(tool, {**about, **more}).body
                for tool in ("checkCodeExecStatus", "cancelCodeExecution")
                for more in ({}, {"wait_seconds": 0} if tool == "checkCodeExecStatus" else {})
            ]
            for method in ("tasks/get", "tasks/cancel"):
                frame = {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": method,
                    "params": {"taskId": asked, "_meta": KNOWS},
                }
                headers = (("Mcp-Method", method), ("Mcp-Name", asked))
                found.append(bob.post(frame, *headers, version="2026-07-28").body)
            return found

        assert [body.replace(uuid.encode(), NOBODY.encode()) for body in answers(uuid)] == answers(NOBODY)
        listed = bob.modern_call("listCodeExecutions", {}).frame["result"]["structuredContent"]
        assert uuid not in str(listed)

    run(main)
