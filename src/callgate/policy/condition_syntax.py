"""The eleven operators as they are written, and what each may be compared with. Shared by all three forms."""

from typing import Any, Literal

from callgate.policy.findings import Findings, did_you_mean
from callgate.policy.model import OPERATORS, Condition, Operator, Path
from callgate.policy.scalars import resolve
from callgate.policy.values import describe, is_written_null, number, plain
from callgate.policy.yaml_tree import ListNode, Node, ScalarNode
from callgate.text import quote

Operand = Literal["anything", "list", "number", "true or false", "regular expression"]

OPERANDS: dict[Operator, tuple[Operand, str]] = {
    "eq": ("anything", "equal; numbers by value"),
    "neq": ("anything", "not equal"),
    "in": ("list", "equal to one of the list"),
    "not_in": ("list", "equal to none of the list"),
    "lt": ("number", "a number less than"),
    "lte": ("number", "a number less than or equal to"),
    "gt": ("number", "a number greater than"),
    "gte": ("number", "a number greater than or equal to"),
    "regex": ("regular expression", "a text in which the RE2 expression is found"),
    "contains": ("anything", "a text that holds the text, or a list that holds the value"),
    "exists": ("true or false", "present and not null, or not"),
}
"""Operator → what it is compared with, and what it says."""


def read_operator(node: ScalarNode, findings: Findings) -> Operator | None:
    """Return the operator that `node` names, or record that there is none."""
    for operator in OPERATORS:
        if operator == node.text:
            return operator
    help = did_you_mean(node.text, OPERATORS) or f"the operators are {', '.join(OPERATORS)}"
    findings.error("POL041", f"unknown operator {quote(node.text)}", node.source, help)
    return None


def read_condition(path: Path, operator: Operator, node: Node, findings: Findings) -> Condition | None:
    """Return `path operator value` with the value of `node`, which must suit the operator."""
    value, fits = _read_operand(operator, node, findings)
    return Condition(path, operator, value, node.source) if fits else None


def _read_operand(operator: Operator, node: Node, findings: Findings) -> tuple[Any, bool]:
    expected = OPERANDS[operator][0]
    if is_written_null(node):
        findings.error(
            "POL042",
            f"operator `{operator}` has no value",
            node.source,
            "write the value, or `null` if it is meant",
        )
        return None, False
    before = findings.errors
    if expected == "anything":
        return plain(node, findings), findings.errors == before
    if expected == "number" and isinstance(node, ScalarNode) and node.kind in ("number", "bad number"):
        return number(node, "the value", findings), findings.errors == before
    if expected == "list" and isinstance(node, ListNode):
        return plain(node, findings), findings.errors == before
    if expected == "true or false" and isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value, True
    if expected == "regular expression" and isinstance(node, ScalarNode) and node.kind == "string":
        return node.text, _expression_is_usable(node, findings)
    findings.error(
        "POL042",
        f"operator `{operator}` needs {expected if expected == 'true or false' else f'a {expected}'}, "
        f"found {describe(node)}",
        node.source,
        _operand_help(expected, node),
    )
    return None, False


def _operand_help(expected: Operand, node: Node) -> str | None:
    if not isinstance(node, ScalarNode):
        return None
    if expected == "list":
        return f"write `[{node.text}]`" if node.text.isalnum() else "put it in brackets"
    if expected == "number" and not node.plain and resolve(node.text)[0] == "number":
        return "write it without quotes"
    if expected == "true or false":
        return "write `true` or `false`"
    return "quote it" if expected == "regular expression" else None


def _expression_is_usable(node: ScalarNode, findings: Findings) -> bool:
    # Imported here: most policies have no expression, and a start in milliseconds matters.
    from callgate.policy.regex import pattern_problem

    problem = pattern_problem(node.text)
    if problem is None:
        return True
    findings.error("POL043", f"invalid regular expression: {problem}", node.source)
    return False
