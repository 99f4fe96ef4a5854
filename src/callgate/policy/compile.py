"""Document → Policy: which entries a tool name meets, and a plan for each name that calls.

A policy is immutable; the plans of names seen are kept, in bounded number, because they follow from it alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from callgate import denial_codes as code
from callgate.decision import Decision, Effect, Reason, Request
from callgate.diagnostics import Source
from callgate.policy.entries import Entry, NameIndex
from callgate.policy.meters import Meter, compile_guard, compile_meters
from callgate.policy.model import Document, Tool
from callgate.policy.name_patterns import compile_pattern, is_everything
from callgate.policy.plan import Plan
from callgate.policy.rules import CompiledRule, rule_label
from callgate.text import quote

if TYPE_CHECKING:
    from callgate.policy.budgets import Budgets

MAX_PLANS = 4096
"""Plans kept; when a hostile caller has invented that many names, all are made anew."""

LONGEST_KEPT_NAME = 256


class Policy:
    """A compiled policy: plain functions of the request, shared freely, never changed."""

    __slots__ = (
        "_budgets",
        "_methods",
        "_names",
        "_plans",
        "_rules",
        "document",
        "hides_anything",
        "outlives_process",
        "revision",
    )

    def __init__(self, document: Document, shown: str | None = None) -> None:
        self.document = document
        self.revision: str = document.revision
        self.hides_anything: bool = bool(document.hide)
        self.outlives_process: bool = any(map(_outlives_process, document.tools))
        """Whether a counter is to be kept when the process ends."""
        self._methods = [compile_pattern(pattern) for pattern in document.allow_methods]
        self._names = NameIndex(document, shown)
        self._rules = _compile_rules(document.tools)
        self._plans: dict[str, Plan] = {}
        self._budgets: Budgets | None = None

    def decide(self, request: Request) -> Decision:
        """Return what the policy alone says of one call. Pure; never raises: what goes wrong inside denies."""
        try:
            plan = self._plans.get(request.tool)
            if plan is None:
                plan = self.plan(request.tool)
            return plan.decide(request)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # A panic of a native library is no Exception.
            return _failed(error)

    def plan(self, tool: str) -> Plan:
        """Return the plan for one tool name."""
        plan = self._plans.get(tool)
        if plan is None:
            plan = self._make_plan(tool)
            if len(tool) <= LONGEST_KEPT_NAME:
                if len(self._plans) >= MAX_PLANS:
                    self._plans.clear()
                self._plans[tool] = plan
        return plan

    def needs_schema(self, tool: str) -> bool:
        """Whether a rule that may apply to `tool` needs the tool's own input schema."""
        return self.plan(tool).needs_schema

    def hides(self, tool: str) -> bool:
        """Whether `tool` is to be absent from lists and answered as unknown."""
        return self.hides_anything and self.plan(tool).hidden

    def never_allows(self, tool: str) -> bool:
        """Whether every call of `tool` is certain to be denied, whoever calls it with whatever arguments."""
        plan = self.plan(tool)
        if plan.reasons or any(rule.rule.action == "deny" and not rule.rule.when for rule in plan.rules):
            return True
        may_grant = (
            rule.rule.action == "require_approval"
            or (rule.rule.action == "allow" and not is_everything(rule.tool.pattern))
            for rule in plan.rules
        )
        return plan.ungranted is not None and not any(may_grant)

    def allows_method(self, method: str) -> bool:
        """Whether a method outside the protocol may pass."""
        return any(matches(method) for matches in self._methods)

    @property
    def budgets(self) -> "Budgets":
        """What one execution of `callgate runner` may do. `decide` knows nothing of it."""
        if self._budgets is None:
            from callgate.policy.budgets import Budgets

            self._budgets = Budgets(self.document)
        return self._budgets

    def _make_plan(self, tool: str) -> Plan:
        met = self._names.meet(tool)
        rules = [rule for entry in met.entries for rule in self._rules[entry.index]]
        rules.sort(key=_place)
        reasons: tuple[Reason, ...] = ()
        if met.resembles:
            text = f"{quote(tool)} only resembles a name in the policy; use a name exactly as tools/list gives it"
            reasons = (Reason(Effect.DENY, code.CONFUSABLE_NAME, "", text),)
        return Plan(rules, reasons, self._ungranted(tool, met.entries), hidden=met.hidden)

    def _ungranted(self, tool: str, entries: Sequence[Entry]) -> Reason | None:
        """The reason to deny what no rule grants; None if nothing needs to be granted."""
        document = self.document
        if document.default == "allow":
            return None
        listed = [entry for entry in entries if not entry.is_everything]
        if not listed:
            text = f"{quote(tool)} is not on the policy's list of allowed tools"
        elif document.form != "native" or any(not entry.tool.rules for entry in listed):
            # Intercept and hosted files allow a tool by listing it; their rules can only take away.
            return None
        elif any(rule.action == "allow" for entry in listed for rule in entry.tool.rules):
            text = f"the policy allows {quote(tool)} only in cases that this call is none of"
        else:
            text = f"the policy does not allow {quote(tool)}"
        return Reason(Effect.DENY, code.DEFAULT_DENY, "default", text)


def compile_policy(document: Document, *, shown: str | None = None) -> Policy:
    """Return the policy that `document` describes. Compiling is linear in the number of rules.

    `shown` is a tool that is never hidden, whatever the document hides.
    """
    return Policy(document, shown)


def _compile_rules(tools: Sequence[Tool]) -> list[tuple[CompiledRule, ...]]:
    meters = compile_meters(tools, rule_label)
    by_tool: list[tuple[Tool, Meter]] = [
        (tools[place[0]], meter) for place, found in meters.items() for meter in found
    ]
    return [
        tuple(
            CompiledRule(
                tool,
                rule,
                meters.get((tool_index, rule_index), ()),
                [
                    compile_guard(bound, by_tool, rule_label(tool, rule), rule.reason)
                    for bound in rule.state_bounds
                ],
                rule_label(tool, rule),
            )
            for rule_index, rule in enumerate(tool.rules)
        )
        for tool_index, tool in enumerate(tools)
    ]


def _outlives_process(tool: Tool) -> bool:
    scopes = {limit.scope for rule in tool.rules for limit in rule.limits}
    scopes.update(count.scope for rule in tool.rules for count in rule.counts)
    return not scopes <= {"session"}


def _place(rule: CompiledRule) -> tuple[str, str, int, int]:
    source: Source = rule.rule.source
    return (rule.tool.pattern, rule.label, source.line, source.column)


def _failed(error: BaseException) -> Decision:
    text = f"the policy could not judge this call ({type(error).__name__})"
    return Decision(Effect.DENY, (Reason(Effect.DENY, code.INTERNAL, "", text),))
