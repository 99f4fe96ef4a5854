"""Why a call is decided as it is: what each rule said, and which values made it say so.

The decision comes from the same plan and the same compiled rules as `Policy.decide`; here they are only described.
"""

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from callgate.decision import Charge, Decision, Effect, Guard, Reason, Request
from callgate.diagnostics import Source
from callgate.policy.compile import Policy
from callgate.policy.model import Condition, Path
from callgate.policy.paths import ABSENT, compile_path, show_path
from callgate.policy.rules import CompiledRule, Contribution, Judged
from callgate.policy.wording import show_value
from callgate.text import quote

Outcome = Literal["hit", "miss", "unknown"]
RuleEffect = Literal["allow", "hold", "deny"]

_HOLDS = {
    "eq": "=",
    "neq": "!=",
    "in": "in",
    "not_in": "not in",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "regex": "matches",
    "contains": "contains",
}
_FAILS = {
    "eq": "!=",
    "neq": "=",
    "in": "not in",
    "not_in": "in",
    "lt": ">=",
    "lte": ">",
    "gt": "<=",
    "gte": "<",
    "regex": "does not match",
    "contains": "does not contain",
}
_EFFECTS: dict[Effect, RuleEffect] = {Effect.ALLOW: "allow", Effect.HOLD: "hold", Effect.DENY: "deny"}


class RuleExplanation(Struct, frozen=True):
    """What one rule said. `hit`: it bears on the call; `miss`: it does not; `unknown`: it could not be evaluated.

    `effect` is what it says if it is hit. A rule that only states conditions is hit when one of them fails.
    `details` are texts safe to show; `charges` is what it spends if the call is allowed. `not_checked` names the
    keys of `validate` that need the tool's input schema, if that was to be left open.
    """

    outcome: Outcome
    effect: RuleEffect
    rule: str
    tool: str
    details: tuple[str, ...]
    source: Source
    reasons: tuple[Reason, ...] = ()
    charges: tuple[Charge, ...] = ()
    guards: tuple[Guard, ...] = ()
    not_checked: tuple[str, ...] = ()


class Explanation(Struct, frozen=True):
    """`effect`, `reasons`, `charges`, `guards` and `hidden` are those of the decision.

    If a rule has anything in `not_checked`, they are what the decision would be if those checks passed.
    """

    tool: str
    effect: Effect
    reasons: tuple[Reason, ...]
    charges: tuple[Charge, ...]
    guards: tuple[Guard, ...]
    hidden: bool
    rules: tuple[RuleExplanation, ...]


class _UncheckedSchema:
    """Stands for an input schema that is not at hand: finds no fault, and says nothing of any."""

    def missing_required(self, arguments: dict[str, Any]) -> list[str]:  # noqa: ARG002
        return []

    def first_violation(self, value: Any) -> None:  # noqa: ARG002
        return None


_UNCHECKED = _UncheckedSchema()


def explain(policy: Policy, request: Request, *, check_schema: bool = True) -> Explanation:
    """Explain what `policy.decide` says of the call. Never raises: a failure inside is explained as its denial.

    `check_schema` False leaves open what needs the tool's input schema: the rules name it in `not_checked`.
    """
    if not check_schema:
        request = replace(request, schema=_UNCHECKED)
    try:
        decision, judged = policy.plan(request.tool).judge(request)
        rules = tuple(_explain_rule(rule, found, request) for rule, found in judged)
    except Exception:
        return _explanation(request, policy.decide(request), ())
    return _explanation(request, decision, tuple(sorted(rules, key=_order)))


def _explanation(request: Request, decision: Decision, rules: tuple[RuleExplanation, ...]) -> Explanation:
    return Explanation(
        request.tool,
        decision.effect,
        decision.reasons,
        decision.charges,
        decision.guards,
        decision.hidden,
        rules,
    )


_RANK = {"hit": 0, "unknown": 1, "miss": 2}
_STRICTEST = {"deny": 0, "hold": 1, "allow": 2}


def _order(rule: RuleExplanation) -> tuple[int, int, int, int]:
    return (_RANK[rule.outcome], _STRICTEST[rule.effect], rule.source.line, rule.source.column)


def _explain_rule(rule: CompiledRule, found: Contribution | None, request: Request) -> RuleExplanation:
    outcome, details = _outcome(rule, found, request)
    if found is None:
        return RuleExplanation(
            outcome, _nature(rule), rule.label, rule.tool.pattern, details, rule.rule.source
        )
    return RuleExplanation(
        outcome,
        _EFFECTS[max(reason.effect for reason in found.reasons)] if found.reasons else _nature(rule),
        rule.label,
        rule.tool.pattern,
        details,
        rule.rule.source,
        found.reasons,
        found.charges,
        found.guards,
        _not_checked(rule, request),
    )


def _not_checked(rule: CompiledRule, request: Request) -> tuple[str, ...]:
    validate = rule.rule.validate
    if validate is None or request.schema is not _UNCHECKED:
        return ()
    keys = (("required_args", validate.required_args), ("schema", validate.schema))
    return tuple(key for key, wanted in keys if wanted)


def _outcome(
    rule: CompiledRule, found: Contribution | None, request: Request
) -> tuple[Outcome, tuple[str, ...]]:
    if found is None:
        return "miss", _describe(rule.when, request, wanted=False)
    if found.applies is None:
        return "unknown", _describe(rule.when, request, wanted=None)
    details = _describe(rule.when, request, wanted=True)
    if rule.require or rule.forbid:
        return _stated(rule, found, request, details)
    if not found.reasons and _not_checked(rule, request):
        return "unknown", details
    return "hit", details + _other_reasons(found)


def _stated(
    rule: CompiledRule, found: Contribution, request: Request, details: tuple[str, ...]
) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome of a rule with conditions that must hold, or must not."""
    clauses = [rule.require, *rule.forbid]
    if not found.reasons:
        every = tuple(text for clause in clauses for text in _describe(clause, request))
        return ("hit" if found.charges or found.guards else "miss"), details + every
    failing = _describe(rule.require, request, wanted=False)
    unknown = tuple(text for clause in clauses for text in _describe(clause, request, wanted=None))
    met = tuple(
        text for clause in rule.forbid if _all_hold(clause, request) for text in _describe(clause, request)
    )
    certain = failing + met
    rest = _other_reasons(found)
    if not certain and unknown and not rest:
        return "unknown", details + unknown
    return "hit", details + certain + unknown + rest


def _all_hold(clause: Judged, request: Request) -> bool:
    return all(predicate(request) is True for _, predicate in clause)


def _other_reasons(found: Contribution) -> tuple[str, ...]:
    """What checks and costs had to say; conditions are described with their values instead."""
    from callgate import denial_codes as code

    told = (code.RULE_DENIES, code.CONDITION_NOT_MET, code.CONDITION_FORBIDDEN)
    return tuple(reason.text for reason in found.reasons if reason.code not in told)


def _nature(rule: CompiledRule) -> RuleEffect:
    """What the rule is for: a rule that only states conditions exists to deny."""
    plain = rule.rule
    if plain.action == "deny":
        return "deny"
    if plain.action == "require_approval":
        return "hold"
    only_states = (plain.require or plain.forbid) and not (plain.limits or plain.counts or plain.validate)
    return "deny" if only_states else "allow"


_EITHER = object()


def _describe(judged: Judged, request: Request, wanted: object = _EITHER) -> tuple[str, ...]:
    """Say of each condition how it came out; only of those that came out as `wanted`, if that is given."""
    texts: list[str] = []
    for condition, predicate in judged:
        holds = predicate(request)
        if wanted is _EITHER or holds is wanted:
            texts.append(_describe_one(condition, holds, request))
    return tuple(texts)


def _describe_one(condition: Condition, holds: bool | None, request: Request) -> str:
    name = _short_path(condition.path)
    value = compile_path(condition.path)(request)
    if condition.op == "exists":
        there = value is not ABSENT and value is not None
        return f"{name} is {'given' if there else 'not given'}"
    if holds is None:
        if value is ABSENT:
            return f"no {quote(show_path(condition.path))}: counted as strict"
        return f"{name} {show_value(value, 40)} cannot be compared: counted as strict"
    sign = (_HOLDS if holds else _FAILS)[condition.op]
    return f"{name} {show_value(value, 40)} {sign} {show_value(condition.value, 60)}"


def _short_path(path: Path) -> str:
    return quote(show_path(path[1:] if path[0] == "args" and len(path) > 1 else path))[1:-1]
