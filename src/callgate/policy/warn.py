"""Warnings about what can never apply or never matter. Only what can be proved from the file alone."""

from decimal import Decimal

from msgspec import Struct

from callgate.decision import CalendarWindow, SlidingWindow, Window
from callgate.diagnostics import Source
from callgate.policy.findings import Findings
from callgate.policy.model import Condition, Document, RateLimit, Rule, Tool
from callgate.policy.name_patterns import compile_pattern, is_pattern
from callgate.policy.source_text import SourceText
from callgate.policy.warn_grants import warn_of_free_counters, warn_of_ungranted
from callgate.policy.warn_regex import warn_of_evaded_expressions
from callgate.text import quote


def warn(document: Document, text: SourceText, findings: Findings) -> None:
    """Record every warning about `document`, which must be free of errors."""
    for place in text.invisible():
        findings.warning("POL109", "an invisible character", place, "delete it, unless a script needs it")
    _warn_of_default(document, findings)
    _warn_of_budgets(document, findings)
    denials = [tool for tool in document.tools if any(_denies_all(rule) for rule in tool.rules)]
    for tool in document.tools:
        _warn_of_hidden(tool, document, findings)
        denied = _denial_over(tool, denials)
        if denied is not None:
            _warn_of_denied(tool, denied, findings)
        _warn_of_rules(tool, document, findings)
        warn_of_ungranted(tool, document, findings)
        warn_of_free_counters(tool, findings)
        warn_of_evaded_expressions(tool, findings)


def _denies_all(rule: Rule) -> bool:
    return rule.action == "deny" and not rule.when


def _warn_of_default(document: Document, findings: Findings) -> None:
    if document.default != "deny":
        return
    if all(tool.pattern == "*" for tool in document.tools):
        source = document.tools[0].source if document.tools else Source(document.file, 1, 1)
        findings.warning(
            "POL110",
            "no tool is listed, so every call is denied",
            source,
            "list the tools to allow under `tools`",
        )


def _warn_of_budgets(document: Document, findings: Findings) -> None:
    budget = document.per_execution
    if budget is None or budget.max_calls is None:
        return
    for each in budget.tools:
        if each.max >= budget.max_calls:
            called = quote(each.pattern, 60)
            message = f"the budget of {called} never matters: no execution may make more than {budget.max_calls} calls"
            findings.warning("POL115", message, each.source, "make it smaller than `max_calls`, or delete it")


def _warn_of_hidden(tool: Tool, document: Document, findings: Findings) -> None:
    for pattern, source in document.hide:
        if tool.rules and _covers(pattern, tool.pattern):
            findings.warning(
                "POL103",
                f"the rules of {quote(tool.pattern, 60)} never matter: the tool is hidden",
                tool.source,
                f"it is hidden on line {source.line}",
            )
            return


def _covers(pattern: str, other: str) -> bool:
    """Say whether everything that `other` matches is certain to match `pattern`."""
    if pattern in ("*", other):
        return True
    return not is_pattern(other) and compile_pattern(pattern)(other)


def _denial_over(tool: Tool, denials: list[Tool]) -> Rule | None:
    """Return an unconditional deny rule that applies whenever the rules of `tool` do."""
    for denying in denials:
        if denying is tool or _covers(denying.pattern, tool.pattern):
            return next(rule for rule in denying.rules if _denies_all(rule))
    return None


def _warn_of_denied(tool: Tool, denial: Rule, findings: Findings) -> None:
    for rule in tool.rules:
        if rule is not denial and not _denies_all(rule):
            findings.warning(
                "POL101",
                f"this rule never matters: {quote(tool.pattern, 60)} is always denied",
                rule.source,
                f"by the rule on line {denial.source.line}",
            )


def _warn_of_rules(tool: Tool, document: Document, findings: Findings) -> None:
    seen: dict[str, Source] = {}
    for rule in tool.rules:
        first = seen.setdefault(_meaning(rule), rule.source) if len(tool.rules) > 1 else rule.source
        if first is not rule.source:
            findings.warning(
                "POL105", "this rule is a duplicate", rule.source, f"the first is on line {first.line}"
            )
        contradiction = _contradiction(rule.when)
        if contradiction is not None:
            findings.warning(
                "POL102",
                contradiction[0],
                contradiction[1],
                "change one of the conditions",
            )
        if rule.action == "allow" and not _can_deny(rule):
            if rule.reason is not None:
                findings.warning(
                    "POL111", "the reason is never shown: nothing in this rule refuses a call", rule.source
                )
            if tool.pattern == "*" and document.default == "deny" and document.form == "native":
                findings.warning(
                    "POL106",
                    '`"*"` lists no tool, so this rule changes nothing under `default: deny`',
                    rule.source,
                    "name the tools to allow",
                )
        _warn_of_limits(rule, findings)


def _can_deny(rule: Rule) -> bool:
    return bool(
        rule.require or rule.forbid or rule.limits or rule.state_bounds or rule.counts or rule.validate
    )


def _meaning(rule: Rule) -> str:
    """Return a text that is the same only for rules that say the same; places do not count."""
    return repr(_without_places(rule))


def _without_places(value: object) -> object:
    if isinstance(value, Struct):
        return [_without_places(getattr(value, name)) for name in value.__struct_fields__ if name != "source"]
    return [_without_places(item) for item in value] if isinstance(value, tuple) else value


def _warn_of_limits(rule: Rule, findings: Findings) -> None:
    for limit in rule.limits:
        if limit.max == 0:
            findings.warning(
                "POL108", "this limit admits nothing", limit.source, "write `action: deny` to say so"
            )
            continue
        tighter = next((other for other in rule.limits if _makes_idle(other, limit)), None)
        if tighter is not None:
            findings.warning(
                "POL107",
                "this limit is never reached: another one is tighter",
                limit.source,
                f"the other is on line {tighter.source.line}",
            )


def _makes_idle(tight: RateLimit, loose: RateLimit) -> bool:
    """Say whether `tight` refuses whenever `loose` would: less room in at least as long a window."""
    if tight is loose or tight.max == 0 or tight.strict or loose.strict:
        return False
    if (tight.scope, tight.cost, tight.amount) != (loose.scope, loose.cost, loose.amount):
        return False
    if set(tight.per) != set(loose.per) or not _is_as_long(tight.window, loose.window):
        return False
    if tight.max == loose.max and tight.window == loose.window:
        # Equals: only the later one is idle.
        return (tight.source.line, tight.source.column) < (loose.source.line, loose.source.column)
    return tight.max <= loose.max


def _is_as_long(tight: Window, loose: Window) -> bool:
    if isinstance(tight, SlidingWindow) and isinstance(loose, SlidingWindow):
        return tight.milliseconds >= loose.milliseconds
    order = ("minute", "hour", "day")
    if isinstance(tight, CalendarWindow) and isinstance(loose, CalendarWindow):
        # Every minute lies in one hour and every hour in one day.
        return order.index(tight.unit) >= order.index(loose.unit)
    return False


def _contradiction(conditions: tuple[Condition, ...]) -> tuple[str, Source] | None:
    """Return why no value can meet all of `conditions`, and where, if that is certain.

    The rule may still apply: a condition whose argument is absent counts as strictly as it can.
    """
    by_path: dict[tuple[str, ...], list[Condition]] = {}
    for condition in conditions:
        if condition.op == "in" and not condition.value:
            return "no value is in an empty list", condition.source
        by_path.setdefault(condition.path, []).append(condition)
    for path, group in by_path.items():
        for index, one in enumerate(group):
            for other in group[:index]:
                if _exclude(one, other) or _exclude(other, one):
                    called = quote(".".join(path), 60)
                    return f"no value of {called} meets both `{other.op}` and `{one.op}`", one.source
    return None


_Number = int | Decimal


def _exclude(one: Condition, other: Condition) -> bool:
    """Say whether no value can meet both; only where the operators leave no doubt."""
    if one.op == "eq" and other.op == "eq":
        return _differ(one.value, other.value)
    if one.op == "eq" and other.op == "in":
        return all(_differ(one.value, each) for each in other.value)
    low, high = _number(one.value), _number(other.value)
    if low is None or high is None:
        return False
    if one.op in ("gt", "gte", "eq") and other.op in ("lt", "lte"):
        # An equal value passes only if neither side is strict.
        return low > high or (low == high and (one.op == "gt" or other.op == "lt"))
    if one.op == "eq" and other.op in ("gt", "gte"):
        return low < high or (low == high and other.op == "gt")
    return one.op == "eq" and other.op == "neq" and low == high


def _number(value: object) -> _Number | None:
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _differ(one: object, other: object) -> bool:
    """Say whether two plain values are certainly not equal; values of different types may still compare."""
    if isinstance(one, str) and isinstance(other, str):
        return one != other
    left, right = _number(one), _number(other)
    return left is not None and right is not None and left != right
