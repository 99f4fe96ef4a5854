"""The limits of Intercept files: `rate_limit: N/window` and `state` blocks."""

import re
from decimal import Decimal

from callgate.decision import Amount
from callgate.policy.findings import Findings
from callgate.policy.model import Count, RateLimit, StateBound
from callgate.policy.named_counters import Counter, read_unit
from callgate.policy.values import Fields, choice, describe, fields, mapping, name_is_usable, number, path
from callgate.policy.yaml_tree import Node, ScalarNode
from callgate.text import quote

SHORT = re.compile(r"\+?(0*[1-9][0-9]{0,17})/(.*)")
"""`5/hour`: a whole number above 0, and what should be a window."""

_STATE = ("counter", "window", "increment", "increment_from")


def present(found: Fields) -> Fields:
    """Leave out keys whose value is null, which this form takes for absent."""
    return {
        key: pair
        for key, pair in found.items()
        if not (isinstance(pair[1], ScalarNode) and pair[1].kind == "null")
    }


def any_text(found: Fields, key: str, findings: Findings) -> str | None:
    """Return the text of a key; this form takes any single value as text."""
    if key not in found:
        return None
    node = found[key][1]
    if isinstance(node, ScalarNode):
        return node.text
    findings.error("POL002", f"`{key}` must be text, found {describe(node)}", node.source)
    return None


def read_short(node: Node, tool: str, findings: Findings) -> tuple[RateLimit, ...]:
    """Return the limit of a `rate_limit` value, whose counter belongs to `tool`."""
    text = node.text if isinstance(node, ScalarNode) else ""
    found = SHORT.fullmatch(text)
    unit = found[2] if found else ""
    if found is None:
        findings.error(
            "POL050",
            f"{quote(text) if text else _shown(node)} is not a rate limit of this form",
            node.source,
            "write `5/hour`: a whole number, `/`, and `minute`, `hour` or `day`",
        )
        return ()
    if unit not in ("minute", "hour", "day"):
        findings.error(
            "POL050",
            f"unknown window {quote(unit)} in {quote(text)}",
            node.source,
            "the windows are `minute`, `hour` and `day`",
        )
        return ()
    counter = Counter(tool, f"_rate_{unit}", read_unit(unit))
    return (RateLimit(int(found[1]), counter.window, node.source, scope="global", counter=counter.key),)


def _shown(node: Node) -> str:
    return "an empty text" if isinstance(node, ScalarNode) else describe(node)


def read_state(
    node: Node, tool: str, bounds: list[StateBound], findings: Findings
) -> tuple[tuple[RateLimit, ...], tuple[Count, ...], list[StateBound]]:
    """Return the rule's own limit or count, and the bounds that are left.

    The first upper bound on the rule's own counter is its limit, spent and checked in one step.
    """
    state = mapping(node, "`state`", findings)
    if state is None:
        return (), (), bounds
    found = present(fields(state, _STATE, "in `state`", findings))
    name = any_text(found, "counter", findings)
    if not name:
        findings.error("POL004", "`state` needs a `counter`", node.source, "give the counter a name")
    elif not name_is_usable(name, "a counter's name", found["counter"][1].source, findings):
        name = None
    if "window" not in found:
        findings.error("POL004", "`state` needs a `window`", node.source, "write `minute`, `hour` or `day`")
        unit = None
    else:
        unit = choice(found["window"][1], ("minute", "hour", "day"), "`window`", findings)
    amount = _read_increment(found, findings)
    cost = None
    if "increment_from" in found:
        cost = path(found["increment_from"][1], "`increment_from`", findings, args_only=True)
    if not name or unit is None:
        return (), (), bounds
    counter = Counter(tool, name, read_unit(unit))
    own = next((bound for bound in bounds if _is_own_limit(bound, counter)), None)
    if own is None:
        return (), (Count(counter.key, counter.window, node.source, amount, cost),), bounds
    if own.value < 0:
        findings.error("POL052", "a limit must not be negative", own.source, "0 admits nothing")
    limit = RateLimit(
        own.value,
        counter.window,
        own.source,
        scope="global",
        cost=cost,
        strict=own.op == "lt",
        counter=counter.key,
        amount=amount,
    )
    return (limit,), (), [bound for bound in bounds if bound is not own]


def _is_own_limit(bound: StateBound, counter: Counter) -> bool:
    return (bound.tool, bound.counter) == (counter.tool, counter.name) and bound.op in ("lt", "lte")


def _read_increment(found: Fields, findings: Findings) -> Amount:
    if "increment" not in found:
        return 1
    value: int | Decimal | None = number(found["increment"][1], "`increment`", findings)
    if value is not None and value <= 0:
        findings.error(
            "POL075", "`increment` must be more than 0", found["increment"][1].source, "leave it out for 1"
        )
        return 1
    return value if value is not None else 1
