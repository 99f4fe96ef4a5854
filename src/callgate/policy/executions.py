"""`per_execution` and `grant_secrets` of the native form → the model."""

import re

from callgate.policy.findings import Findings
from callgate.policy.keys import PER_EXECUTION, names
from callgate.policy.limits import read_duration
from callgate.policy.model import ExecutionBudget, SecretGrants, ToolBudget
from callgate.policy.values import Fields, fields, items, mapping, number, pattern_is_usable, string
from callgate.policy.yaml_tree import Node, ScalarNode
from callgate.text import quote

MAX_CALLS = 1_000_000_000

_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def read_per_execution(found: Fields, findings: Findings) -> ExecutionBudget | None:
    """Return what one execution may do; None if the file does not say."""
    if "per_execution" not in found:
        return None
    key, value = found["per_execution"]
    node = mapping(value, "`per_execution`", findings)
    if node is None:
        return None
    if not node.entries:
        help = "write `max_calls: 100`, say, or leave `per_execution` out"
        findings.error("POL027", "`per_execution` is empty", value.source, help)
    given = fields(node, names(PER_EXECUTION), "in `per_execution`", findings, _hint)
    window = (
        read_duration(given["max_seconds"][1], "max_seconds", findings) if "max_seconds" in given else None
    )
    return ExecutionBudget(
        key.source,
        max_calls=_count(given, "max_calls", findings),
        max_denied=_count(given, "max_denied", findings),
        max_milliseconds=window,
        tools=_tools(given, findings),
    )


def read_grant_secrets(found: Fields, findings: Findings) -> SecretGrants:
    """Return the names of the secrets that code may hold, each with its place."""
    if "grant_secrets" not in found:
        return ()
    written = found["grant_secrets"][1]
    is_text = isinstance(written, ScalarNode) and written.kind == "string"
    help = f"write `[{written.text}]`" if is_text else None  # type: ignore[union-attr]
    granted: SecretGrants = ()
    for node in items(written, "`grant_secrets`", findings, help) or ():
        name = string(node, "an entry of `grant_secrets`", findings)
        if name is None:
            continue
        if not _SECRET.fullmatch(name):
            why = "each secret is named: there are no patterns" if "*" in name else None
            findings.error("POL005", f"{quote(name, 60)} is not the name of a secret", node.source, why)
        elif any(name == other for other, _ in granted):
            findings.error(
                "POL008", f"{quote(name, 60)} is granted twice", node.source, "delete one of the two"
            )
        else:
            granted = (*granted, (name, node.source))
    return granted


def _hint(key: str) -> str | None:
    if key in ("rate_limit", "rules"):
        return "limits over time belong in a rule of `tools`; an execution has so many calls in all"
    return "did you mean `max_seconds`?" if key in ("timeout", "time", "max_time") else None


def _tools(given: Fields, findings: Findings) -> tuple[ToolBudget, ...]:
    if "tools" not in given:
        return ()
    node = mapping(given["tools"][1], "`tools`", findings)
    if node is None:
        return ()
    if not node.entries:
        help = "name a tool, or leave `tools` out"
        findings.error("POL027", "`tools` is empty", node.source, help)
    found = []
    for key, value in node.entries:
        usable = pattern_is_usable(key, "a tool's name", findings)
        most = _whole(value, f"the budget of {quote(key.text, 60)}", findings)
        if usable and most is not None:
            found.append(ToolBudget(key.text, most, key.source))
    return tuple(found)


def _count(given: Fields, key: str, findings: Findings) -> int | None:
    return _whole(given[key][1], f"`{key}`", findings) if key in given else None


def _whole(node: Node, what: str, findings: Findings) -> int | None:
    value = number(node, what, findings)
    if value is None:
        return None
    if value != int(value) or not 0 <= value <= MAX_CALLS:
        help = "0 admits nothing"
        findings.error("POL052", f"{what} must be a whole number from 0 to {MAX_CALLS}", node.source, help)
        return None
    return int(value)
