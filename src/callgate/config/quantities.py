"""Durations, sizes and counts as people write them: `90s`, `15m`, `16MiB`, `4`. Exact until the end."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from callgate.policy.findings import Findings
from callgate.policy.values import number, string
from callgate.policy.yaml_tree import Node, ScalarNode
from callgate.text import quote

SECONDS: dict[str, int | Decimal] = {"ms": Decimal("0.001"), "s": 1, "m": 60, "h": 3_600, "d": 86_400}
"""Unit of a duration → seconds."""

BYTES = {
    "B": 1,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
"""Unit of a size → bytes."""

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)")
_MAX_TEXT = 40
_DURATIONS = "write `90s`, `15m`, `1h`, or seconds as a number"
_SIZES = "write `64KiB`, `16MB`, or bytes as a number"


def duration(low: float, high: float) -> Callable[[Node, str, Findings], float | None]:
    """Return the reader of a duration from `low` to `high` seconds."""

    def read(node: Node, what: str, findings: Findings) -> float | None:
        value = _measured(node, what, "CFG033", "a duration", SECONDS, _DURATIONS, findings)
        if value is None:
            return None
        if not Decimal(str(low)) <= value <= Decimal(str(high)):
            between = f"from {show_duration(low)} to {show_duration(high)}"
            findings.error("CFG035", f"{what} must be {between}, found {quote(_text(node))}", node.source)
            return None
        return float(value)

    return read


def size(low: int, high: int) -> Callable[[Node, str, Findings], int | None]:
    """Return the reader of a size from `low` to `high` bytes."""

    def read(node: Node, what: str, findings: Findings) -> int | None:
        value = _measured(node, what, "CFG034", "a size", BYTES, _SIZES, findings)
        if value is None:
            return None
        if value != int(value):
            findings.error("CFG034", f"{what} must be a whole number of bytes", node.source, _SIZES)
            return None
        if not low <= value <= high:
            between = f"from {show_size(low)} to {show_size(high)}"
            findings.error("CFG035", f"{what} must be {between}, found {quote(_text(node))}", node.source)
            return None
        return int(value)

    return read


def count(low: int, high: int) -> Callable[[Node, str, Findings], int | None]:
    """Return the reader of a whole number from `low` to `high`."""

    def read(node: Node, what: str, findings: Findings) -> int | None:
        value = number(node, what, findings)
        if value is None:
            return None
        if value != int(value) or not low <= value <= high:
            message = f"{what} must be a whole number from {low} to {high}, found {quote(_text(node))}"
            findings.error("CFG035", message, node.source)
            return None
        return int(value)

    return read


def show_duration(seconds: float) -> str:
    """Return `15m` for 900.0: the largest unit that leaves a whole number."""
    exact = Decimal(str(seconds))
    for unit in ("d", "h", "m", "s", "ms"):
        if exact and exact % SECONDS[unit] == 0:
            return f"{int(exact / SECONDS[unit])}{unit}"
    return f"{seconds:g}s"


def show_size(size: int) -> str:
    """Return `16MiB` for 16777216: the largest unit that leaves a whole number."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB", "KB"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]}{unit}"
    return f"{size}B"


def _measured(
    node: Node,
    what: str,
    code: str,
    kind: str,
    units: Mapping[str, int | Decimal],
    help: str,
    findings: Findings,
) -> Decimal | int | None:
    if isinstance(node, ScalarNode) and node.kind in ("number", "bad number"):
        return number(node, what, findings)
    text = string(node, what, findings)
    if text is None:
        return None
    found = _QUANTITY.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if found is None:
        findings.error(code, f"{quote(text)} is not {kind}", node.source, help)
        return None
    unit = units.get(found[2])
    if unit is None:
        names = ", ".join(units)
        message = f"unknown unit {quote(found[2])} in {quote(text)}"
        findings.error(code, message, node.source, f"the units are {names}")
        return None
    return Decimal(found[1]) * unit


def _text(node: Node) -> str:
    return node.text if isinstance(node, ScalarNode) else ""
