"""2026-07-28 through the gate with the official SDK on both ends: rounds, tasks, progress, subscriptions."""

import json
import sys
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import InputRequiredResult, Result
from tests.support.real_traffic import (
    NOTHING_FORBIDDEN,
    ROOT,
    assert_as_direct,
    assert_untouched,
    both,
    decoded,
    elicit,
    list_everything,
    record,
)

pytestmark = pytest.mark.filterwarnings("ignore")

SERVER = [sys.executable, str(ROOT / "tests" / "support" / "modern_server.py")]


class TaskResult(Result):
    """A call that goes on as a task."""

    result_type: Literal["task"] = "task"
    task_id: str


class TaskQuestion(types.Request[dict[str, Any], Literal["tasks/get"]]):
    """How a task is."""

    method: Literal["tasks/get"] = "tasks/get"


class Tasks(ClientExtension):
    """The client's half of the tasks extension: ask once, as the fixture's task has always ended."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> list[ResultClaim[TaskResult]]:
        return [ResultClaim(result_type="task", model=TaskResult, resolve=self.resolve)]

    async def resolve(self, result: TaskResult, context: ClaimContext) -> types.CallToolResult:
        class Answer(Result):
            result: dict[str, Any]

        answer = await context.session.send_request(TaskQuestion(params={"taskId": result.task_id}), Answer)
        return types.CallToolResult.model_validate(answer.result)


def text(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def statuses(folder: Path) -> list[str]:
    """The outcomes in the audit, without that of the self-test."""
    records = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    return [record["status"] for record in records if record["kind"] == "outcome"][1:]


async def everything(client: Client) -> None:
    assert client.protocol_version == "2026-07-28"
    await list_everything(client)
    assert text(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
    assert text(await client.call_tool("greet", {"greeting": "hi"})) == "hi, Ann"
    steps: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    assert text(await client.call_tool("wait", {"steps": 3}, progress_callback=note)) == "waited"
    assert steps == [1, 2, 3]
    assert text(await client.call_tool("count")) == "counted"
    async with client.listen(tools_list_changed=True) as subscription:
        await client.call_tool("grow")
        await anext(aiter(subscription))
    await list_everything(client)


def test_the_modern_era_is_as_it_is_without_the_gate(tmp_path: Path) -> None:
    direct, through = both(
        everything, SERVER, tmp_path / "x", mode="auto", elicitation_callback=elicit, extensions=[Tasks()]
    )
    assert_untouched(through)
    assert_as_direct(direct, through)
    assert {frame["method"] for frame in decoded(through.server_got)} >= {
        "server/discover",
        "tools/call",
        "tasks/get",
        "subscriptions/listen",
    }
    assert statuses(tmp_path / "x" / "through") == ["ok", "input_required", "ok", "ok", "task", "ok"]


def test_every_round_is_judged_and_charged(tmp_path: Path) -> None:
    policy = """
tools:
  greet:
    rules:
      - validate: {required_args: true, args: {greeting: {enum: [hi, hello]}}}
        rate_limit: 3/hour
"""

    async def scenario(client: Client) -> None:
        session = client.session
        first = await session.call_tool("greet", {"greeting": "hi"}, allow_input_required=True)
        assert isinstance(first, InputRequiredResult)
        assert first.input_requests is not None
        answers: types.InputResponses = {
            key: types.ElicitResult(action="accept", content={"name": "Bo"}) for key in first.input_requests
        }
        changed = await session.call_tool(
            "greet", {"greeting": "drop"}, input_responses=answers, request_state=first.request_state
        )
        assert changed.is_error
        assert "denied by policy" in text(changed)
        said = await session.call_tool(
            "greet", {"greeting": "hi"}, input_responses=answers, request_state=first.request_state
        )
        assert text(said) == "hi, Bo"
        third = await session.call_tool("greet", {"greeting": "hello"}, allow_input_required=True)
        assert isinstance(third, InputRequiredResult)
        limited = await session.call_tool("greet", {"greeting": "hello"})
        assert "try again in" in text(limited)

    through = record(scenario, SERVER, tmp_path / "x", policy, mode="auto", elicitation_callback=elicit)
    reached = [frame["params"] for frame in decoded(through.server_got) if frame["method"] == "tools/call"]
    assert [params["arguments"]["greeting"] for params in reached] == ["hi", "hi", "hello"]
    assert statuses(tmp_path / "x") == ["input_required", "denied", "ok", "input_required", "denied"]


def test_a_schema_nobody_asked_for_is_fetched_in_the_modern_era_without_the_agent_seeing_it(
    tmp_path: Path,
) -> None:
    policy = "tools: {add: {rules: [{validate: {required_args: true, schema: true}}]}}"

    async def scenario(client: Client) -> None:
        session = client.session
        assert "needs the argument `b`" in text(await session.call_tool("add", {"a": 1}))
        assert "must be of type integer" in text(await session.call_tool("add", {"a": 1, "b": "x"}))
        assert text(await session.call_tool("add", {"a": 1, "b": 2})) == "3"

    through = record(scenario, SERVER, tmp_path / "x", policy, mode="auto")
    asked = [frame for frame in decoded(through.server_got) if frame["method"] == "tools/list"]
    # One question is the gate's; others are the client's own.
    assert sum(str(frame["id"]).startswith("callgate-") for frame in asked) == 1
    assert not any(b"callgate-" in line for line in through.agent_got)


def test_a_subscriber_is_told_when_the_policy_hides_a_tool(tmp_path: Path) -> None:
    policy = tmp_path / "x" / "policy.yaml"

    async def scenario(client: Client) -> None:
        before = await client.list_tools()
        async with client.listen(tools_list_changed=True) as subscription:
            policy.write_text("hide: [add]")
            await anext(aiter(subscription))
        after = await client.list_tools()
        assert {tool.name for tool in before.tools} - {tool.name for tool in after.tools} == {"add"}

    through = record(scenario, SERVER, tmp_path / "x", NOTHING_FORBIDDEN, mode="auto")
    told = [
        frame
        for frame in decoded(through.agent_got)
        if frame.get("method", "").endswith("tools/list_changed")
    ]
    assert len(told) == 1
    (opened,) = [frame for frame in decoded(through.agent_sent) if frame["method"] == "subscriptions/listen"]
    assert told[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == opened["id"]
    assert not any(b"tools/list_changed" in line for line in through.server_sent)


def test_a_slow_call_can_be_cancelled(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        with anyio.CancelScope() as scope:

            async def stop(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await client.call_tool("wait", {"steps": 1000}, progress_callback=stop)
        assert scope.cancelled_caught
        assert text(await client.call_tool("add", {"a": 1, "b": 1})) == "2"

    through = record(scenario, SERVER, tmp_path / "x", NOTHING_FORBIDDEN, mode="auto")
    assert statuses(tmp_path / "x") == ["cancelled", "ok"]
    assert [frame["method"] for frame in decoded(through.server_got)].count("notifications/cancelled") == 1
