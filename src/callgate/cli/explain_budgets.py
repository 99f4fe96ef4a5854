"""What `policy explain` says of executions of code: their budgets, as far as they bear on one tool."""

from typing import Any

from callgate.cli.console import escape
from callgate.policy.lookalike import fold
from callgate.policy.model import Document
from callgate.policy.name_patterns import compile_lookalike_pattern, compile_pattern
from callgate.policy.normalized import normalized


def budget_lines(document: Document, tool: str) -> list[str]:
    """Return one text for each bound on calls of `tool` from code, and one for what code may hold; escaped."""
    told = []
    budget = document.per_execution
    if budget is not None:
        if budget.max_calls is not None:
            told.append(f"at most {budget.max_calls} calls")
        if budget.max_denied is not None:
            told.append(f"ends its calls after {budget.max_denied} refused ones")
        for each in budget.tools:
            if compile_pattern(each.pattern)(tool) or compile_lookalike_pattern(each.pattern)(fold(tool)):
                told.append(f"at most {each.max} calls of {escape(each.pattern)}")
        if budget.max_milliseconds is not None:
            told.append(f"at most {budget.max_milliseconds / 1000:g} seconds")
    if document.grant_secrets:
        told.append(f"may hold {', '.join(escape(name) for name, _ in document.grant_secrets)}")
    return told


def budget_data(document: Document) -> dict[str, Any]:
    """Return all of it as plain data."""
    data = normalized(document)
    return {key: data[key] for key in ("per_execution", "grant_secrets")}
