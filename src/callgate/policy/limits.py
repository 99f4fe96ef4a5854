"""Every spelling of a native rate limit → `RateLimit`. Windows are whole milliseconds, amounts are exact."""

import re
from decimal import Decimal

from callgate.decision import Amount, SlidingWindow
from callgate.diagnostics import Source
from callgate.policy.findings import Findings, did_you_mean
from callgate.policy.keys import RATE_LIMIT, names
from callgate.policy.model import Path, RateLimit
from callgate.policy.scalars import resolve
from callgate.policy.values import choice, describe, fields, is_written_null, number, path
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode
from callgate.text import quote

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""In milliseconds."""

WORDS = {**UNITS, "sec": 1_000, "second": 1_000, "min": 60_000, "minute": 60_000, "hour": 3_600_000,
         "day": 86_400_000}  # fmt: skip
"""What may follow the `/` of `10/minute`, in milliseconds."""

MAX_WINDOW_MS = 366 * 86_400_000
_MAX_TEXT = 64

_WINDOW = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_SHORT = re.compile(r"([0-9]+) ?/ ?([0-9]+(?:\.[0-9]+)?)?([a-z]+)")

_UNIT_HINTS = {"hr": "did you mean `hour`?", "hrs": "did you mean `hour`?"}
_SCOPE_HINTS = {
    **dict.fromkeys(("user", "caller", "grant", "client"), "write `identity` for each caller"),
    **dict.fromkeys(("agent", "connection", "process"), "write `session` for each agent session"),
    "tool": "write `per: [tool]`",
    **dict.fromkeys(("all", "everybody", "everyone", "server", "shared"), "write `global` for everybody"),
}

SPELLINGS = "write `10/minute`, `10/60s` or `{max: 10, window: 60}`"
_WINDOWS = "write seconds, or `500ms`, `90s`, `1m`, `1h`, `1d`"
_SCOPES = ("session", "identity", "global")


def read_limits(node: Node, findings: Findings) -> tuple[RateLimit, ...]:
    """Return the limits of a `rate_limit` value: one, or a list of them."""
    if not isinstance(node, ListNode):
        limit = _read_limit(node, findings)
        return (limit,) if limit else ()
    if not node.items:
        findings.error("POL050", "`rate_limit` is an empty list", node.source, SPELLINGS)
    limits = [_read_limit(item, findings) for item in node.items]
    return tuple(limit for limit in limits if limit)


def _read_limit(node: Node, findings: Findings) -> RateLimit | None:
    if isinstance(node, MapNode):
        return _read_mapping(node, findings)
    if isinstance(node, ScalarNode) and node.kind == "string":
        return _read_short(node, findings)
    found = "nothing" if is_written_null(node) else describe(node)
    findings.error(
        "POL050", f"a rate limit needs a number and a window, found {found}", node.source, SPELLINGS
    )
    return None


def _read_short(node: ScalarNode, findings: Findings) -> RateLimit | None:
    found = _SHORT.fullmatch(node.text) if len(node.text) <= _MAX_TEXT else None
    if found is None:
        findings.error("POL050", f"{quote(node.text)} is not a rate limit", node.source, SPELLINGS)
        return None
    unit = WORDS.get(found[3])
    if unit is None:
        findings.error(
            "POL050",
            f"unknown unit {quote(found[3])} in {quote(node.text)}",
            node.source,
            _UNIT_HINTS.get(found[3]) or did_you_mean(found[3], WORDS) or f"the units are {', '.join(WORDS)}",
        )
        return None
    window = _window(Decimal(found[2] or 1), unit, node.source, findings)
    return RateLimit(int(found[1]), window, node.source) if window else None


def _read_mapping(node: MapNode, findings: Findings) -> RateLimit | None:
    before = findings.errors
    found = fields(node, names(RATE_LIMIT), "in a rate limit", findings)
    for key in ("max", "window"):
        if key not in found:
            findings.error("POL004", f"a rate limit needs `{key}`", node.source, SPELLINGS)
    cost = path(found["cost"][1], "`cost`", findings, args_only=True) if "cost" in found else None
    maximum = _read_max(found["max"][1], "cost" in found, findings) if "max" in found else None
    window = _read_window(found["window"][1], findings) if "window" in found else None
    scope = (
        choice(found["scope"][1], _SCOPES, "`scope`", findings, _SCOPE_HINTS)
        if "scope" in found
        else "session"
    )
    per = _read_per(found["per"][1], findings) if "per" in found else ()
    if findings.errors > before or maximum is None or window is None:
        return None
    if scope == "identity":
        return RateLimit(maximum, window, node.source, "identity", per, cost)
    return RateLimit(maximum, window, node.source, "global" if scope == "global" else "session", per, cost)


def _read_max(node: Node, has_cost: bool, findings: Findings) -> Amount | None:
    value = number(node, "`max`", findings)
    if value is None:
        return None
    if value < 0:
        findings.error("POL052", "`max` must not be negative", node.source, "0 admits nothing")
        return None
    if has_cost:
        return value
    if value != int(value):
        findings.error(
            "POL052", "`max` counts calls: it must be a whole number", node.source, "fractions need `cost`"
        )
        return None
    return int(value)


def read_duration(node: Node, key: str, findings: Findings) -> int | None:
    """Return the milliseconds of a duration that is written as a window is."""
    window = _read_window(node, findings, key, "duration")
    return window.milliseconds if window else None


def _read_window(
    node: Node, findings: Findings, key: str = "window", noun: str = "window"
) -> SlidingWindow | None:
    if isinstance(node, ScalarNode) and node.kind == "string":
        found = _WINDOW.fullmatch(node.text) if len(node.text) <= _MAX_TEXT else None
        if found is None:
            help = _WINDOWS if resolve(node.text or "-")[0] != "number" else "write seconds without quotes"
            findings.error("POL051", f"{quote(node.text)} is not a {noun}", node.source, help)
            return None
        return _window(Decimal(found[1]), UNITS[found[2]], node.source, findings, noun)
    seconds = number(node, f"`{key}`", findings)
    return _window(seconds, 1_000, node.source, findings, noun) if seconds is not None else None


def _window(
    number: int | Decimal, unit: int, source: Source, findings: Findings, noun: str = "window"
) -> SlidingWindow | None:
    """Return the window of `number` times `unit` milliseconds; exact, because Decimal arithmetic would round."""
    numerator, denominator = number.as_integer_ratio()
    numerator *= unit
    if numerator <= 0:
        problem = f"a {noun} must be longer than nothing"
    elif numerator < denominator:
        problem = f"a {noun} must not be shorter than a millisecond"
    elif numerator > MAX_WINDOW_MS * denominator:
        problem = f"a {noun} must not be longer than 366 days"
    elif numerator % denominator:
        problem = f"a {noun} must be a whole number of milliseconds"
    else:
        return SlidingWindow(numerator // denominator)
    findings.error("POL051", problem, source, _WINDOWS)
    return None


def _read_per(node: Node, findings: Findings) -> tuple[Path, ...]:
    """Return the paths of `per`: one, or a list of them, each at most once."""
    if not isinstance(node, ListNode):
        single = path(node, "`per`", findings)
        return (single,) if single else ()
    if not node.items:
        findings.error("POL027", "`per` is empty", node.source, "name a path, or leave `per` out")
    paths: list[Path] = []
    for item in node.items:
        each = path(item, "a path of `per`", findings)
        if each is None:
            continue
        if each in paths:
            findings.error("POL008", f"`per` names {quote('.'.join(each))} twice", item.source)
        paths.append(each)
    return tuple(paths)
