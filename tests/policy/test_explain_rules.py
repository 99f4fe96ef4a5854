"""What an explanation says of each rule, beside the decision it comes to."""

from typing import Any

from judging import policy

from callgate.decision import Effect, Request
from callgate.policy.explain import Explanation, RuleExplanation, explain

NATIVE = """
tools:
  charge:
    rules:
      - {action: deny, name: cap, when: {args.amount: {gt: 50000}}}
      - {action: deny, name: currency, when: {args.currency: {not_in: [usd, eur]}}}
      - {action: deny, name: weekend, when: {args.day: {in: [sat, sun]}}}
      - {name: spend, rate_limit: {max: 1000000, window: 1d, cost: args.amount}}
"""


def told(text: str, tool: str, arguments: dict[str, Any]) -> tuple[Explanation, dict[str, RuleExplanation]]:
    explanation = explain(policy(text), Request(tool, arguments))
    return explanation, {rule.rule: rule for rule in explanation.rules}


def test_each_rule_says_whether_it_hit_and_with_which_values() -> None:
    explanation, rules = told(NATIVE, "charge", {"amount": 90000, "currency": "usd"})
    assert explanation.effect is Effect.DENY
    assert (rules["cap"].outcome, rules["cap"].effect, rules["cap"].details) == (
        "hit",
        "deny",
        ("amount 90000 > 50000",),
    )
    assert rules["currency"].outcome == "miss"
    assert rules["currency"].details == ('currency "usd" in ["usd", "eur"]',)
    assert (rules["weekend"].outcome, rules["weekend"].details) == (
        "unknown",
        ("no `args.day`: counted as strict",),
    )
    assert [charge.amount for charge in rules["spend"].charges] == [90000]
    assert rules["weekend"].source.line == 7


def test_a_value_of_the_wrong_type_is_named() -> None:
    _, rules = told(NATIVE, "charge", {"amount": "90000", "currency": "usd"})
    assert rules["cap"].details == ('amount "90000" cannot be compared: counted as strict',)


def test_an_intercept_rule_is_hit_when_its_condition_fails() -> None:
    text = """
version: "1"
tools:
  charge:
    rules:
      - {name: cap, conditions: [{path: args.amount, op: lte, value: 50000}]}
      - {name: currency, conditions: [{path: args.currency, op: in, value: [usd]}]}
      - {name: note, conditions: [{path: args.note, op: exists, value: true}]}
"""
    _, rules = told(text, "charge", {"amount": 90000, "note": "x"})
    assert (rules["cap"].outcome, rules["cap"].effect, rules["cap"].details) == (
        "hit",
        "deny",
        ("amount 90000 > 50000",),
    )
    assert (rules["currency"].outcome, rules["currency"].effect) == ("unknown", "deny")
    assert (rules["note"].outcome, rules["note"].effect, rules["note"].details) == (
        "miss",
        "deny",
        ("note is given",),
    )


def test_what_no_rule_says_is_a_reason_all_the_same() -> None:
    explanation, rules = told("default: deny\ntools: {}", "charge", {})
    assert not rules
    assert [reason.rule for reason in explanation.reasons] == ["default"]


def test_values_are_escaped_and_cut() -> None:
    _, rules = told(NATIVE, "charge", {"amount": 1, "currency": "\x1b[31m" + "x" * 1_000_000})
    (detail,) = rules["currency"].details
    assert detail.isprintable()
    assert len(detail) < 200


def test_checks_and_costs_say_what_was_wrong() -> None:
    text = """
tools:
  t:
    rules:
      - name: r
        validate: {args: {a: {type: integer}}}
        rate_limit: {max: 1, window: 1, cost: args.a}
"""
    _, rules = told(text, "t", {"a": "x"})
    assert rules["r"].outcome == "hit"
    assert len(rules["r"].details) == 2
    assert "`a` must be of type integer" in rules["r"].details[0]


def test_an_allow_rule_that_cannot_be_judged_is_unknown_and_not_a_miss() -> None:
    text = "tools: {t: {rules: [{name: r, when: {args.a: 1}}]}}"
    outcomes = [told(text, "t", arguments)[1]["r"].outcome for arguments in ({"a": 1}, {"a": 2}, {})]
    assert outcomes == ["hit", "miss", "unknown"]
