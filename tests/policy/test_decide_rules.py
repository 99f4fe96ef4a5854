"""How rules add up to a decision: strictest wins, unknown is strict, and what `default: deny` asks for."""

from typing import Any

import pytest
from judging import codes, decide, effect, policy

from callgate import denial_codes as code
from callgate.decision import Effect, Request

ALLOW, HOLD, DENY = Effect.ALLOW, Effect.HOLD, Effect.DENY


def test_a_deny_rule_wins_over_every_allow_rule() -> None:
    text = "tools: {t: {rules: [{action: allow}, {action: deny, reason: No.}, {action: allow}]}}"
    decision = decide(text)
    assert decision.effect is DENY
    assert [reason.text for reason in decision.reasons] == ["No."]


def test_exact_names_globs_and_the_star_all_apply() -> None:
    text = """
tools:
  get_x: {rules: [{action: deny, name: exact}]}
  get_*: {rules: [{action: deny, name: glob}]}
  "*": {rules: [{action: deny, name: star}]}
  "[a-f]*": {rules: [{action: deny, name: other}]}
"""
    assert {reason.rule for reason in decide(text, "get_x").reasons} == {"exact", "glob", "star"}


def test_a_call_waits_for_approval_unless_something_denies_it() -> None:
    hold = "{action: require_approval, name: ask}"
    assert effect(f"tools: {{t: {{rules: [{hold}]}}}}") is HOLD
    decision = decide(f"tools: {{t: {{rules: [{hold}, {{action: deny}}]}}}}")
    assert decision.effect is DENY
    assert [reason.effect for reason in decision.reasons] == [DENY, HOLD]


def test_the_reason_is_the_files_own_words_and_names_its_place() -> None:
    decision = decide('tools:\n  t:\n    rules:\n      - {action: deny, reason: "Not on this server."}')
    (reason,) = decision.reasons
    assert (reason.text, reason.rule, reason.code) == ("Not on this server.", "t:4", code.RULE_DENIES)
    assert reason.source is not None
    assert reason.source.line == 4


def test_a_hostile_name_is_escaped_and_cut_in_the_reason() -> None:
    (reason,) = decide('tools: {"*": {rules: [{action: deny}]}}', "\x1b[31m" + "x" * 10_000).reasons
    assert "\x1b" not in reason.text
    assert len(reason.text) < 200


WHEN = "tools: {{t: {{rules: [{{action: {action}, when: {{args.a: 1}}}}]}}}}"


@pytest.mark.parametrize(
    ("arguments", "denied"),
    [({"a": 1}, True), ({"a": 2}, False), ({"a": "1"}, True), ({"a": True}, True), ({}, True)],
)
def test_a_deny_rule_denies_when_its_condition_holds_or_cannot_be_judged(
    arguments: dict[str, Any], denied: bool
) -> None:
    assert effect(WHEN.format(action="deny"), "t", arguments) is (DENY if denied else ALLOW)


def test_a_plainly_false_condition_makes_the_others_irrelevant() -> None:
    text = "tools: {t: {rules: [{action: deny, when: {args.a: 1, args.b: 2}}]}}"
    assert effect(text, "t", {"a": 0}) is ALLOW
    assert effect(text, "t", {"a": 1}) is DENY


def test_require_approval_holds_when_its_condition_cannot_be_judged() -> None:
    assert effect(WHEN.format(action="require_approval"), "t", {}) is HOLD
    assert effect(WHEN.format(action="require_approval"), "t", {"a": 0}) is ALLOW


def test_an_unknown_allow_rule_charges_and_checks_but_grants_nothing() -> None:
    text = """
default: deny
tools:
  t:
    rules:
      - when: {args.a: 1}
        rate_limit: 5/minute
        validate: {args: {b: {type: integer}}}
"""
    assert codes(decide(text, "t", {"b": "x"})) == [code.ARGUMENT_INVALID, code.DEFAULT_DENY]
    assert len(decide(text, "t", {}).charges) == 1
    assert decide(text, "t", {"a": 2, "b": "x"}).charges == ()
    assert effect(text, "t", {"a": 1, "b": 3}) is ALLOW


DEFAULT_DENY = "default: deny\ntools: {{{tools}}}"


@pytest.mark.parametrize(
    ("tools", "allowed"),
    [
        ("u: {rules: []}", False),
        ("t: {rules: []}", True),
        ("t: {rules: [{action: allow}]}", True),
        ("'t*': {rules: []}", True),
        ("t: {rules: [{when: {args.a: 1}}]}", True),
        ("t: {rules: [{when: {args.a: 2}}]}", False),
        ("t: {rules: [{when: {args.nothing: 2}}]}", False),
        ("t: {rules: [{when: {args.a: 2}}]}, 't*': {rules: []}", True),
        ("t: {rules: [{action: require_approval}]}", False),
        ("'*': {rules: []}", False),
        ("'*': {rules: [{action: allow}]}", False),
        ("'*': {rules: [{rate_limit: 5/minute}]}", False),
        ("'**': {rules: []}", False),
        ("t: {rules: []}, '*': {rules: [{action: deny}]}", False),
    ],
)
def test_default_deny_allows_only_what_an_entry_other_than_the_star_lists(tools: str, allowed: bool) -> None:
    assert (effect(DEFAULT_DENY.format(tools=tools), "t", {"a": 1}) is ALLOW) is allowed


def test_default_deny_says_so() -> None:
    assert codes(decide("default: deny\ntools: {}", "t")) == [code.DEFAULT_DENY]


INTERCEPT = """
version: "1"
default: deny
tools:
  charge:
    rules:
      - name: cap
        conditions: [{path: args.amount, op: lte, value: 50000}]
        on_deny: Too much.
      - name: currency
        conditions: [{path: args.currency, op: in, value: [usd, eur]}]
  read: {rules: []}
"""


@pytest.mark.parametrize(
    ("arguments", "rules"),
    [
        ({"amount": 50000, "currency": "usd"}, []),
        ({"amount": 50001, "currency": "usd"}, ["cap"]),
        ({"amount": "1", "currency": "usd"}, ["cap"]),
        ({"currency": "gbp"}, ["cap", "currency"]),
    ],
)
def test_an_intercept_condition_that_fails_or_cannot_be_judged_denies(
    arguments: dict[str, Any], rules: list[str]
) -> None:
    decision = decide(INTERCEPT, "charge", arguments)
    assert [reason.rule for reason in decision.reasons] == rules
    assert set(codes(decision)) <= {code.CONDITION_NOT_MET}


def test_a_condition_without_words_of_its_own_tells_what_to_send() -> None:
    (reason,) = decide(INTERCEPT, "charge", {"amount": 1, "currency": "gbp"}).reasons
    assert reason.text == '`args.currency` must be one of "usd", "eur"'


def test_an_intercept_file_allows_what_it_lists() -> None:
    assert effect(INTERCEPT, "read") is ALLOW
    assert effect(INTERCEPT, "write") is DENY


HOSTED = """{"version":"1","default":"deny","tools":{"t":{
 "require":[{"conditions":[{"path":"args.a","op":"eq","value":1}]}],
 "deny_if":[{"conditions":[{"path":"args.b","op":"eq","value":1},{"path":"args.c","op":"eq","value":1}]}]},
 "never":{"deny_if":[{"conditions":[],"on_deny":"Never."}]}, "free":{}}}"""


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"a": 1, "b": 0, "c": 1}, []),
        ({"a": 1, "b": 0}, []),
        ({"a": 1, "b": 1}, [code.CONDITION_FORBIDDEN]),
        ({"a": 1, "b": 1, "c": 1}, [code.CONDITION_FORBIDDEN]),
        ({"b": 0}, [code.CONDITION_NOT_MET]),
    ],
)
def test_a_hosted_deny_if_denies_unless_one_of_its_conditions_is_false(
    arguments: dict[str, Any], found: list[str]
) -> None:
    assert codes(decide(HOSTED, "t", arguments)) == found


def test_a_hosted_deny_if_without_conditions_always_denies() -> None:
    assert [reason.text for reason in decide(HOSTED, "never").reasons] == ["Never."]
    assert effect(HOSTED, "free") is ALLOW


def test_a_failure_inside_denies_with_a_code_of_its_own() -> None:
    class Broken:
        def missing_required(self, _: object) -> list[str]:
            raise RuntimeError("a bug")

    text = "tools: {t: {rules: [{validate: {required_args: true}}]}}"
    assert codes(decide(text, "t", {}, schema=Broken())) == [code.INTERNAL]
    assert codes(policy(text).decide(Request(["t"], {}))) == [code.INTERNAL]  # type: ignore[arg-type]


def test_what_one_caller_gets_is_not_given_to_the_next() -> None:
    compiled = policy("tools: {t: {rules: [{action: deny, when: {identity: eve}}, {rate_limit: 5/minute}]}}")
    ann, eve = (Request("t", {}, identity=name, session=name) for name in ("ann", "eve"))
    for _ in range(2):
        assert compiled.decide(ann).effect is ALLOW
        assert compiled.decide(eve).effect is DENY
    assert compiled.decide(ann).charges[0].key != compiled.decide(eve).charges[0].key
