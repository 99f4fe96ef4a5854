"""The official TypeScript client through the gate: its model must be able to read why a call was refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.real_traffic import PATIENCE_SECONDS, ROOT, gated, npm_server

CLIENT = ROOT / "tests" / "support" / "ts_client.mjs"
STRICT = [sys.executable, str(ROOT / "tests" / "support" / "strict_output_server.py")]


def drive(calls: list[dict[str, Any]], command: list[str]) -> dict[str, Any]:
    """What the client made of `calls`."""
    ended = subprocess.run(
        ["node", str(CLIENT), json.dumps(calls), *command],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    heard: dict[str, Any] = json.loads(ended.stdout)
    return heard


def said(outcome: dict[str, Any]) -> str:
    """The text that the model reads; fails if the client threw the answer away."""
    assert "thrown" not in outcome, outcome
    text: str = outcome["result"]["content"][0]["text"]
    return text


def test_calls_are_allowed_denied_limited_and_unknown(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("""
hide: [get-env]
tools:
  echo: {rules: [{rate_limit: 1/hour}]}
  get-structured-content: {rules: [{name: no-weather, action: deny, reason: Look outside.}]}
""")
    echo = {"name": "echo", "arguments": {"message": "hi"}}
    weather = {"name": "get-structured-content", "arguments": {"location": "Chicago"}}
    calls = [echo, echo, weather, {"name": "get-env", "arguments": {}}, {"name": "get-enw", "arguments": {}}]
    heard = drive(calls, gated(policy, npm_server("everything")))
    assert "get-env" not in heard["tools"]
    allowed, limited, denied, hidden, unknown = heard["calls"]
    assert said(allowed) == "Echo: hi"
    assert said(limited).startswith("denied by policy: rate limit 1 in 1 h reached for `echo`; try again in ")
    assert said(denied) == "denied by policy: Look outside."
    # The tool promises structured content without other members.
    structured = denied["result"]["_meta"]["callgate/denial"]
    assert (structured["code"], structured["rule"], structured["reason"]) == (
        "DEN001",
        "no-weather",
        "Look outside.",
    )
    assert json.dumps(hidden).replace("get-env", "get-enw") == json.dumps(unknown)


def test_a_denial_is_readable_whatever_the_tool_promises_to_return(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        'tools: {"*": {rules: [{rate_limit: {max: 1, window: 1h, per: [tool]}, reason: Enough.}]}}'
    )
    names = ["open", "closed", "code"]
    calls = [{"name": name, "arguments": {}} for name in [*names, *names]]
    outcomes = drive(calls, gated(policy, STRICT))["calls"]
    assert [said(outcome) for outcome in outcomes[:3]] == ["1", "1", "1"]
    for outcome in outcomes[3:]:
        assert said(outcome).startswith("denied by policy: Enough")
        assert outcome["result"]["isError"] is True
    fits, closed, clash = (outcome["result"] for outcome in outcomes[3:])
    assert fits["structuredContent"]["code"] == "DEN020"
    assert fits["structuredContent"]["n"] == 0
    for result in (closed, clash):
        assert result["_meta"]["callgate/denial"]["code"] == "DEN020"
