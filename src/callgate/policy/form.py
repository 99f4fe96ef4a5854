"""Which of the three forms a file is written in: said only when certain, else what it looks like and why.

The sign of the Intercept and hosted forms is `version`; native files have none. Beyond that, a form is known
by keys that only it has. A file with signs of two forms is refused: read as either, half of it would be lost.
"""

from msgspec import Struct

from callgate.policy.findings import Findings
from callgate.policy.model import Form
from callgate.policy.values import is_written_null
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode
from callgate.text import quote

_TITLES = {"native": "the native form", "intercept": "the Intercept form", "hosted": "the hosted form"}

_TOP_SIGNS: dict[str, Form] = {
    "all_tools": "hosted",
    "allow_methods": "native",
    "per_execution": "native",
    "grant_secrets": "native",
}
_TOOL_SIGNS: dict[str, Form] = {"require": "hosted", "deny_if": "hosted", "limits": "hosted"}
_RULE_SIGNS: dict[str, Form] = {
    "conditions": "intercept",
    "on_deny": "intercept",
    "state": "intercept",
    "when": "native",
    "validate": "native",
    "reason": "native",
}
_ACTION_SIGNS: dict[str, Form] = {
    "evaluate": "intercept",
    "allow": "native",
    "require_approval": "native",
}


class _Sign(Struct, frozen=True):
    form: Form
    node: Node
    text: str


def detect_form(root: MapNode, begins_like_json: bool, findings: Findings) -> Form | None:
    """Return the form of the file, or None after recording why it cannot be told."""
    top = {key.text: (key, value) for key, value in root.entries}
    signs = _signs(root)
    first: dict[Form, _Sign] = {}
    for sign in signs:
        first.setdefault(sign.form, sign)
    if "version" not in top:
        return _without_version(first, findings)
    key, version = top["version"]
    only_native = first.keys() == {"native"}
    if not _is_one(version):
        found = "nothing" if is_written_null(version) else _written(version)
        help = "native files have no version: delete it" if only_native else 'write `version: "1"`'
        findings.error("POL031", f"`version` must be `1`, found {found}", version.source, help)
        if only_native:
            return None
    if only_native:
        sign = first["native"]
        findings.error(
            "POL030",
            f"the file has a version, but {sign.text} on line {sign.node.source.line} is of the native form",
            key.source,
            "native files have no version: delete it",
        )
        return None
    if "hosted" in first:
        if "intercept" in first or _has_rules(root):
            other = first.get("intercept") or _Sign("intercept", root, "`rules`")
            _mixed(first["hosted"], other, findings)
            return None
        return "hosted"
    if "intercept" not in first and begins_like_json and not _has_rules(root):
        # No sign at all: both forms would read it alike.
        return "hosted"
    return "intercept"


def _without_version(first: dict[Form, _Sign], findings: Findings) -> Form | None:
    foreign = next((first[form] for form in first if form != "native"), None)
    if foreign is None or "native" in first:
        return "native"
    findings.error(
        "POL030",
        f"{foreign.text} is of {_TITLES[foreign.form]}, but the file has no `version`",
        foreign.node.source,
        'write `version: "1"` at the top, or use the keys of the native form',
    )
    return None


def _mixed(one: _Sign, other: _Sign, findings: Findings) -> None:
    findings.error(
        "POL030",
        f"{one.text} is of {_TITLES[one.form]}, but {other.text} on line {other.node.source.line} is of "
        f"{_TITLES[other.form]}",
        one.node.source,
        "write the whole file in one form",
    )


def _is_one(node: Node) -> bool:
    if not isinstance(node, ScalarNode):
        return False
    return node.text == "1" and node.kind in ("string", "number")


def _written(node: Node) -> str:
    return quote(node.text, 40) if isinstance(node, ScalarNode) else "something else"


def _has_rules(root: MapNode) -> bool:
    return any(key.text == "rules" for tool in _tools(root) for key, _ in tool.entries)


def _tools(root: MapNode) -> list[MapNode]:
    tools = next((value for key, value in root.entries if key.text == "tools"), None)
    if not isinstance(tools, MapNode):
        return []
    return [value for _, value in tools.entries if isinstance(value, MapNode)]


def _signs(root: MapNode) -> list[_Sign]:
    signs = [
        _Sign(_TOP_SIGNS[key.text], key, quote(key.text)) for key, _ in root.entries if key.text in _TOP_SIGNS
    ]
    for tool in _tools(root):
        for key, value in tool.entries:
            if key.text in _TOOL_SIGNS:
                signs.append(_Sign(_TOOL_SIGNS[key.text], key, quote(key.text)))
            elif key.text == "rules" and isinstance(value, ListNode):
                for rule in value.items:
                    signs.extend(_rule_signs(rule))
    return signs


def _rule_signs(rule: Node) -> list[_Sign]:
    signs: list[_Sign] = []
    if not isinstance(rule, MapNode):
        return signs
    for key, value in rule.entries:
        if key.text in _RULE_SIGNS:
            signs.append(_Sign(_RULE_SIGNS[key.text], key, quote(key.text)))
        elif key.text == "rate_limit" and isinstance(value, MapNode | ListNode):
            signs.append(_Sign("native", key, "`rate_limit` with a mapping or list"))
        elif key.text == "action" and isinstance(value, ScalarNode) and value.text in _ACTION_SIGNS:
            signs.append(_Sign(_ACTION_SIGNS[value.text], value, f"`action: {value.text}`"))
    return signs
