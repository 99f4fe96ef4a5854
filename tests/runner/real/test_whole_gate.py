"""An agent, `callgate run` with one policy, and the runner behind it: the product's main job."""

import re
import sys
import time
import uuid as uuids
from pathlib import Path

from real_runner import CALLGATE, ERAS, Home, over_stdio, run, text_of

from callgate.identity import local_identity

LEDGER = str(Path(__file__).with_name("ledger_server.py"))
POLICY = """
tools:
  asyncExecuteCode:
    rules:
      - action: allow
        rate_limit:
          max: 10
          window: 60
        validate:
          required_args: true
  append:
    rules:
      - action: deny
        when: {args.line: {eq: forbidden}}
        reason: "That line is not for agents."
"""
SCRIPT = """
import callgate
print(mcp_Ledger_append(line=word)["result"])
try:
    mcp_Ledger_append(line="forbidden")
except callgate.ToolDenied as denied:
    refused = [denied.reason, denied.code, bool(denied.rule)]
"""


def _home(folder: Path, **settings: str) -> Home:
    server = {"command": [sys.executable, LEDGER, str(folder)], "policy": "policy.yaml"}
    return Home(
        folder, {"Ledger": server}, {"policy": "policy.yaml"}, settings, policies={"policy.yaml": POLICY}
    )


def test_an_agent_starts_code_through_the_gate_polls_and_is_held_to_one_policy(tmp_path: Path) -> None:
    home = _home(tmp_path)
    gate_audit = tmp_path / "gate.jsonl"

    async def main() -> None:
        options = ("--audit", str(gate_audit), "--state", "memory://", "--session", "one day")
        async with over_stdio(home, home.gated("policy.yaml", *options), ERAS[0]) as agent:
            result = await agent.call(
                "asyncExecuteCode",
                script=SCRIPT,
                input_vars={"word": "first"},
                output_vars={"refused": "list"},
            )
            content = result.structured_content or {}
            first = content["execution_uuid"]
            assert uuids.UUID(first).version == 4
            assert content["status"] == "pending"
            end = await agent.ended(first)
            assert (end["status"], end["output"]["stdout"]) == ("completed", "first is there\n")
            assert end["results"] == {"refused": ["That line is not for agents.", "DEN001", True]}
            assert end["inner_calls"] == {"made": 1, "denied": 1}
            # What is no valid call is not counted.
            result = await agent.call("asyncExecuteCode", name="no script")
            assert result.is_error
            assert "script" in text_of(result)
            for number in range(2, 11):
                await agent.started(f"print({number})")
            before = time.time()
            result = await agent.call("asyncExecuteCode", script="print(11)")
            assert result.is_error
            # The tool's output schema has no room for it.
            denial = (result.meta or {})["callgate/denial"]
            assert denial["rule"] == "asyncExecuteCode:5", denial
            assert 0 < denial["retry_after"] <= 60 + time.time() - before
            assert re.search(r"\b\d+(\.\d+)? s", text_of(result)), text_of(result)
            # Looking is not limited, and the eleventh was not begun.
            listed = (await agent.told("listCodeExecutions"))["executions"]
            assert len(listed) == 10

        inner = [record for record in home.decisions() if record["server"] == "Ledger"]
        assert [record["effect"] for record in inner] == ["allow", "deny"]
        assert {record["parent"] for record in inner} == {first}
        direct = [record for record in home.decisions(gate_audit) if record["tool"] == "asyncExecuteCode"]
        assert [record["effect"] for record in direct] == ["allow", "deny", *["allow"] * 9, "deny"]
        told = {(record["identity"], record["session"]) for record in inner + direct}
        assert told == {(local_identity(), "one day")}
        assert (tmp_path / "ledger").read_text() == "first\n"

    run(main)


def test_calls_of_scripts_and_direct_calls_share_one_limit_under_one_state_and_session(
    tmp_path: Path,
) -> None:
    home = _home(tmp_path, state="sqlite:limits.sqlite")
    (tmp_path / "policy.yaml").write_text("tools: {append: {rules: [{rate_limit: 3/hour}]}}\n")
    shared = ("--state", f"sqlite:{tmp_path}/limits.sqlite", "--session", "s1")
    direct = [*CALLGATE, "run", "-c", str(tmp_path / "policy.yaml"), "--name", "Ledger"]
    server = ["--", sys.executable, LEDGER, str(tmp_path)]
    script = """
import callgate
answers = []
for line in lines:
    try:
        answers.append(mcp_Ledger_append(line=line)["result"])
    except callgate.ToolDenied as denied:
        answers.append(denied.retry_after is not None)
"""

    async def main() -> None:
        async with over_stdio(home, [*direct, *shared, *server]) as agent:
            assert not (await agent.call("append", line="direct 1")).is_error
        async with over_stdio(home, home.gated("policy.yaml", *shared)) as agent:
            answers = await agent.completed(
                script, input_vars={"lines": ["a", "b", "c"]}, output_vars={"answers": "list"}
            )
            assert answers == {"answers": ["a is there", "b is there", True]}
        async with over_stdio(home, [*direct, *shared, *server]) as agent:
            assert (await agent.call("append", line="direct 2")).is_error
        # Another session counts by itself.
        async with over_stdio(home, [*direct, *shared[:-1], "s2", *server]) as agent:
            assert not (await agent.call("append", line="direct 3")).is_error
        assert (tmp_path / "ledger").read_text().splitlines() == ["direct 1", "a", "b", "direct 3"]

    run(main)
