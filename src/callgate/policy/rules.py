"""One rule of one entry, compiled to a function from the request to what the rule contributes to the decision.

A rule contributes the same whatever other rules there are; `plan` puts contributions together. A condition that
cannot be evaluated makes a rule at least as strict as either outcome would (law 2): a deny rule denies, and an
allow rule's limits and checks apply while it grants nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from callgate import denial_codes as code
from callgate.decision import Charge, Effect, Guard, Reason, Request
from callgate.policy.arguments import Check, compile_validate
from callgate.policy.meters import Meter
from callgate.policy.model import Condition, Rule, Tool
from callgate.policy.name_patterns import is_everything
from callgate.policy.paths import show_path
from callgate.policy.predicates import Predicate, compile_condition, conjunction, is_fixed
from callgate.policy.wording import because, cannot_judge, must, needs_usable
from callgate.text import quote

GuardMaker = Callable[[Request], Guard | None]
Judged = tuple[tuple[Condition, Predicate], ...]


class Contribution(Struct, frozen=True):
    """What a rule adds to the decision.

    `applies` is None if a condition of `when` could not be evaluated. `grants`: under `default: deny` the call
    is one that the policy lists.
    """

    applies: bool | None = True
    grants: bool = False
    reasons: tuple[Reason, ...] = ()
    charges: tuple[Charge, ...] = ()
    guards: tuple[Guard, ...] = ()


Contribute = Callable[[Request], Contribution | None]
"""None: the rule does not apply."""

GRANTED = Contribution(grants=True)
APPLIES = Contribution()
UNKNOWN = Contribution(applies=None)


class CompiledRule:
    """`contribute` is all that a decision needs; the rest is for those who explain it.

    `is_fixed` says that every call of one tool by one caller gets the same contribution.
    """

    __slots__ = (
        "contribute",
        "forbid",
        "is_fixed",
        "label",
        "needs_schema",
        "require",
        "rule",
        "tool",
        "when",
    )

    def __init__(
        self, tool: Tool, rule: Rule, meters: Sequence[Meter], guards: Sequence[GuardMaker], label: str
    ) -> None:
        self.tool = tool
        self.rule = rule
        self.label = label
        self.when = _judged(rule.when)
        self.require = _judged(rule.require)
        self.forbid = tuple(_judged(clause) for clause in rule.forbid)
        self.needs_schema = False
        self.is_fixed = all(map(is_fixed, rule.when))
        applies = conjunction([predicate for _, predicate in self.when])
        if rule.action == "deny":
            self.contribute = _when(applies, *_deny(rule, label, self.when))
            return
        validate = rule.validate
        self.needs_schema = validate is not None and (validate.required_args or validate.schema)
        self.is_fixed = (
            self.is_fixed
            and all(map(is_fixed, rule.require))
            and all(is_fixed(condition) for clause in rule.forbid for condition in clause)
            and all(meter.is_fixed for meter in meters)
            and validate is None
        )
        hold = _hold(rule, label, self.when) if rule.action == "require_approval" else None
        # `"*"` is no list of tools: its rules bind, and rescue nothing.
        grants = hold is None and not is_everything(tool.pattern)
        checks = (
            *(_required(condition, predicate, rule, label) for condition, predicate in self.require),
            *(_forbidden(clause, rule, label) for clause in self.forbid),
            *compile_validate(rule, label),
        )
        known, unknown = (
            _constrain(known, grants, checks, tuple(meters), tuple(guards), hold, label)
            for known in (True, None)
        )
        self.contribute = _when(applies, known, unknown)


def rule_label(tool: Tool, rule: Rule) -> str:
    """Return the name a person knows the rule by: its own, or its entry and line."""
    return rule.name or f"{tool.pattern}:{rule.source.line}"


def _judged(conditions: Sequence[Condition]) -> Judged:
    return tuple((condition, compile_condition(condition)) for condition in conditions)


def _when(applies: Predicate | None, known: Any, unknown: Any) -> Contribute:
    """Choose by what `when` says; a Contribution that is ready needs no further call."""
    if applies is None:
        return known if callable(known) else lambda request: known  # noqa: ARG005
    if isinstance(known, Contribution) and isinstance(unknown, Contribution):

        def choose(request: Request) -> Contribution | None:
            holds = applies(request)
            if holds is False:
                return None
            return unknown if holds is None else known

        return choose

    make_known = known if callable(known) else lambda request: known  # noqa: ARG005
    make_unknown = unknown if callable(unknown) else lambda request: unknown  # noqa: ARG005

    def contribute(request: Request) -> Contribution | None:
        holds = applies(request)
        if holds is False:
            return None
        return make_unknown(request) if holds is None else make_known(request)  # type: ignore[no-any-return]

    return contribute


def _deny(rule: Rule, label: str, when: Judged) -> tuple[Contribute, Contribute]:
    def deny(applies: bool | None, text: str) -> Contribution:
        return Contribution(applies, reasons=(_reason(rule, label, code.RULE_DENIES, text),))

    def known(request: Request) -> Contribution:
        text = f"the policy denies {quote(request.tool)}{' with these arguments' if when else ''}"
        return deny(True, rule.reason or text)

    def unknown(request: Request) -> Contribution:
        return deny(None, cannot_judge(request.tool, _unjudged(when, request), rule.reason))

    return known, unknown


def _unjudged(conditions: Judged, request: Request) -> list[Condition]:
    return [condition for condition, predicate in conditions if predicate(request) is None]


def _hold(rule: Rule, label: str, when: Judged) -> Check:
    def hold(request: Request) -> Reason:
        text = rule.reason or f"{quote(request.tool)} needs a person's approval, and nobody has given it"
        unjudged = _unjudged(when, request)
        if unjudged:
            text = cannot_judge(request.tool, unjudged, text)
        return Reason(Effect.HOLD, code.NEEDS_APPROVAL, label, text, rule.source)

    return hold


def _required(condition: Condition, predicate: Predicate, rule: Rule, label: str) -> Check:
    failed = _reason(rule, label, code.CONDITION_NOT_MET, rule.reason or must(condition))
    unusable = failed
    if rule.reason:
        text = because(rule.reason, needs_usable([condition]))
        unusable = _reason(rule, label, code.CONDITION_NOT_MET, text)

    def check(request: Request) -> Reason | None:
        holds = predicate(request)
        return None if holds is True else unusable if holds is None else failed

    return check


def _forbidden(clause: Judged, rule: Rule, label: str) -> Check:
    holds = conjunction([predicate for _, predicate in clause])

    def check(request: Request) -> Reason | None:
        if holds is not None and holds(request) is False:
            return None
        text = rule.reason or f"the policy forbids this call of {quote(request.tool)}"
        unjudged = _unjudged(clause, request)
        if unjudged:
            text = cannot_judge(request.tool, unjudged, rule.reason)
        return _reason(rule, label, code.CONDITION_FORBIDDEN, text)

    return check


def _reason(rule: Rule, label: str, reason_code: str, text: str) -> Reason:
    return Reason(Effect.DENY, reason_code, label, text, rule.source)


def _constrain(
    applies: bool | None,
    grants: bool,
    checks: tuple[Check, ...],
    meters: tuple[Meter, ...],
    guards: tuple[GuardMaker, ...],
    hold: Check | None,
    label: str,
) -> Contribute | Contribution:
    """What an allow or require_approval rule does once it applies, or may apply."""
    grants = grants and applies is True
    passed = GRANTED if grants else UNKNOWN if applies is None else APPLIES
    if hold is not None:
        checks = (hold, *checks)
    if not checks and not meters and not guards:
        return passed
    if not meters and not guards:

        def check_only(request: Request) -> Contribution:
            for check in checks:
                if check(request) is not None:
                    return Contribution(applies, grants, _found(checks, request))
            return passed

        return check_only
    if not checks and not guards and len(meters) == 1:
        (meter,) = meters

        def charge_only(request: Request) -> Contribution:
            charge = meter.charge(request)
            if type(charge) is Charge:
                return Contribution(applies, grants, (), (charge,))
            return Contribution(applies, grants, (_uncharged(str(charge), meter, request, label),))

        return charge_only

    fixed_meters = all(meter.is_fixed for meter in meters) and not guards
    # The last caller, with the tool it called, and what that spends if every check passes. A rule is shared by
    # all tools that its pattern matches, and `per` may tell them apart.
    last: tuple[tuple[str, str, str, str, str | None], Contribution] | None = None

    def constrain(request: Request) -> Contribution:
        nonlocal last
        caller = (request.tool, request.session, request.identity, request.server, request.grant)
        clean = last
        if clean is not None and clean[0] == caller:
            for check in checks:
                if check(request) is not None:
                    break
            else:
                return clean[1]
        reasons = list(_found(checks, request))
        charges: list[Charge] = []
        for meter in meters:
            charge = meter.charge(request)
            if type(charge) is Charge:
                charges.append(charge)
            else:
                reasons.append(_uncharged(str(charge), meter, request, label))
        made = [guard(request) for guard in guards]
        # A guard whose counter cannot be named goes with a charge that cannot be made, which denied already.
        kept = tuple(guard for guard in made if guard is not None)
        found = Contribution(applies, grants, tuple(reasons), tuple(charges), kept)
        if fixed_meters and not reasons:
            last = (caller, found)
        return found

    return constrain


def _found(checks: tuple[Check, ...], request: Request) -> tuple[Reason, ...]:
    return tuple(reason for check in checks if (reason := check(request)) is not None)


def _uncharged(problem: str, meter: Meter, request: Request, label: str) -> Reason:
    if problem == "cost":
        path = quote(show_path(meter.cost_path or ()))
        text = f"{path} must be a number of 0 or more: the policy limits what it adds up to"
        return Reason(Effect.DENY, code.COST_UNUSABLE, label, text, meter.spent.source)
    paths = ", ".join(quote(show_path(path)) for path in meter.per)
    text = f"{paths} must be text, a number or a boolean: calls of {quote(request.tool)} are counted by it"
    return Reason(Effect.DENY, code.PER_UNUSABLE, label, text, meter.spent.source)
