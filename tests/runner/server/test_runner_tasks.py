"""Executions as tasks of MCP, for clients that know them; the task's id is the execution's UUID."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from runner_programs import HttpRunner, content, http_runner
from server_calls import valid
from tests.support.raw_agent import JSON, META, MODERN, RawAgent

TASKS = "io.modelcontextprotocol/tasks"
KNOWS = {**META, "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}}}
NOBODY = "7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd"


@pytest.fixture(scope="module")
def agent() -> Iterator[RawAgent]:
    with http_runner() as it:
        yield HttpRunner.agent(it)


def ask(
    agent: RawAgent, method: str, named: str, /, *, meta: dict[str, Any] = KNOWS, **params: Any
) -> dict[str, Any]:
    """A request of a client that knows tasks; its answer."""
    frame = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = [*JSON, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method), ("Mcp-Name", named)]
    return agent.request("POST", headers, json.dumps(frame).encode()).frame


def call(agent: RawAgent, tool: str, **arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = ask(agent, "tools/call", tool, name=tool, arguments=arguments)["result"]
    return result


def about(agent: RawAgent, method: str, task_id: str, **more: Any) -> dict[str, Any]:
    return ask(agent, method, task_id, taskId=task_id, **more)


def test_code_that_is_started_is_a_task_under_the_uuid_of_its_execution(agent: RawAgent) -> None:
    task = call(agent, "asyncExecuteCode", script="wait")
    assert (task["resultType"], task["status"]) == ("task", "working")
    uuid = task["taskId"]
    told = content(agent.modern_call("checkCodeExecStatus", {"execution_uuid": uuid}).frame)
    assert told["status"] == "pending"
    now = about(agent, "tasks/get", uuid)["result"]
    assert (now["resultType"], now["taskId"], now["status"]) == ("complete", uuid, "working")
    assert "result" not in now
    assert about(agent, "tasks/update", uuid, inputResponses={"x": {}})["result"]["resultType"] == "complete"
    assert about(agent, "tasks/cancel", uuid)["result"]["resultType"] == "complete"
    assert about(agent, "tasks/get", uuid)["result"]["status"] == "cancelled"


@pytest.mark.parametrize(("script", "failed"), [("return 5", False), ("raise", True), ("doubt", True)])
def test_a_task_that_ended_holds_the_answer_that_the_call_would_have_had(
    agent: RawAgent, script: str, failed: bool
) -> None:
    task = call(agent, "asyncExecuteCode", script=script)
    ended = about(agent, "tasks/get", task["taskId"])["result"]
    assert ended["status"] == "completed"
    assert ended["result"]["isError"] == failed
    assert valid("asyncExecuteCode", ended["result"]["structuredContent"])
    direct = call(agent, "executeCode", script=script)
    same = {"execution_uuid": "", "hint": ""}
    assert {**direct["structuredContent"], **same} == {**ended["result"]["structuredContent"], **same}


def test_waiting_for_code_becomes_a_task_only_if_it_takes_long(agent: RawAgent) -> None:
    assert call(agent, "executeCode", script="return 5")["resultType"] == "complete"
    assert call(agent, "executeCode", script="wait")["resultType"] == "task"


def test_who_does_not_know_tasks_gets_none(agent: RawAgent) -> None:
    plain = agent.modern_call("asyncExecuteCode", {"script": "wait"}).frame["result"]
    assert plain["resultType"] == "complete"
    uuid = plain["structuredContent"]["execution_uuid"]
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        assert about(agent, method, uuid, meta=META)["error"]["code"] == -32021
    assert about(agent, "tasks/get", uuid)["result"]["status"] == "working"


def test_the_handshake_eras_have_no_such_tasks(agent: RawAgent) -> None:
    legacy = RawAgent(agent.port, "/mcp")
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"extensions": {TASKS: {}}},
        "clientInfo": {"name": "t", "version": "0"},
    }
    begun = legacy.ask("initialize", params)
    legacy.session = begun.header("mcp-session-id")
    legacy.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    told = content(legacy.call("asyncExecuteCode", {"script": "wait"}).frame)
    assert told["status"] == "pending"
    assert legacy.ask("tasks/get", {"taskId": told["execution_uuid"]}).frame["error"]["code"] == -32601


def test_a_task_of_others_is_as_unknown_as_one_that_there_is_not(agent: RawAgent) -> None:
    other = RawAgent(agent.port, "/mcp")
    other.initialize()
    theirs = content(other.call("asyncExecuteCode", {"script": "wait"}).frame)["execution_uuid"]
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        assert about(agent, method, theirs)["error"] == about(agent, method, NOBODY)["error"]
        assert about(agent, method, theirs)["error"]["code"] == -32602
    told = content(other.call("checkCodeExecStatus", {"execution_uuid": theirs}).frame)
    assert told["status"] == "pending"


def test_a_task_is_not_asked_for_under_another_ones_name(agent: RawAgent) -> None:
    uuid = call(agent, "asyncExecuteCode", script="wait")["taskId"]
    assert ask(agent, "tasks/get", NOBODY, taskId=uuid)["error"]["code"] == -32020


def test_the_server_says_that_it_has_tasks(agent: RawAgent) -> None:
    found = agent.modern("server/discover").frame["result"]
    assert found["capabilities"]["extensions"] == {TASKS: {}}
