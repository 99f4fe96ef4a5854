"""Schemas and arguments made to crash, stall or open a validator. Run by itself: prints what became of one."""

import sys
from contextlib import suppress
from typing import Any


def nested(levels: int, leaf: Any, wrap: Any) -> Any:
    for _ in range(levels):
        leaf = wrap(leaf)
    return leaf


def doubling(keyword: str) -> dict[str, Any]:
    """2^40 subschemas in 41 definitions."""
    parts: dict[str, Any] = {
        f"d{level}": {keyword: [{"$ref": f"#/$defs/d{level + 1}"}, {"$ref": f"#/$defs/d{level + 1}"}]}
        for level in range(40)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**parts, "d40": {"type": "object"}}}


def branching() -> dict[str, Any]:
    """Each level of the arguments is tried twice as often as the one above."""
    below = {"properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["absent"]}
    return {"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [below, dict(below)]}}}


def chain(length: int) -> dict[str, Any]:
    parts: dict[str, Any] = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**parts, f"d{length}": {"type": "object"}}}


CASES: dict[str, tuple[Any, Any]] = {
    "refers to itself": ({"$ref": "#"}, {}),
    "refers to itself through another": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {},
    ),
    "refers to itself in a choice": ({"anyOf": [{"type": "string"}, {"$ref": "#"}]}, {}),
    "refers to itself in a negation": ({"not": {"$ref": "#"}}, {}),
    "refers to itself dynamically": ({"$dynamicAnchor": "x", "$dynamicRef": "#x"}, {}),
    "doubles in allOf": (doubling("allOf"), {}),
    "doubles in anyOf": (doubling("anyOf"), 1),
    "doubles in oneOf": (doubling("oneOf"), {}),
    "doubles and keeps track": ({**doubling("allOf"), "unevaluatedProperties": False}, {"a": 1}),
    "doubles with the depth of the arguments": (branching(), nested(60, "x", lambda inner: {"a": inner})),
    "is nested 300 levels": (nested(300, {}, lambda inner: {"not": inner}), {}),
    "is nested 10,000 levels": (nested(10_000, {}, lambda inner: {"properties": {"a": inner}}), {}),
    "is nested 100,000 levels": (nested(100_000, {}, lambda inner: {"items": inner}), {}),
    "hides depth where no schema is": ({"default": nested(100_000, 1, lambda inner: [inner])}, {}),
    "refers through a long chain": (chain(4_000), {}),
    "refers through too long a chain": (chain(100_000), {}),
    "recurses over deep arguments": ({"items": {"$ref": "#"}}, nested(100_000, 1, lambda inner: [inner])),
    "compares deep arguments": (
        {"uniqueItems": True},
        [nested(150, 1, lambda inner: [inner]), nested(150, 1, lambda inner: [inner])],
    ),
    "has an expression that backtracks": ({"pattern": "^(a+)+$"}, "a" * 5_000 + "!"),
    "has a back-reference that backtracks": ({"pattern": r"^(a+)+\1$"}, "a" * 5_000 + "!"),
    "has a look-ahead that backtracks": ({"pattern": "^(?=(a+)+$)(a|aa)+!$"}, "a" * 5_000 + "!b"),
    "negates an expression that backtracks": ({"not": {"pattern": r"^(a|aa)+\1$"}}, "a" * 5_000 + "!"),
    "has an expression that explodes": ({"pattern": "((((a{1,100}){1,100}){1,100}){1,100})"}, "a"),
    "has very many expressions": ({"allOf": [{"pattern": f"a{{{n}}}"} for n in range(1, 2_000)]}, "a"),
    "refers to a web address": ({"$ref": "http://127.0.0.1:9/x.json"}, {}),
    "refers to a file": ({"$ref": "file:///etc/hostname"}, {}),
    "has a dialect at a web address": ({"$schema": "http://127.0.0.1:9/meta"}, {}),
    "moves its base": ({"properties": {"a": {"$id": "http://127.0.0.1:9/", "$ref": "b"}}}, {}),
    "is a list": ([1], {}),
    "has a number for properties": ({"properties": 5, "required": "x", "allOf": {}}, {}),
    "has lone surrogates": (
        {"properties": {"\ud800": {"const": "\udfff"}}, "pattern": "\ud800"},
        {"\ud800": 1},
    ),
}

MAY_PASS = frozenset(
    (
        "refers through a long chain",
        "has an expression that backtracks",
        "has a back-reference that backtracks",
        "has a look-ahead that backtracks",
        "compares deep arguments",
        "hides depth where no schema is",
    )
)
"""Those that may be checked, because the check ends quickly; its outcome must then be right."""

VIOLATES = frozenset(name for name in MAY_PASS if "backtracks" in name or name.startswith("compares"))


def outcome(name: str) -> str:
    """Return `problem`, `violation` or `valid`; `unfit to show` for a problem told at length."""
    from callgate.policy.toolschema import SchemaProblem, ToolSchema

    raw, value = CASES[name]
    schema = ToolSchema(raw)
    with suppress(SchemaProblem):
        schema.missing_required(value if isinstance(value, dict) else {})
    try:
        return "valid" if schema.first_violation(value) is None else "violation"
    except SchemaProblem as problem:
        return "problem" if len(str(problem)) < 300 and str(problem).isprintable() else "unfit to show"


if __name__ == "__main__":
    import os
    import resource
    import time

    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    for case in sys.argv[1:] or CASES:
        start = time.process_time()
        sys.stdout.write(f"{case}\t{outcome(case)}\t{time.process_time() - start:.3f}\n")
        sys.stdout.flush()
    # Without freeing what is nested deep: only the checks are on trial here.
    os._exit(0)
