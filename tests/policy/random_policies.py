"""Random small policies and calls, for laws that must hold for all of them. Everything collides often."""

import itertools
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.decision import Request, SlidingWindow
from callgate.diagnostics import Source
from callgate.policy.model import Condition, Document, RateLimit, Rule, Tool, Validate
from callgate.policy.toolschema import ToolSchema

KEYS = ("a", "b")
SCHEMA = ToolSchema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]})

_lines = st.integers(1, 9999)
sources = st.builds(Source, st.just("p"), _lines, st.just(1))
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2),
    st.sampled_from([1.0, 0.5, "x", "y", "1"]),
    st.just(["x", 1]),
    st.just({}),
)
paths = st.sampled_from([("args", "a"), ("args", "b"), ("args", "a", "b"), ("identity",), ("tool",)])


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    op = draw(st.sampled_from(["eq", "neq", "in", "not_in", "lt", "lte", "gt", "gte", "contains", "exists"]))
    value: Any = draw(values)
    if op in ("in", "not_in"):
        value = draw(st.lists(values, max_size=3))
    elif op in ("lt", "lte", "gt", "gte"):
        value = draw(st.integers(-1, 2))
    elif op == "exists":
        value = draw(st.booleans())
    return Condition(draw(paths), op, value, draw(sources))  # type: ignore[arg-type]


limits = st.builds(
    RateLimit,
    st.integers(0, 3),
    st.sampled_from([SlidingWindow(1000), SlidingWindow(60_000)]),
    sources,
    st.sampled_from(["session", "identity", "global"]),
    st.sampled_from([(), (("args", "a"),), (("tool",),)]),
    st.sampled_from([None, None, ("args", "b")]),
)
checks = st.builds(
    Validate, sources, st.booleans(), st.booleans(), st.sampled_from([(), (("b", {"type": "integer"}),)])
)
_clauses = st.lists(conditions(), max_size=2).map(tuple)
rules = st.builds(
    Rule,
    sources,
    st.sampled_from([None, "n"]),
    st.sampled_from(["allow", "allow", "deny", "require_approval"]),
    _clauses,
    st.one_of(st.just(()), _clauses),
    st.one_of(st.just(()), st.lists(_clauses, max_size=2).map(tuple)),
    st.lists(limits, max_size=2).map(tuple),
    validate=st.one_of(st.none(), checks),
    reason=st.sampled_from([None, "r"]),
)
PATTERNS = ("t", "u", "T", "t*", "?", "*")


@st.composite
def documents(draw: st.DrawFn) -> Document:
    patterns = draw(st.lists(st.sampled_from(PATTERNS), unique=True, max_size=4))
    lines = itertools.count(1)

    def own_place(rule: Rule) -> Rule:
        return replace(rule, source=Source("p", next(lines), 1))

    tools = tuple(
        Tool(pattern, draw(sources), tuple(map(own_place, draw(st.lists(rules, max_size=3)))))
        for pattern in patterns
    )
    hide = tuple(
        (name, Source("p", 1, 1)) for name in draw(st.lists(st.sampled_from(["u", "tt"]), max_size=1))
    )
    form = draw(st.sampled_from(["native", "native", "intercept"]))
    return Document(form, "p", "0" * 12, draw(st.sampled_from(["allow", "deny"])), hide, tools)  # type: ignore[arg-type]


requests = st.builds(
    Request,
    st.sampled_from(["t", "u", "T", "tt", "U", "zz"]),
    st.dictionaries(st.sampled_from(KEYS), values),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["local", "x"]),
    schema=st.sampled_from([None, SCHEMA]),
)
