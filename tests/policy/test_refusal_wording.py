"""What a refused agent reads: the file's own reason never hides what was wrong with the call."""

import pytest
from judging import decide

README_RULE = """
tools:
  write_file:
    rules:
      - action: deny
        when: {args.content: {contains: BEGIN PRIVATE KEY}}
        reason: "Keys do not belong in files."
"""

INTERCEPT_RULE = """
version: "1"
tools:
  write_file:
    rules:
      - name: cap
        conditions: [{path: args.amount, op: lte, value: 5}]
        on_deny: "Small amounts only."
"""

HOSTED_RULE = """{
  "version": "1",
  "tools": {"write_file": {"deny_if": [
    {"conditions": [{"path": "args.a.b", "op": "eq", "value": 1}], "on_deny": "Not this one."}
  ]}}
}"""


def reason(text: str, arguments: dict[str, object], tool: str = "write_file") -> str:
    return decide(text, tool, arguments).reasons[0].text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (README_RULE, "Keys do not belong in files: the call needs a usable `args.content` to be judged"),
        (INTERCEPT_RULE, "Small amounts only: the call needs a usable `args.amount` to be judged"),
        (HOSTED_RULE, "Not this one: the call needs a usable `args.a.b` to be judged"),
        (
            "tools: {write_file: {rules: [{action: require_approval, when: {args.x: 1}, reason: Ask first.}]}}",
            "Ask first: the call needs a usable `args.x` to be judged",
        ),
    ],
)
def test_a_condition_that_cannot_be_judged_is_named_after_the_files_reason(text: str, told: str) -> None:
    assert reason(text, {}) == told


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        (README_RULE, {"content": "-----BEGIN PRIVATE KEY-----"}, "Keys do not belong in files."),
        (INTERCEPT_RULE, {"amount": 6}, "Small amounts only."),
        (HOSTED_RULE, {"a": {"b": 1}}, "Not this one."),
    ],
)
def test_a_condition_that_is_judged_gets_the_files_reason_alone(
    text: str, arguments: dict[str, object], told: str
) -> None:
    assert reason(text, arguments) == told


def test_a_reason_with_a_full_stop_goes_on_as_one_sentence() -> None:
    text = "tools: {t: {rules: [{reason: Keep it short., validate: {args: {timeout: {maximum: 3}}}}]}}"
    assert reason(text, {"timeout": 4}, "t").startswith("Keep it short: `t` was called with")


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("[{action: deny, when: {args.a: 1}}]", "the policy does not allow `t`"),
        ("[{when: {args.a: 1}}]", "the policy allows `t` only in cases that this call is none of"),
    ],
)
def test_under_default_deny_the_refusal_says_whether_any_call_of_the_tool_is_allowed(
    rules: str, told: str
) -> None:
    assert reason(f"default: deny\ntools: {{t: {{rules: {rules}}}}}", {"a": 2}, "t") == told
