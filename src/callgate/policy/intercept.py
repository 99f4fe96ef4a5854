"""Intercept's published form (`version: "1"`) → Document, with its meaning unchanged and its holes closed.

A rule states what must hold. Windows are of the calendar, in UTC, and counters belong to everybody: the
original keeps one store for all sessions. A counter without a bound of its own is counted here and not there.
"""

from callgate.policy.condition_syntax import read_condition, read_operator
from callgate.policy.findings import Findings
from callgate.policy.intercept_limits import SHORT, any_text, present, read_short, read_state
from callgate.policy.model import Condition, Count, Document, Path, RateLimit, Rule, StateBound, Tool
from callgate.policy.named_counters import Counter, Counters, read_unit
from callgate.policy.shared import name_is_exact, read_default, read_hide
from callgate.policy.values import (
    Fields,
    choice,
    describe,
    fields,
    items,
    mapping,
    name_is_usable,
    path,
)
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode
from callgate.text import quote

_TOP = ("version", "description", "default", "hide", "tools")
_RULE = ("name", "action", "conditions", "on_deny", "rate_limit", "state")
_CONDITION = ("path", "op", "value")


_FOREIGN = {
    "when": "that is a key of the native form; write `conditions`",
    "validate": "that is a key of the native form; write `conditions`",
    "reason": "that is a key of the native form; write `on_deny`",
    "allow_methods": "that is a key of the native form",
}


def read_intercept(root: MapNode, file: str, revision: str, findings: Findings) -> Document:
    """Return what the file says; with errors in `findings` the result is not to be used."""
    found = present(fields(root, _TOP, "at the top of the file", findings, _FOREIGN.get))
    tools = mapping(found["tools"][1], "`tools`", findings) if "tools" in found else None
    entries = [
        (key, _rules_of(key, value, findings))
        for key, value in (tools.entries if tools else ())
        if name_is_exact(key, findings)
    ]
    counters = Counters()
    for key, rules in entries:
        for rule in rules:
            _declare(rule, key.text, counters, findings)
    return Document(
        "intercept",
        file,
        revision,
        default=read_default(found, findings),
        hide=read_hide(found, findings, exact=True),
        tools=tuple(
            Tool(
                key.text, key.source, tuple(_read_rule(rule, key.text, counters, findings) for rule in rules)
            )
            for key, rules in entries
        ),
        description=any_text(found, "description", findings),
    )


def _rules_of(key: ScalarNode, value: Node, findings: Findings) -> list[MapNode]:
    if isinstance(value, ScalarNode) and value.kind == "null":
        return []
    tool = mapping(value, f"tool {quote(key.text, 60)}", findings)
    if tool is None:
        return []
    found = present(fields(tool, ("rules",), f"in tool {quote(key.text, 60)}", findings, _tool_hint))
    if "rules" not in found:
        return []
    nodes = items(found["rules"][1], f"`rules` of {quote(key.text, 60)}", findings) or ()
    rules = [mapping(node, f"a rule of {quote(key.text, 60)}", findings) for node in nodes]
    return [rule for rule in rules if rule is not None]


def _tool_hint(key: str) -> str | None:
    return f"{quote(key)} belongs in a rule, under `rules`" if key in _RULE else None


def _entry(rule: MapNode, key: str) -> tuple[ScalarNode, Node] | None:
    return next((pair for pair in rule.entries if pair[0].text == key), None)


def _declare(rule: MapNode, tool: str, counters: Counters, findings: Findings) -> None:
    """Make the rule's counter known before any rule is read: rules may refer to each other's counters."""
    short, state = _entry(rule, "rate_limit"), _entry(rule, "state")
    if short is not None and isinstance(short[1], ScalarNode):
        # A rule that is wrong by itself would only be called a duplicate on top of that.
        _, _, unit = short[1].text.partition("/")
        action = _entry(rule, "action")
        denies = action is not None and isinstance(action[1], ScalarNode) and action[1].text == "deny"
        alone = state is None and _entry(rule, "conditions") is None and not denies
        if alone and unit in ("minute", "hour", "day") and SHORT.fullmatch(short[1].text):
            counters.declare(Counter(tool, f"_rate_{unit}", read_unit(unit)), short[1].source, findings)
    if state is None or not isinstance(state[1], MapNode):
        return
    name, window = _entry(state[1], "counter"), _entry(state[1], "window")
    if name is not None and isinstance(name[1], ScalarNode) and name[1].text:
        unit = window[1].text if window is not None and isinstance(window[1], ScalarNode) else ""
        counters.declare(Counter(tool, name[1].text, read_unit(unit)), name[1].source, findings)


def _read_rule(rule: MapNode, tool: str, counters: Counters, findings: Findings) -> Rule:
    found = present(fields(rule, _RULE, f"in a rule of {quote(tool, 60)}", findings, _FOREIGN.get))
    name = any_text(found, "name", findings)
    if name is None:
        findings.error("POL004", f"a rule of {quote(tool, 60)} needs a `name`", rule.source, "give it a name")
    else:
        name_is_usable(name, "a rule's name", found["name"][1].source, findings)
    action = "evaluate"
    if "action" in found:
        hints = {"allow": "write `evaluate` with conditions, or `rules: []`"}
        action = choice(found["action"][1], ("evaluate", "deny"), "`action`", findings, hints) or "evaluate"
    reason = any_text(found, "on_deny", findings) or None
    _check_combination(found, action, rule, findings)
    conditions: list[Condition] = []
    bounds: list[StateBound] = []
    if "conditions" in found:
        for node in items(found["conditions"][1], "`conditions`", findings) or ():
            read = _read_condition(node, counters, findings)
            if isinstance(read, StateBound):
                bounds.append(read)
            elif read is not None:
                conditions.append(read)
    limits: tuple[RateLimit, ...] = ()
    counts: tuple[Count, ...] = ()
    if "rate_limit" in found:
        limits = read_short(found["rate_limit"][1], tool, findings)
    elif "state" in found:
        limits, counts, bounds = read_state(found["state"][1], tool, bounds, findings)
    if action == "deny":
        return Rule(rule.source, name=name, action="deny", reason=reason)
    return Rule(
        rule.source,
        name=name,
        require=tuple(conditions),
        limits=limits,
        counts=counts,
        state_bounds=tuple(bounds),
        reason=reason,
    )


def _check_combination(found: Fields, action: str, rule: MapNode, findings: Findings) -> None:
    conditions = found.get("conditions")
    has_conditions = conditions is not None and not (
        isinstance(conditions[1], ListNode) and not conditions[1].items
    )
    if "rate_limit" in found:
        short = found["rate_limit"][0]
        if has_conditions or "state" in found:
            findings.error(
                "POL007", "`rate_limit` cannot be combined with `conditions` or `state`", short.source,
                "write two rules, or spell the limit out with `conditions` and `state`",
            )  # fmt: skip
        if action == "deny":
            findings.error("POL007", "a deny rule cannot have `rate_limit`", short.source, "write two rules")
        return
    if action == "deny" and has_conditions and conditions is not None:
        findings.error(
            "POL007", "a deny rule cannot have `conditions`: it refuses every call", conditions[0].source,
            "leave out `action`: conditions say what must hold, else the call is denied",
        )  # fmt: skip
    if action == "evaluate" and not has_conditions:
        findings.error("POL073", "a rule without `action: deny` needs a condition", rule.source,
                       "add `conditions` or `rate_limit`; to allow the tool write `rules: []`")  # fmt: skip


def _read_condition(node: Node, counters: Counters, findings: Findings) -> Condition | StateBound | None:
    condition = mapping(node, "a condition", findings)
    if condition is None:
        return None
    found = fields(condition, _CONDITION, "in a condition", findings)
    for key in _CONDITION:
        if key not in found:
            findings.error("POL004", f"a condition needs `{key}`", node.source)
    operator_node = found["op"][1] if "op" in found else None
    operator = None
    if isinstance(operator_node, ScalarNode):
        operator = read_operator(operator_node, findings)
    elif operator_node is not None:
        findings.error("POL002", f"`op` must be text, found {describe(operator_node)}", operator_node.source)
    where: Path | None = None
    counter: Counter | None = None
    if "path" in found:
        path_node = found["path"][1]
        if isinstance(path_node, ScalarNode) and path_node.text.startswith("state."):
            counter = counters.find(path_node, findings)
        else:
            where = path(path_node, "`path`", findings, args_only=True, also="state.")
    if operator is None or "value" not in found:
        return None
    read = read_condition(where or ("args", "unknown"), operator, found["value"][1], findings)
    if read is None or (where is None and counter is None):
        return None
    if counter is None:
        return read
    if operator == "regex" or operator == "contains":
        findings.error(
            "POL072",
            f"operator `{operator}` cannot look at a counter",
            found["op"][1].source,
            "compare a number",
        )
        return None
    return StateBound(counter.tool, counter.name, counter.window, operator, read.value, node.source)
