"""The native form → Document. Reads everything it can and records every mistake with its place."""

from typing import Literal, cast

from callgate.policy.condition_syntax import read_condition, read_operator
from callgate.policy.executions import read_grant_secrets, read_per_execution
from callgate.policy.findings import Findings
from callgate.policy.keys import RULE, TOOL, TOP, VALIDATE, names
from callgate.policy.limits import read_limits
from callgate.policy.model import Action, Condition, Document, Rule, Tool, Validate
from callgate.policy.name_patterns import compile_pattern
from callgate.policy.protocol_methods import PROTOCOL_METHODS
from callgate.policy.shared import read_default, read_hide
from callgate.policy.values import (
    Fields,
    boolean,
    choice,
    describe,
    fields,
    items,
    mapping,
    name,
    path,
    pattern_is_usable,
    string,
)
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode
from callgate.text import quote

_ACTIONS = ("allow", "deny", "require_approval")

_TOP, _TOOL, _RULE, _VALIDATE = names(TOP), names(TOOL), names(RULE), names(VALIDATE)

_FOREIGN = {
    "conditions": "that is Intercept's key; write `when`, or `validate` for what must hold",
    "on_deny": "that is a key of other forms; write `reason`",
    "state": "that is Intercept's key; write `rate_limit` with `cost` and `scope`",
    "all_tools": 'that is a key of hosted files; write a tool `"*"`',
    "limits": "that is a key of hosted files; write `rate_limit` in a rule",
    "require": "that is a key of hosted files; write `validate` in a rule",
    "deny_if": "that is a key of hosted files; write a rule with `action: deny` and `when`",
    "version": "native files have no version",
}


def read_native(root: MapNode, file: str, revision: str, findings: Findings) -> Document:
    """Return what the file says; with errors in `findings` the result is not to be used."""
    found = fields(root, _TOP, "at the top of the file", findings, _FOREIGN.get)
    if not {"default", "hide", "tools", "per_execution", "grant_secrets"} & found.keys():
        findings.error(
            "POL023",
            "the policy rules nothing",
            root.source,
            "write `default: deny`, `hide`, `tools` or `per_execution`",
        )
    description = (
        string(found["description"][1], "`description`", findings) if "description" in found else None
    )
    return Document(
        "native",
        file,
        revision,
        default=read_default(found, findings),
        hide=read_hide(found, findings),
        tools=_read_tools(found, findings),
        allow_methods=_read_methods(found, findings),
        description=description,
        per_execution=read_per_execution(found, findings),
        grant_secrets=read_grant_secrets(found, findings),
    )


def _read_tools(found: Fields, findings: Findings) -> tuple[Tool, ...]:
    if "tools" not in found:
        return ()
    node = mapping(found["tools"][1], "`tools`", findings)
    if node is None:
        return ()
    return tuple(_read_tool(key, value, findings) for key, value in node.entries)


def _read_tool(key: ScalarNode, value: Node, findings: Findings) -> Tool:
    pattern_is_usable(key, "a tool's name", findings)
    called = quote(key.text, 60)
    if not isinstance(value, MapNode):
        help = "write `{rules: []}` to allow it without conditions"
        findings.error(
            "POL002", f"tool {called} must be a mapping, found {describe(value)}", value.source, help
        )
        return Tool(key.text, key.source)
    found = fields(value, _TOOL, f"in tool {called}", findings, _tool_hint)
    if "rules" not in found:
        if not value.entries:
            findings.error(
                "POL004", f"tool {called} needs `rules`", key.source, "write `rules: []` to allow it"
            )
        return Tool(key.text, key.source)
    nodes = items(found["rules"][1], f"`rules` of {called}", findings, "write `rules: []` to allow the tool")
    rules = tuple(_read_rule(node, called, findings) for node in nodes or ())
    return Tool(key.text, key.source, rules)


def _tool_hint(key: str) -> str | None:
    if key == "per_execution":
        return "write it at the top of the file: `per_execution: {tools: {NAME: 5}}`"
    if key in _RULE:
        return f"{quote(key)} belongs in a rule: write `rules: [{{{key}: …}}]`"
    return _FOREIGN.get(key)


def _read_rule(node: Node, tool: str, findings: Findings) -> Rule:
    if not isinstance(node, MapNode):
        help = (
            f"write `- action: {node.text}`"
            if isinstance(node, ScalarNode) and node.text in _ACTIONS
            else None
        )
        findings.error(
            "POL002", f"a rule of {tool} must be a mapping, found {describe(node)}", node.source, help
        )
        return Rule(node.source)
    found = fields(node, _RULE, f"in a rule of {tool}", findings, _rule_hint)
    action = _read_action(found, findings)
    if action == "deny":
        for key in ("rate_limit", "validate"):
            if key in found:
                findings.error(
                    "POL007",
                    f"a deny rule cannot have `{key}`: it refuses every call it applies to",
                    found[key][0].source,
                    f"move `{key}` to an allow rule, or say with `when` what to deny",
                )
    return Rule(
        node.source,
        name=name(found["name"][1], "`name`", findings) if "name" in found else None,
        action=action,
        when=_read_when(found["when"][1], findings) if "when" in found else (),
        limits=read_limits(found["rate_limit"][1], findings) if "rate_limit" in found else (),
        validate=_read_validate(*found["validate"], findings) if "validate" in found else None,
        reason=string(found["reason"][1], "`reason`", findings) if "reason" in found else None,
    )


def _rule_hint(key: str) -> str | None:
    if key in _VALIDATE:
        return f"write `validate: {{{key}: …}}`"
    if key in ("max", "window", "scope", "per", "cost"):
        return f"write `rate_limit: {{{key}: …}}`"
    return _FOREIGN.get(key)


_ACTION_HINTS = {"evaluate": "write `allow`", "block": "write `deny`", "hide": "list the tool under `hide`"}


def _read_action(found: Fields, findings: Findings) -> Action:
    if "action" not in found:
        return "allow"
    return cast(Action, choice(found["action"][1], _ACTIONS, "`action`", findings, _ACTION_HINTS) or "allow")


def _read_when(node: Node, findings: Findings) -> tuple[Condition, ...]:
    map_node = mapping(node, "`when`", findings)
    if map_node is None:
        return ()
    if not map_node.entries:
        findings.error("POL027", "`when` is empty", node.source, "name a condition, or leave `when` out")
    conditions: list[Condition] = []
    for key, value in map_node.entries:
        conditions.extend(_read_path_conditions(key, value, findings))
    return tuple(conditions)


def _read_path_conditions(key: ScalarNode, value: Node, findings: Findings) -> list[Condition]:
    where = path(key, "a path", findings)
    wanted = where or ("args", "unknown")
    if isinstance(value, ListNode):
        read = [read_condition(wanted, "in", value, findings)]
    elif isinstance(value, ScalarNode):
        read = [read_condition(wanted, "eq", value, findings)]
    else:
        if not value.entries:
            findings.error(
                "POL027", f"{quote(key.text)} has no operator", value.source, "write `{eq: …}`, say"
            )
        read = []
        for operator_key, operand in value.entries:
            operator = read_operator(operator_key, findings)
            if operator is not None:
                read.append(read_condition(wanted, operator, operand, findings))
    return [condition for condition in read if condition is not None]


def _read_validate(key: ScalarNode, node: Node, findings: Findings) -> Validate | None:
    map_node = mapping(node, "`validate`", findings)
    if map_node is None:
        return None
    found = fields(map_node, _VALIDATE, "in `validate`", findings, _validate_hint)
    if not map_node.entries:
        findings.error("POL027", "`validate` is empty", node.source, "write `required_args: true`, say")
    args: list[tuple[str, object]] = []
    if "args" in found:
        args_node = mapping(found["args"][1], "`args`", findings)
        if args_node is not None and not args_node.entries:
            findings.error(
                "POL027", "`args` is empty", args_node.source, "name an argument, or leave `args` out"
            )
        from callgate.policy.argument_schemas import read_argument_schema

        for argument, schema_node in args_node.entries if args_node else ():
            schema, _ = read_argument_schema(schema_node, findings)
            args.append((argument.text, schema))
    return Validate(
        key.source,
        required_args=_flag(found, "required_args", findings),
        schema=_flag(found, "schema", findings),
        args=tuple(args),
    )


def _validate_hint(key: str) -> str | None:
    if key == "required":
        return "did you mean `required_args`?"
    if key in ("arguments", "properties"):
        return "did you mean `args`?"
    return None


def _flag(found: Fields, key: Literal["required_args", "schema"], findings: Findings) -> bool:
    return key in found and boolean(found[key][1], f"`{key}`", findings) is True


def _read_methods(found: Fields, findings: Findings) -> tuple[str, ...]:
    if "allow_methods" not in found:
        return ()
    methods: list[str] = []
    for node in items(found["allow_methods"][1], "`allow_methods`", findings) or ():
        if string(node, "a method", findings) is None or not isinstance(node, ScalarNode):
            continue
        if not pattern_is_usable(node, "a method's name", findings):
            continue
        matched = next(filter(compile_pattern(node.text), PROTOCOL_METHODS), None)
        if matched is not None:
            findings.error(
                "POL055",
                f"{quote(node.text)} matches {quote(matched)}, which the protocol defines",
                node.source,
                "name only methods outside the protocol; those inside are judged already",
            )
        methods.append(node.text)
    return tuple(methods)
