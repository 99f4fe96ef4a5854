"""How agents find the functions that their scripts may call, and what they are told of the rules."""

import pytest
from msgspec import structs
from server_calls import run, runner, text_of

from callgate.runner.execution import Owner
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.tool_list import tools


def test_functions_are_found_and_described() -> None:
    async def main() -> None:
        async with runner() as it:
            found = await it.told("searchTools", query="git commits")
            assert found == {
                "tools": [
                    {
                        "name": "mcp_Git_log",
                        "server": "Git",
                        "signature": "mcp_Git_log(*, repo: str, max_count: int = ...) -> Any",
                        "summary": "Shows the commits.",
                        "read_only": True,
                    }
                ],
                "total": 1,
            }
            assert (await it.told("searchTools", query="", limit=1))["total"] == 2
            only = await it.told("searchTools", query="", mcp_server_names=["Mail"])
            assert [tool["name"] for tool in only["tools"]] == ["mcp_Mail_send"]
            told = await it.told("getToolDetails", names=["mcp_Mail_send", "mcp_Git_lag"])
            (send,) = told["tools"]
            assert send["output_schema"]["properties"] == {"id": {"type": "string"}}
            assert told["unknown"] == [{"name": "mcp_Git_lag", "did_you_mean": ["mcp_Git_log"]}]

    run(main)


def test_functions_that_the_policy_always_denies_are_not_found_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with runner(servers=("Git", "Mail")) as it:
            log, send = await it.engine.tools(Owner("local:me"))
            never = structs.replace(send, never_allowed=True)
            monkeypatch.setattr("memory_engine.TOOLS", (log, never))
            found = await it.told("searchTools", query="")
            assert [tool["name"] for tool in found["tools"]] == ["mcp_Git_log"]
            assert found["total"] == 1
            details = await it.call("getToolDetails", names=["mcp_Git_log", "mcp_Mail_send"])
            told = (details.structured_content or {})["tools"]
            assert [each.get("never_allowed") for each in told] == [None, True]
            assert "the policy denies every call" in text_of(details)

    run(main)


def test_a_server_that_there_is_not_is_told_of_with_the_one_that_may_be_meant() -> None:
    async def main() -> None:
        async with runner(servers=("Git", "Mail")) as it:
            result = await it.call("searchTools", query="", mcp_server_names=["git", "Unlike"])
            assert (result.structured_content or {})["unknown_servers"] == [
                {"name": "git", "did_you_mean": ["Git"]},
                {"name": "Unlike"},
            ]
            assert "no server `git`; did you mean Git?" in text_of(result)
            assert "no server `Unlike`; there are Git, Mail" in text_of(result)

    run(main)


def test_the_descriptions_tell_which_hosts_there_are_types_and_secrets() -> None:
    for name in ("executeCode", "asyncExecuteCode"):
        offline = tools()[name].description or ""
        online = tools(ServerOptions(network=("a.example:443", "b.example")))[name].description or ""
        assert "There is no network" in offline
        assert "reach a.example:443, b.example and nothing else" in online
        wanted = tools()[name].input_schema["properties"]["output_vars"]["description"]
        for text in (offline, wanted):
            assert "str int float" in text
            assert "DataFrame" in text
        secrets = tools()[name].input_schema["properties"]["required_secrets"]["description"]
        assert 'secrets["API_TOKEN"]' in secrets
        assert 'secrets["NAME"]' in offline
        assert "without an import" in offline


def test_the_descriptions_give_the_rules() -> None:
    for name in ("executeCode", "asyncExecuteCode"):
        text = tools()[name].description or ""
        for word in (
            "async",
            "locals()",
            "httpx",
            "mcp_<Server>_<tool>",
            "ToolDenied",
            "output_vars",
            "report_progress",
        ):
            assert word in text
