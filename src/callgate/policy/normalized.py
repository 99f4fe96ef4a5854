"""A Document as JSON: the same for two files that say the same in different words. Made of plain data.

Places in the file are left out. Amounts are JSON numbers with all their digits and no more: 500.00 is 500.
"""

from decimal import Decimal
from typing import Any

from callgate.decision import CalendarWindow, SlidingWindow, Window
from callgate.policy.model import (
    Condition,
    Count,
    Document,
    ExecutionBudget,
    Path,
    RateLimit,
    Rule,
    StateBound,
    Tool,
    Validate,
)

SCHEMA = "callgate/policy@1"


def normalized(document: Document) -> dict[str, Any]:
    """Return the document as plain data in a fixed order; tools are sorted, rules keep theirs."""
    return {
        "schema": SCHEMA,
        "form": document.form,
        "revision": document.revision,
        "description": document.description,
        "default": document.default,
        "hide": sorted(pattern for pattern, _ in document.hide),
        "allow_methods": sorted(set(document.allow_methods)),
        "per_execution": _per_execution(document.per_execution),
        "grant_secrets": sorted(name for name, _ in document.grant_secrets),
        "tools": [_tool(tool) for tool in sorted(document.tools, key=lambda tool: tool.pattern)],
    }


def normalized_rule(rule: Rule) -> dict[str, Any]:
    """Return one rule; what it does not say is left out."""
    return _said(
        {
            "name": rule.name,
            "action": rule.action,
            "when": _conditions(rule.when),
            "require": _conditions(rule.require),
            "forbid": [_conditions(conditions) for conditions in rule.forbid],
            "rate_limit": sorted((_limit(limit) for limit in rule.limits), key=repr),
            "count": [_count(count) for count in rule.counts],
            "state": [_bound(bound) for bound in rule.state_bounds],
            "validate": _validate(rule.validate),
            "reason": rule.reason,
        }
    )


def to_json(data: Any) -> str:
    """Return `data` as indented JSON whose numbers are exact."""
    return _write(data, "\n")


def _tool(tool: Tool) -> dict[str, Any]:
    return {"tool": tool.pattern, "rules": [normalized_rule(rule) for rule in tool.rules]}


def _per_execution(budget: ExecutionBudget | None) -> dict[str, Any] | None:
    if budget is None:
        return None
    bound = budget.max_milliseconds
    return _said(
        {
            "max_calls": budget.max_calls,
            "max_denied": budget.max_denied,
            "max_seconds": None if bound is None else _window(SlidingWindow(bound)),
            "tools": {each.pattern: each.max for each in sorted(budget.tools, key=lambda each: each.pattern)}
            or None,
        }
    )


def _conditions(conditions: tuple[Condition, ...]) -> list[dict[str, Any]]:
    written = [{"path": _path(each.path), "op": each.op, "value": _value(each.value)} for each in conditions]
    return sorted(written, key=repr)


def _limit(limit: RateLimit) -> dict[str, Any]:
    return _said(
        {
            "max": _value(limit.max),
            "window": _window(limit.window),
            "scope": limit.scope,
            "per": sorted(_path(path) for path in limit.per),
            "cost": _path(limit.cost) if limit.cost else None,
            "amount": _value(limit.amount) if limit.amount != 1 else None,
            "strict": limit.strict or None,
            "counter": limit.counter,
        }
    )


def _count(count: Count) -> dict[str, Any]:
    return _said(
        {
            "counter": count.counter,
            "window": _window(count.window),
            "increment": _value(count.increment),
            "increment_from": _path(count.increment_from) if count.increment_from else None,
            "scope": count.scope,
        }
    )


def _bound(bound: StateBound) -> dict[str, Any]:
    return {
        "counter": f"{bound.tool}.{bound.counter}",
        "window": _window(bound.window),
        "op": bound.op,
        "value": _value(bound.value),
        "scope": bound.scope,
    }


def _validate(validate: Validate | None) -> dict[str, Any] | None:
    if validate is None:
        return None
    args = {name: _value(schema) for name, schema in sorted(validate.args)}
    return {"required_args": validate.required_args, "schema": validate.schema, "args": args}


def _said(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None and value != []}


def _path(path: Path) -> str:
    return ".".join(path)


def _window(window: Window) -> Any:
    """Return seconds for a sliding window, `calendar minute` and so on for a calendar one."""
    if isinstance(window, CalendarWindow):
        return f"calendar {window.unit}"
    whole, rest = divmod(window.milliseconds, 1000)
    return _value(Decimal(window.milliseconds).scaleb(-3)) if rest else whole


def _value(value: Any) -> Any:
    """Return plain data with sorted keys and one spelling for each number."""
    if isinstance(value, dict):
        return {key: _value(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, Decimal):
        numerator, denominator = value.as_integer_ratio()
        return numerator if denominator == 1 else _shortest(value)
    return value


def _shortest(value: Decimal) -> Decimal:
    """Drop trailing zeros without rounding, which Decimal.normalize would do beyond 28 digits."""
    return Decimal(f"{value:f}".rstrip("0"))


def _write(data: Any, newline: str) -> str:
    from msgspec.json import encode

    inner = newline + "  "
    if isinstance(data, dict) and data:
        pairs = (f"{encode(str(key)).decode()}: {_write(value, inner)}" for key, value in data.items())
        return f"{{{inner}{f',{inner}'.join(pairs)}{newline}}}"
    if isinstance(data, list) and data:
        return f"[{inner}{f',{inner}'.join(_write(item, inner) for item in data)}{newline}]"
    if isinstance(data, Decimal):
        return f"{data:f}"
    if isinstance(data, int) and not isinstance(data, bool):
        return str(data)
    return encode(data).decode()
