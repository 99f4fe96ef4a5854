"""Policies written as YAML, and what they say of a call."""

import json
from pathlib import Path
from typing import Any

from callgate.decision import Decision, Effect, Request
from callgate.policy.compile import Policy, compile_policy
from callgate.policy.load import load_policy
from callgate.policy.toolschema import ToolSchema

_SAMPLES = Path(__file__).parent.parent / "data" / "tool_schemas.json"


def policy(text: str) -> Policy:
    return compile_policy(load_policy(text.encode(), "policy.yaml"))


def decide(text: str, tool: str = "t", arguments: dict[str, Any] | None = None, **request: Any) -> Decision:
    return policy(text).decide(Request(tool, arguments or {}, **request))


def effect(text: str, tool: str = "t", arguments: dict[str, Any] | None = None, **request: Any) -> Effect:
    return decide(text, tool, arguments, **request).effect


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def sample_schema(tool: str) -> ToolSchema:
    """The input schema that a published server gives for one of its tools."""
    tools = json.loads(_SAMPLES.read_text())["tools"]
    return ToolSchema(next(each["inputSchema"] for each in tools if each["name"] == tool))
