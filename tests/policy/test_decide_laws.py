"""Laws that hold for every policy and every call."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from random_policies import checks, conditions, documents, limits, requests, rules, values

from callgate import denial_codes as code
from callgate.decision import Decision, Effect, Request
from callgate.policy.compile import compile_policy
from callgate.policy.explain import explain
from callgate.policy.model import Condition, Document, Rule, Tool

LAW = settings(max_examples=200, deadline=None)


def judged(document: Document, request: Request) -> Decision:
    return compile_policy(document).decide(request)


@LAW
@given(documents(), requests, st.randoms(use_true_random=False))
def test_the_order_of_tools_and_rules_carries_no_meaning(
    document: Document, request: Request, random: Any
) -> None:
    tools = []
    for tool in document.tools:
        mixed = list(tool.rules)
        random.shuffle(mixed)
        tools.append(replace(tool, rules=tuple(mixed)))
    random.shuffle(tools)
    shuffled = replace(document, tools=tuple(tools))
    assert judged(shuffled, request) == judged(document, request)


def _add(document: Document, index: int, rule: Rule) -> Document:
    tools = list(document.tools)
    tool: Tool = tools[index % len(tools)]
    tools[index % len(tools)] = replace(tool, rules=(*tool.rules, rule))
    return replace(document, tools=tuple(tools))


@LAW
@given(documents(), requests)
def test_no_call_is_allowed_of_a_tool_that_is_said_to_be_never_allowed(
    document: Document, request: Request
) -> None:
    policy = compile_policy(document)
    if policy.never_allows(request.tool):
        assert policy.decide(request).effect == Effect.DENY


@LAW
@given(documents().filter(lambda d: bool(d.tools)), requests, rules, st.integers(0, 3))
def test_adding_a_deny_rule_never_makes_a_decision_milder(
    document: Document, request: Request, rule: Rule, index: int
) -> None:
    denying = replace(rule, action="deny")
    before = judged(document, request)
    after = judged(_add(document, index, denying), request)
    assert after.effect >= before.effect
    assert set(before.reasons) <= set(after.reasons)


@LAW
@given(documents(), requests, st.integers(0, 9), st.integers(0, 9), limits, checks, conditions())
def test_adding_a_limit_a_check_or_a_condition_to_an_allow_rule_never_makes_a_decision_milder(
    document: Document, request: Request, t: int, r: int, limit: Any, check: Any, condition: Condition
) -> None:
    tools = [tool for tool in document.tools if tool.rules]
    if not tools:
        return
    tool = tools[t % len(tools)]
    rule = tool.rules[r % len(tool.rules)]
    stricter = [
        replace(rule, limits=(*rule.limits, limit)),
        replace(rule, require=(*rule.require, condition)),
    ]
    if rule.validate is None:
        stricter.append(replace(rule, validate=check))
    before = judged(document, request)
    for changed in stricter:
        swapped = tuple(changed if each is rule else each for each in tool.rules)
        others = tuple(replace(tool, rules=swapped) if each is tool else each for each in document.tools)
        after = judged(replace(document, tools=others), request)
        assert after.effect >= before.effect
        assert len(after.charges) >= len(before.charges)


@LAW
@given(documents(), requests, st.sampled_from(["a", "b"]), values, conditions())
def test_what_cannot_be_judged_is_at_least_as_strict_as_either_outcome(
    document: Document, request: Request, key: str, value: Any, condition: Condition
) -> None:
    """`when` on an argument of its own: the decision without it is as strict as with any value of it."""
    own = replace(condition, path=("args", "own"))
    if own.op == "exists":
        return
    tools = tuple(
        replace(tool, rules=tuple(replace(rule, when=(*rule.when, own)) for rule in tool.rules))
        for tool in document.tools
    )
    policy = compile_policy(replace(document, tools=tools))
    unknown = policy.decide(request)
    for candidate in (value, 0, 1, 2, "x", "", ["x"], [], None, True):
        known = policy.decide(replace(request, arguments={**request.arguments, "own": candidate}))
        assert unknown.effect >= known.effect
        assert len(unknown.charges) >= len(known.charges) or unknown.effect is Effect.DENY


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@LAW
@given(
    documents(),
    st.text(),
    st.dictionaries(st.one_of(st.sampled_from(["a", "b"]), st.text()), json_values, max_size=4),
    st.text(),
)
def test_deciding_never_raises_and_meets_no_case_it_was_not_made_for(
    document: Document, tool: str, arguments: dict[str, Any], session: str
) -> None:
    decision = judged(document, Request(tool, arguments, session))
    assert code.INTERNAL not in [reason.code for reason in decision.reasons]
    for reason in decision.reasons:
        assert reason.text.isprintable()
        assert len(reason.text) < 500
    assert (decision.effect is Effect.ALLOW) is (not decision.reasons)
    assert list(decision.reasons) == sorted(decision.reasons, key=lambda reason: -reason.effect)


@LAW
@given(documents(), st.lists(requests, min_size=1, max_size=4))
def test_a_decision_depends_on_the_call_alone_and_not_on_those_before(
    document: Document, calls: list[Request]
) -> None:
    kept = compile_policy(document)
    for call in [*calls, *reversed(calls)]:
        assert kept.decide(call) == judged(document, call)


@LAW
@given(documents(), requests)
def test_an_explanation_comes_to_what_is_decided(document: Document, request: Request) -> None:
    policy = compile_policy(document)
    decision, told = policy.decide(request), explain(policy, request)
    assert (told.effect, told.reasons, told.charges) == (decision.effect, decision.reasons, decision.charges)
    assert (told.guards, told.hidden) == (decision.guards, decision.hidden)
    from_rules = {reason for rule in told.rules for reason in rule.reasons}
    assert from_rules <= set(decision.reasons)
    assert sum(len(rule.charges) for rule in told.rules) == len(decision.charges)
    for rule in told.rules:
        assert rule.outcome != "miss" or not (rule.reasons or rule.charges)
