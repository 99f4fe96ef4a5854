"""A denial's structured content satisfies the tool's own outputSchema, or is not there."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.proxy.denial_content import fitting_content

DENIAL = {"code": "DEN001", "rule": "r", "reason": "no"}

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"content": {"type": "string"}}, "required": ["content"]},
    {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "b": {"type": "boolean"}},
        "required": ["n", "b"],
    },
    {
        "type": "object",
        "properties": {"list": {"type": "array"}, "o": {"type": "object"}},
        "required": ["list", "o"],
    },
    {
        "type": "object",
        "properties": {"o": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}},
        "required": ["o"],
    },
    {"type": "object", "properties": {"e": {"enum": ["a", "b"]}, "c": {"const": 5}}, "required": ["e", "c"]},
    {
        "type": "object",
        "properties": {"u": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
        "required": ["u"],
    },
    {"type": "object", "properties": {"u": {"type": ["number", "null"]}}, "required": ["u"]},
    {"type": "object"},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_denial_is_there_beside_what_the_schema_requires(schema: dict[str, Any]) -> None:
    content = fitting_content(schema, DENIAL, "denied by policy: no")
    assert content is not None
    jsonschema.validate(content, schema)
    assert content.items() >= DENIAL.items()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
        {"type": "object", "properties": {"code": {"type": "integer"}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x$"}}, "required": ["a"]},
        {"$ref": "#"},
        {"type": 5},
        {"allOf": [{"$ref": "https://example.org/schema"}]},
    ],
)
def test_nothing_is_better_than_content_that_breaks_the_schema(schema: dict[str, Any]) -> None:
    assert fitting_content(schema, DENIAL, "text") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keywords = st.sampled_from(
    ["type", "properties", "required", "enum", "const", "anyOf", "oneOf", "allOf", "items", "$ref", "not"]
)


@given(st.dictionaries(keywords, json_values | st.sampled_from(["object", "string"]), max_size=4))
def test_no_schema_of_a_server_makes_it_fail(schema: dict[str, Any]) -> None:
    content = fitting_content(schema, DENIAL, "text")
    assert content is None or content.items() >= DENIAL.items()


def nested(required: list[str], depth: int) -> dict[str, Any]:
    """A schema whose objects require these names, each again such an object."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "required": required, "properties": dict.fromkeys(required, schema)}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        nested([f"n{number}" for number in range(10)], 6),
        nested(["a"] * 100, 6),
        {"type": "object", "required": ["a"], "properties": {"a": {"const": "x" * 70_000}}},
        {"type": "object", "required": ["x" * 70_000]},
    ],
    ids=["values in depth", "one name often", "one large value", "one large name"],
)
def test_a_schema_that_requires_too_much_has_its_content_left_out(schema: dict[str, Any]) -> None:
    assert fitting_content(schema, DENIAL, "no") is None
