"""What each tool of the runner takes, does and answers, in both eras."""

import asyncio
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from server_calls import MODES, run, runner, text_of

from callgate.runner.execution import Ending, Owner, Spec
from callgate.runner.server.owner import Caller

TWELVE = {
    "script": "string",
    "name": "string",
    "description": "string",
    "session_id": "string",
    "input_vars": "object",
    "output_vars": "object",
    "required_tools": "array",
    "additional_imports": "array",
    "local": "boolean",
    "mcp_server_names": "array",
    "timeout": "number",
    "required_secrets": "array",
}
ALL = {
    "script": "return 5",
    "name": "five",
    "description": "says five",
    "session_id": "s1",
    "input_vars": {"rows": [1, None, {"a": 2.5}]},
    "output_vars": {"value": "str"},
    "required_tools": ["mcp_Git_log"],
    "additional_imports": ["polars"],
    "local": True,
    "mcp_server_names": ["Git"],
    "timeout": 40,
    "required_secrets": ["TOKEN"],
}


@pytest.mark.parametrize("mode", MODES)
def test_agents_find_the_seven_tools_and_the_twelve_parameters_that_they_know(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            listed = {tool.name: tool for tool in (await it.client.list_tools()).tools}
        assert list(listed) == [
            "executeCode",
            "asyncExecuteCode",
            "checkCodeExecStatus",
            "cancelCodeExecution",
            "listCodeExecutions",
            "searchTools",
            "getToolDetails",
        ]
        for name in ("executeCode", "asyncExecuteCode"):
            schema = listed[name].input_schema
            assert {each: found["type"] for each, found in schema["properties"].items()} == TWELVE
            assert schema["required"] == ["script"]
        timeout = listed["executeCode"].input_schema["properties"]["timeout"]
        assert (timeout["minimum"], timeout["maximum"], timeout["default"]) == (30, 300, 300)
        assert "maximum" not in listed["asyncExecuteCode"].input_schema["properties"]["timeout"]
        for tool in listed.values():
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint == (tool.name[:4] in ("chec", "list", "sear", "getT"))
            assert tool.output_schema is not None

    run(main)


@pytest.mark.parametrize("tool", ["executeCode", "asyncExecuteCode"])
def test_every_parameter_reaches_the_engine_as_it_was_given(tool: str) -> None:
    async def main() -> None:
        async with runner() as it:
            uuid = (await it.told(tool, **ALL))["execution_uuid"]
            spec = it.engine.executions[uuid].spec
            for name, given in ALL.items():
                found = getattr(spec, name)
                assert (list(found) if isinstance(found, tuple) else found) == given
            for tool_default, expected in (("executeCode", 300), ("asyncExecuteCode", None)):
                uuid = (await it.told(tool_default, script="return 1"))["execution_uuid"]
                assert it.engine.executions[uuid].spec.timeout == expected

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_execute_code_answers_with_results_output_and_timings(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            result = await it.call("executeCode", script="return 5", name="five")
            told: dict[str, Any] = result.structured_content or {}
            assert not result.is_error
            assert (told["status"], told["state"], told["name"]) == ("completed", "completed", "five")
            assert told["results"] == {"value": "5"}
            assert told["output"] == {
                "stdout": "return 5",
                "stderr": "",
                "offset": 0,
                "next_offset": 8,
                "dropped": 0,
            }
            assert told["timings"]["created_at"] == "2023-11-14T22:13:20.000Z"
            assert (told["timings"]["queue_ms"], told["timings"]["run_ms"]) == (5, 20)
            assert '{"value": "5"}' in text_of(result)

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_script_that_fails_is_a_failed_call_with_its_own_lines(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            result = await it.call("executeCode", script="raise")
            told: dict[str, Any] = result.structured_content or {}
            assert result.is_error
            assert (told["status"], told["cause"]) == ("failed", "exception")
            assert told["error"]["traceback"] == [{"line": 1, "function": "<module>", "text": "raise"}]
            assert "line 1 in <module>: raise" in text_of(result)
            assert "ValueError: no" in text_of(result)
            # Who asks how it stands has asked rightly.
            asked = await it.call("checkCodeExecStatus", execution_uuid=told["execution_uuid"])
            assert not asked.is_error
            assert (asked.structured_content or {})["status"] == "failed"

    run(main)


def test_calls_in_doubt_are_named_with_what_to_do() -> None:
    async def main() -> None:
        async with runner() as it:
            told = await it.told("executeCode", script="doubt")
            assert told["status"] == "interrupted"
            assert told["in_doubt_calls"] == [
                {"call": 4, "function": "mcp_Mail_send", "started_at": "2023-11-14T22:13:20.000Z"}
            ]
            assert "before you start it again" in told["hint"]

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_refusal_of_the_engine_reaches_the_agent_with_its_place(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            for tool in ("executeCode", "asyncExecuteCode"):
                result = await it.call(tool, script="refuse")
                assert result.is_error
                assert result.structured_content == {
                    "refused": {
                        "code": "RUN099",
                        "message": "no such luck",
                        "line": 3,
                        "column": 7,
                        "help": "be lucky",
                    }
                }
                assert text_of(result) == "refused [RUN099]: line 3, column 7: no such luck\nhelp: be lucky"

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_what_goes_wrong_inside_is_not_told(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            result = await it.call("asyncExecuteCode", script="break")
            assert "RUN011" in text_of(result)
            assert "secret" not in result.model_dump_json()

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_that_there_is_not_is_an_error_of_the_protocol(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            with pytest.raises(MCPError) as caught:
                await it.client.call_tool("executecode", {"script": "x"})
            assert caught.value.error.code == -32602
            assert "`executecode`" in caught.value.error.message

    run(main)


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_its_client_gives_up_cancels_the_execution(mode: str) -> None:
    async def main() -> None:
        async with runner(mode) as it:
            call = asyncio.create_task(it.call("executeCode", script="wait"))
            await it.engine.submitted.wait()
            (uuid,) = it.engine.executions
            call.cancel()
            view = await it.engine.finished(Owner("local:me"), uuid)
            assert view is not None
            assert view.execution.state == "cancelled"

    run(main)


def test_a_call_that_is_cut_off_because_the_server_ends_leaves_its_execution_alone() -> None:
    async def main() -> None:
        async with runner() as it:
            call = asyncio.create_task(it.call("executeCode", script="wait"))
            await it.engine.submitted.wait()
            await it.under_way.end(0)
            call.cancel()
            await asyncio.wait([call])
            (execution,) = it.engine.executions.values()
            assert execution.state == "queued"

    run(main)


def test_progress_of_the_script_is_told_to_a_client_that_wants_it() -> None:
    async def main() -> None:
        async with runner("legacy") as it:
            heard: list[tuple[float, float | None, str | None]] = []
            told = asyncio.Event()

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                heard.append((progress, total, message))
                told.set()

            call = asyncio.create_task(
                it.client.call_tool("executeCode", {"script": "wait"}, progress_callback=hear)
            )
            await it.engine.submitted.wait()
            (uuid,) = it.engine.executions
            it.engine.change(uuid, progress=0.5, progress_text="half")
            await told.wait()
            it.engine.end(uuid, Ending(state="completed"))
            result = await call
            assert (result.structured_content or {})["results"] == {}
            assert heard == [(0.5, 1.0, "half")]

    run(main)


def test_cancelling_answers_how_it_stands_then() -> None:
    async def main() -> None:
        async with runner() as it:
            uuid = await it.started()
            assert (await it.told("cancelCodeExecution", execution_uuid=uuid))["status"] == "cancelled"
            assert (await it.told("checkCodeExecStatus", execution_uuid=uuid))["cause"] == "cancelled"

    run(main)


def test_executions_are_listed_by_pages_and_by_session() -> None:
    async def main() -> None:
        async with runner() as it:
            uuids = [await it.started(session_id=f"s{number % 2}", name=str(number)) for number in range(3)]
            page = await it.told("listCodeExecutions", limit=2)
            assert [each["execution_uuid"] for each in page["executions"]] == [uuids[2], uuids[1]]
            page = await it.told("listCodeExecutions", limit=2, cursor=page["next_cursor"])
            assert [each["name"] for each in page["executions"]] == ["0"]
            assert "next_cursor" not in page
            it.engine.end(uuids[0], Ending(state="failed", cause="exception"))
            listed = text_of(await it.call("listCodeExecutions")).splitlines()
            assert listed[2] == f"{uuids[0]}  2023-11-14T22:13:20.000Z  failed (exception)  0"
            page = await it.told("listCodeExecutions", session_id="s1")
            assert [each["execution_uuid"] for each in page["executions"]] == [uuids[1]]

    run(main)


def test_who_cannot_be_told_from_others_gets_no_list_and_no_session_that_can_be_guessed() -> None:
    async def main() -> None:
        async with runner(caller=Caller(Owner("anonymous"), shared=True)) as it:
            uuid = await it.started()
            assert (await it.refused("listCodeExecutions"))["code"] == "RUN008"
            assert (await it.told("checkCodeExecStatus", execution_uuid=uuid))["status"] == "pending"
            assert (await it.refused("asyncExecuteCode", script="x", session_id="s"))["code"] == "RUN009"
            await it.started(session_id="7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd")

    run(main)


def test_what_is_not_the_callers_is_as_unknown_as_what_there_is_not() -> None:
    async def main() -> None:
        async with runner() as it:
            theirs = await it.engine.submit(Owner("local:other"), Spec(script="wait"))
            for tool in ("checkCodeExecStatus", "cancelCodeExecution"):
                other = await it.call(tool, execution_uuid=theirs.uuid)
                nothing = await it.call(tool, execution_uuid="7b0c0a52-32fb-4e46-9a7c-3ba1c6a9b3dd")
                assert other == nothing
                assert (other.structured_content or {})["refused"]["code"] == "RUN006"
            assert (await it.told("listCodeExecutions"))["executions"] == []
            assert it.engine.executions[theirs.uuid].state == "queued"

    run(main)
