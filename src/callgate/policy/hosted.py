"""The hosted JSON form → Document. Little of it is published: all beyond that is an error, not a guess."""

from typing import Literal

from callgate.diagnostics import Source
from callgate.policy.condition_syntax import read_condition, read_operator
from callgate.policy.findings import Findings
from callgate.policy.model import Condition, Document, RateLimit, Rule, Tool
from callgate.policy.named_counters import read_unit
from callgate.policy.shared import name_is_exact, read_default, read_hide
from callgate.policy.values import Fields, choice, fields, items, mapping, name, number, path, string
from callgate.policy.yaml_tree import MapNode, Node, ScalarNode
from callgate.text import quote

_TOP = ("version", "default", "hide", "all_tools", "tools")
_TOOL = ("require", "deny_if", "limits")
_CLAUSE = ("conditions", "on_deny")
_CONDITION = ("path", "op", "value")
_LIMIT = ("counter", "window", "max", "scope")


def _unpublished(_key: str) -> str:
    return "this is all that is published of the hosted form; the rest is refused, not guessed"


def read_hosted(root: MapNode, file: str, revision: str, findings: Findings) -> Document:
    """Return what the file says; with errors in `findings` the result is not to be used."""
    found = fields(root, _TOP, "at the top of a hosted policy", findings, _unpublished)
    counters: dict[str, Source] = {}
    tools: list[Tool] = []
    if "all_tools" in found:
        key, value = found["all_tools"]
        everything = mapping(value, "`all_tools`", findings)
        if everything is not None:
            inner = fields(everything, ("limits",), "in `all_tools`", findings, _unpublished)
            limits = _read_limits(inner, counters, findings)
            if limits:
                tools.append(Tool("*", key.source, (Rule(key.source, limits=limits),)))
    named = mapping(found["tools"][1], "`tools`", findings) if "tools" in found else None
    for key, value in named.entries if named else ():
        if key.text == "*":
            findings.error("POL074", "`*` is not a tool of this form", key.source, "write `all_tools`")
        elif name_is_exact(key, findings):
            tools.append(_read_tool(key, value, counters, findings))
    return Document(
        "hosted",
        file,
        revision,
        default=read_default(found, findings),
        hide=read_hide(found, findings, exact=True),
        tools=tuple(tools),
    )


def _read_tool(key: ScalarNode, value: Node, counters: dict[str, Source], findings: Findings) -> Tool:
    node = mapping(value, f"tool {quote(key.text, 60)}", findings)
    if node is None:
        return Tool(key.text, key.source)
    found = fields(node, _TOOL, f"in tool {quote(key.text, 60)}", findings, _unpublished)
    rules = [*_read_clauses(found, "require", findings), *_read_clauses(found, "deny_if", findings)]
    limits = _read_limits(found, counters, findings)
    if limits:
        rules.append(Rule(found["limits"][0].source, limits=limits))
    return Tool(key.text, key.source, tuple(rules))


def _read_clauses(found: Fields, key: Literal["require", "deny_if"], findings: Findings) -> list[Rule]:
    if key not in found:
        return []
    rules: list[Rule] = []
    for node in items(found[key][1], f"`{key}`", findings) or ():
        clause = mapping(node, f"an item of `{key}`", findings)
        if clause is None:
            continue
        inner = fields(clause, _CLAUSE, f"in `{key}`", findings, _unpublished)
        conditions = _read_conditions(inner, findings)
        reason = string(inner["on_deny"][1], "`on_deny`", findings) if "on_deny" in inner else None
        if key == "deny_if":
            rules.append(Rule(node.source, forbid=(conditions,), reason=reason))
        elif conditions:
            rules.append(Rule(node.source, require=conditions, reason=reason))
        elif not inner.get("conditions"):
            findings.error("POL004", "an item of `require` needs `conditions`", node.source)
        else:
            findings.error("POL027", "`conditions` of `require` is empty", inner["conditions"][1].source)
    return rules


def _read_conditions(found: Fields, findings: Findings) -> tuple[Condition, ...]:
    if "conditions" not in found:
        return ()
    conditions: list[Condition] = []
    for node in items(found["conditions"][1], "`conditions`", findings) or ():
        condition = _read_condition(node, findings)
        if condition is not None:
            conditions.append(condition)
    return tuple(conditions)


def _read_condition(node: Node, findings: Findings) -> Condition | None:
    map_node = mapping(node, "a condition", findings)
    if map_node is None:
        return None
    found = fields(map_node, _CONDITION, "in a condition", findings, _unpublished)
    for key in _CONDITION:
        if key not in found:
            findings.error("POL004", f"a condition needs `{key}`", node.source)
    operator = None
    if "op" in found and string(found["op"][1], "`op`", findings) is not None:
        operator_node = found["op"][1]
        if isinstance(operator_node, ScalarNode):
            operator = read_operator(operator_node, findings)
    where = path(found["path"][1], "`path`", findings, args_only=True) if "path" in found else None
    if operator is None or "value" not in found:
        return None
    return read_condition(where or ("args", "unknown"), operator, found["value"][1], findings)


def _read_limits(found: Fields, counters: dict[str, Source], findings: Findings) -> tuple[RateLimit, ...]:
    if "limits" not in found:
        return ()
    limits: list[RateLimit] = []
    for node in items(found["limits"][1], "`limits`", findings) or ():
        limit = _read_limit(node, counters, findings)
        if limit is not None:
            limits.append(limit)
    return tuple(limits)


def _read_limit(node: Node, counters: dict[str, Source], findings: Findings) -> RateLimit | None:
    map_node = mapping(node, "a limit", findings)
    if map_node is None:
        return None
    found = fields(map_node, _LIMIT, "in a limit", findings, _unpublished)
    for key in _LIMIT:
        if key not in found:
            findings.error("POL004", f"a limit needs `{key}`", node.source)
    counter = name(found["counter"][1], "`counter`", findings) if "counter" in found else None
    if counter is not None:
        first = counters.setdefault(counter, node.source)
        if first is not node.source:
            findings.error(
                "POL071",
                f"the counter {quote(counter)} has two limits",
                found["counter"][1].source,
                f"the other is on line {first.line}; it is not published whether they would share it",
            )
    unit = (
        choice(found["window"][1], ("minute", "hour", "day"), "`window`", findings)
        if "window" in found
        else None
    )
    if "scope" in found:
        choice(found["scope"][1], ("grant",), "`scope`", findings)
    maximum = number(found["max"][1], "`max`", findings) if "max" in found else None
    if maximum is not None and (maximum < 0 or maximum != int(maximum)):
        findings.error("POL052", "`max` must be a whole number, not negative", found["max"][1].source)
    if counter is None or unit is None or maximum is None:
        return None
    return RateLimit(int(maximum), read_unit(unit), node.source, scope="grant", counter=counter)
