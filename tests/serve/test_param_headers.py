"""`Mcp-Param-*` headers pass only where they say what the judged argument says."""

from decimal import Decimal
from typing import Any

import pytest

from callgate.http1.contract import Header
from callgate.serve.param_headers import checked, declared

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "plain": {"type": "string"},
        "deep": {"type": "object", "properties": {"tenant": {"type": "string", "x-mcp-header": "Tenant"}}},
    },
    "anyOf": [{"properties": {"hidden": {"type": "string", "x-mcp-header": "Hidden"}}}],
}


def given(**values: str) -> tuple[Header, ...]:
    return tuple((f"mcp-param-{name}".encode(), value.encode()) for name, value in values.items())


def test_only_properties_reached_through_properties_declare_headers() -> None:
    assert set(declared(SCHEMA)) == {
        b"mcp-param-region",
        b"mcp-param-count",
        b"mcp-param-dry",
        b"mcp-param-tenant",
    }


@pytest.mark.parametrize(
    ("headers", "arguments"),
    [
        ({"region": "eu"}, {"region": "eu"}),
        ({"region": "=?base64?ZXU=?="}, {"region": "eu"}),
        ({"count": "42"}, {"count": 42}),
        ({"count": "42"}, {"count": Decimal("42.0")}),
        ({"count": "-7.0"}, {"count": -7}),
        ({"dry": "true"}, {"dry": True}),
        ({"tenant": "a"}, {"deep": {"tenant": "a"}}),
    ],
)
def test_a_header_that_repeats_its_argument_passes_as_it_came(
    headers: dict[str, str], arguments: dict[str, Any]
) -> None:
    assert checked(given(**headers), SCHEMA, arguments) == (given(**headers), None)


@pytest.mark.parametrize(
    ("headers", "arguments"),
    [
        ({"region": "us"}, {"region": "eu"}),
        ({"region": "EU"}, {"region": "eu"}),
        ({"region": "eu"}, {}),
        ({"region": "eu"}, {"region": None}),
        ({"region": "eu"}, {"region": ["eu"]}),
        ({"region": "=?base64?ZXU?="}, {"region": "eu"}),
        ({"count": "43"}, {"count": 42}),
        ({"count": "4e1"}, {"count": 40}),
        ({"count": "0x2a"}, {"count": 42}),
        ({"count": "042"}, {"count": 42}),
        ({"count": "42."}, {"count": 42}),
        ({"count": "+42"}, {"count": 42}),
        ({"region": "=?BASE64?ZXU=?="}, {"region": "eu"}),
        ({"region": "=?BASE64?ZXU=?="}, {"region": "=?BASE64?ZXU=?="}),
        ({"count": "42.5"}, {"count": 42}),
        ({"dry": "True"}, {"dry": True}),
        ({"dry": "1"}, {"dry": True}),
        ({"tenant": "a"}, {"tenant": "a"}),
        ({"tenant": "a"}, {"deep": "a"}),
    ],
)
def test_a_header_that_says_anything_else_is_refused(
    headers: dict[str, str], arguments: dict[str, Any]
) -> None:
    assert checked(given(**headers), SCHEMA, arguments)[1] is not None


def test_a_header_that_stands_twice_is_refused_even_if_both_agree() -> None:
    assert checked(given(region="eu") * 2, SCHEMA, {"region": "eu"})[1] is not None


def test_a_header_that_the_schema_does_not_declare_goes_no_further() -> None:
    assert checked(given(plain="x", other="y"), SCHEMA, {"plain": "x"}) == ((), None)


def test_without_the_schema_no_header_can_be_believed() -> None:
    assert checked(given(region="eu"), None, {"region": "eu"})[1] is not None


def test_very_many_headers_are_refused() -> None:
    assert checked(given(region="eu") * 51, SCHEMA, {"region": "eu"})[1] is not None
