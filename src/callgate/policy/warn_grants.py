"""Warnings about gates that are not as they look: tools nothing allows, budgets that a caller can multiply."""

from collections.abc import Iterator
from typing import Any

from callgate.policy.findings import Findings
from callgate.policy.model import Document, Path, RateLimit, Rule, Tool
from callgate.policy.name_patterns import compile_pattern, is_pattern
from callgate.text import quote


def warn_of_ungranted(tool: Tool, document: Document, findings: Findings) -> None:
    """Under `default: deny`: the entry only says when to deny, and no entry says when to allow."""
    if document.default != "deny" or document.form != "native" or tool.pattern == "*" or not tool.rules:
        return
    if any(rule.action != "deny" or not rule.when for rule in tool.rules):
        # A plain denial says what it means, and is the way to give a reason.
        return
    if any(_grants(other) and _may_meet(other.pattern, tool.pattern) for other in document.tools):
        return
    findings.warning(
        "POL112",
        f"{quote(tool.pattern, 60)} can never be allowed: its rules only deny, and the default is deny",
        tool.source,
        "add a rule that allows, such as `{action: allow}` or one with a `rate_limit`",
    )


def _grants(tool: Tool) -> bool:
    return tool.pattern != "*" and (not tool.rules or any(rule.action == "allow" for rule in tool.rules))


def _may_meet(one: str, other: str) -> bool:
    """Say whether a name may match both; two patterns always may."""
    if is_pattern(one):
        return is_pattern(other) or compile_pattern(one)(other)
    return compile_pattern(other)(one) if is_pattern(other) else one == other


def warn_of_free_counters(tool: Tool, findings: Findings) -> None:
    """A limit keeps a counter for each value of an argument, and the caller may make up values."""
    for rule in tool.rules:
        for limit in rule.limits:
            free = next((path for path in limit.per if path[0] == "args" and not _is_bound(path, tool)), None)
            if free is None or any(
                _counts_all(other, each, limit) for other in tool.rules for each in other.limits
            ):
                continue
            called = quote(".".join(free), 60)
            findings.warning(
                "POL113",
                f"each new value of {called} gets a full budget, and spelling counts: nothing says which values "
                "there are",
                limit.source,
                f"add `validate: {{args: {{{_shown(free)}: {{enum: […]}}}}}}`, or a limit without `per`",
            )


def _shown(path: Path) -> str:
    return quote(path[1], 40)[1:-1]


def _counts_all(rule: Rule, other: RateLimit, limit: RateLimit) -> bool:
    """Say whether `other` bounds what all values together may spend."""
    return not rule.when and other.cost == limit.cost and all(path[0] != "args" for path in other.per)


def _is_bound(path: Path, tool: Tool) -> bool:
    for rule in tool.rules:
        if any(condition.path == path and condition.op in _NAMING for condition in rule.when):
            return True
        for name, schema in rule.validate.args if rule.validate else ():
            if name == path[1] and any(_names_values(part) for part in _parts(schema)):
                return True
    return False


_NAMING = ("eq", "in", "neq", "not_in", "regex")


def _parts(schema: Any) -> Iterator[Any]:
    pending = [schema]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)


def _names_values(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    return bool({"enum", "const", "pattern"} & part.keys()) or part.get("type") == "boolean"
