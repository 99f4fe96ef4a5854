"""Arguments whose names only resemble those that a rule looks at."""

from typing import Any

import pytest
from judging import codes, decide, policy

from callgate import denial_codes as code
from callgate.decision import Effect, Request
from callgate.policy.argument_names import LONGEST_FOLDED, MAX_KNOWN, ArgumentNames
from callgate.policy.explain import explain

RULES = [
    "{validate: {args: {amount: {maximum: 5}}}}",
    "{action: deny, when: {args.amount: {gt: 5}}}",
    "{when: {args.amount: {lt: 5}}, rate_limit: 5/s}",
    "{rate_limit: {max: 5, window: 1h, cost: args.amount}}",
    "{rate_limit: {max: 5, window: 1h, per: args.amount}}",
    "{action: require_approval, when: {args.amount.value: {gt: 5}}}",
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("entry", ["t", "t*", '"*"'])
@pytest.mark.parametrize(
    "name", ["Amount", "AMOUNT", "amount\u200b", "\uff41mount", " amount", "amo\u00adunt"]
)
@pytest.mark.parametrize("beside", [{}, {"amount": 1}])
def test_a_call_with_an_argument_that_resembles_one_of_a_rule_is_denied(
    rule: str, entry: str, name: str, beside: dict[str, Any]
) -> None:
    compiled = policy(f"tools: {{{entry}: {{rules: [{rule}]}}}}")
    for _ in range(2):
        decision = compiled.decide(Request("t", {**beside, "note": "x", name: 9999}))
        assert decision.effect is Effect.DENY
        assert code.CONFUSABLE_ARGUMENT in codes(decision)
    text = next(reason.text for reason in decision.reasons if reason.code == code.CONFUSABLE_ARGUMENT)
    assert "only resembles `amount`" in text


HOSTED = """{"version": "1", "default": "allow", "tools": {"t": {
  "require": [{"conditions": [{"path": "args.amount", "op": "lt", "value": 5}]}],
  "deny_if": [{"conditions": [{"path": "args.to", "op": "eq", "value": "x"}]}]}}}"""


@pytest.mark.parametrize(("name", "denied"), [("To", True), ("Amount", True), ("note", False)])
def test_conditions_that_must_and_must_not_hold_name_arguments_too(name: str, denied: bool) -> None:
    decision = decide(HOSTED, "t", {"amount": 1, "to": "y", name: "x"})
    assert codes(decision) == ([code.CONFUSABLE_ARGUMENT] if denied else [])


NESTED = "tools: {t: {rules: [{action: deny, when: {args.order.total: {gt: 5}}}]}}"


@pytest.mark.parametrize(
    ("arguments", "denied"),
    [
        ({"order": {"total": 1}}, False),
        ({"order": {"total": 1, "Total": 9}}, True),
        ({"order": {"total": 1}, "Order": {}}, True),
        ({"order": {"total": 1, "note": {"Total": 1}}}, False),
        ({"order": {"total": 1}, "Total": 1}, False),
    ],
)
def test_names_along_a_path_are_looked_at_where_the_path_leads(
    arguments: dict[str, Any], denied: bool
) -> None:
    compiled = policy(NESTED)
    for _ in range(2):
        found = compiled.decide(Request("t", arguments))
        assert (code.CONFUSABLE_ARGUMENT in codes(found)) is denied
        assert denied or found.effect is Effect.ALLOW


def test_names_that_the_policy_tells_apart_and_those_of_other_tools_resemble_nothing() -> None:
    text = """
tools:
  t: {rules: [{validate: {args: {path: true, Path: {type: string}}}}]}
  other: {rules: [{action: deny, when: {args.amount: {gt: 5}}}]}
"""
    assert codes(decide(text, "t", {"path": 1, "Path": "x", "Amount": 9, "note": 1})) == []
    assert codes(decide(text, "t", {"PATH": 1})) == [code.CONFUSABLE_ARGUMENT]


def test_an_explanation_knows_of_it() -> None:
    compiled = policy(NESTED)
    request = Request("t", {"order": {"total": 1}, "ORDER": 1})
    assert explain(compiled, request).reasons == compiled.decide(request).reasons


def test_invented_names_are_neither_folded_without_end_nor_kept() -> None:
    names = ArgumentNames([("amount",)])
    assert names.resembling({"AMOUNT" + " " * LONGEST_FOLDED: 1}) is None
    for number in range(3 * MAX_KNOWN):
        assert names.resembling({f"x{number}": 1}) is None
        assert len(names._known) <= MAX_KNOWN + 1
    assert names.all_known({"amount": 1})
    assert names.resembling({"Amount": 1}) == ("Amount", "amount")
