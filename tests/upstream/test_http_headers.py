"""The headers that go with a frame say what the frame says, and nothing of it becomes a header of its own."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound

from callgate.clock import ManualClock
from callgate.config.model import Secret
from callgate.config.secrets import SecretError
from callgate.upstream.contract import Route
from callgate.upstream.http_headers import (
    InvalidAnnotationError,
    annotations,
    frame_headers,
    header_value,
    param_headers,
)
from callgate.upstream.secrets import SecretHeaders
from callgate.wire.strict import ClientFrame, read_client_frame

MODERN = Route("lane", "modern", "2026-07-28")


def frame(method: str, params: dict[str, Any] | None = None, **more: Any) -> ClientFrame:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params})}
    return read_client_frame(json.dumps({**message, **more}).encode())


def headers(method: str, params: dict[str, Any] | None, route: Route = MODERN) -> dict[bytes, bytes]:
    found = frame_headers(frame(method, params), params, route)
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/call", {"name": "add", "uri": "x"}, b"add"),
        ("prompts/get", {"name": "p q"}, b"p q"),
        ("resources/read", {"uri": "file:///a", "name": "x"}, b"file:///a"),
        ("tasks/get", {"taskId": "t1"}, b"t1"),
        ("tasks/update", {"taskId": "t1"}, b"t1"),
        ("tasks/cancel", {"taskId": "t1"}, b"t1"),
        ("tools/list", {"name": "x"}, None),
        ("server/discover", None, None),
        ("resources/read", {"uri": 5}, None),
    ],
)
def test_a_modern_frame_goes_with_its_method_version_and_name(
    method: str, params: dict[str, Any] | None, name: bytes | None
) -> None:
    found = headers(method, params)
    assert found.pop(b"mcp-protocol-version") == b"2026-07-28"
    assert found.pop(b"mcp-method") == method.encode()
    assert found.pop(b"mcp-name", None) == name
    assert not found


def test_a_legacy_frame_goes_with_its_session_and_the_version_agreed_on() -> None:
    route = Route("lane", "legacy", "2025-11-25", "abc")
    expected = {b"mcp-protocol-version": b"2025-11-25", b"mcp-session-id": b"abc"}
    assert headers("tools/call", {"name": "add"}, route) == expected
    assert headers("initialize", {}, Route("lane", "legacy")) == {}


def test_trace_context_goes_along() -> None:
    trace = ((b"traceparent", b"00-1-2-01"),)
    assert (
        headers("tools/list", None, Route("lane", "modern", "v", trace=trace))[b"traceparent"] == b"00-1-2-01"
    )


@pytest.mark.parametrize("text", ["add", "a b", "a", "=?base64?", "x\t y"[:1], "~!", "=?utf-8?q?a?="])
def test_a_value_that_arrives_as_it_is_stays_as_it_is(text: str) -> None:
    assert header_value(text) == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " a",
        "a ",
        "a\tb",
        "a\r\nx: y",
        "ü",
        "\u2028",
        "\0",
        "=?base64?YQ==?=",
        "=?base64??=",
        "=?Base64?YQ==?=",
        "\x7f",
    ],
)
def test_a_value_that_would_not_arrive_is_wrapped(text: str) -> None:
    value = header_value(text)
    assert value.startswith(b"=?base64?")
    assert value.endswith(b"?=")
    assert b64decode(value[9:-2]).decode() == text


@given(text=st.text())
def test_the_official_reader_reads_every_value_back(text: str) -> None:
    value = header_value(text).decode()
    assert value.isascii()
    assert value.strip() == value
    assert inbound.decode_header_value(value) == text.encode("utf-8", "replace").decode()


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def marked(name: Any = "Region", type: Any = "string", **more: Any) -> dict[str, Any]:
    return {"type": type, "x-mcp-header": name, **more}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("eu", b"eu"),
        ("e\u00fc", b"=?base64?ZcO8?="),
        (True, b"true"),
        (False, b"false"),
        (42, b"42"),
        (-7, b"-7"),
        (42.0, b"42"),
        (1.5, b"1.5"),
        ("", b"=?base64??="),
        (None, None),
        ({"a": 1}, None),
        (["a"], None),
        (10**200, None),
    ],
)
def test_a_marked_argument_stands_in_a_header(value: Any, sent: bytes | None) -> None:
    found = param_headers(schema(region=marked()), {"region": value, "other": "x"})
    assert found == ([] if sent is None else [(b"mcp-param-region", sent)])


def test_nested_arguments_are_found_and_absent_ones_have_no_header() -> None:
    nested = schema(at=schema(region=marked(), zone=marked("Zone")), limit=marked("Limit", "integer"))
    assert param_headers(nested, {"at": {"region": "eu"}}) == [(b"mcp-param-region", b"eu")]
    assert param_headers(nested, {"at": "eu"}) == []
    assert param_headers(nested, None) == []


@pytest.mark.parametrize(
    "broken",
    [
        marked(),
        schema(a=marked("")),
        schema(a=marked("a b")),
        schema(a=marked("a\r\nx: y")),
        schema(a=marked("a:")),
        schema(a=marked(5)),
        schema(a=marked("x" * 101)),
        schema(a=marked(type="number")),
        schema(a=marked(type="object")),
        schema(a=marked(type=["string", "null"])),
        schema(a={"x-mcp-header": "A"}),
        schema(a=marked("A"), b=marked("a")),
        schema(a={"type": "array", "items": marked()}),
        schema(a={"anyOf": [marked()]}),
        {"$defs": {"a": marked()}, **schema(a={"$ref": "#/$defs/a"})},
        {"if": schema(a=marked())},
        schema(good=marked("Good"), bad=marked("a b")),
    ],
)
def test_one_mark_that_breaks_the_rules_makes_the_tool_one_that_must_not_be_called(
    broken: dict[str, Any],
) -> None:
    with pytest.raises(InvalidAnnotationError):
        annotations(broken)
    # It is what the official client calls invalid, too.
    if "x" * 101 not in json.dumps(broken):
        assert inbound.find_invalid_x_mcp_header(broken) is not None


def test_what_only_looks_like_a_mark_is_data() -> None:
    data = schema(region=marked(), a={"default": marked("A"), "enum": [marked("B")], "const": marked("C")})
    assert annotations(data) == ((("region",), b"mcp-param-region"),)
    assert inbound.find_invalid_x_mcp_header(data) is None


def test_a_schema_as_deep_as_can_be_is_read() -> None:
    deep: dict[str, Any] = marked()
    for _ in range(5_000):
        deep = schema(a=deep)
    (path, _), *_ = annotations(deep)
    assert len(path) == 5_000


def test_the_headers_that_the_agent_sent_are_preferred() -> None:
    route = Route(
        "l", "modern", "v", input_schema=schema(a=marked()), param_headers=((b"mcp-param-x", b"y"),)
    )
    found = headers("tools/call", {"name": "n", "arguments": {"a": "b"}}, route)
    assert found[b"mcp-param-x"] == b"y"
    assert b"mcp-param-region" not in found


def test_a_secret_is_read_again_when_its_file_changed(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "token"
    path.write_text("one\n")
    secret = SecretHeaders({"Authorization": Secret(file=str(path), prefix="Bearer "), "X-Plain": "p"}, clock)
    assert secret.current() == ((b"authorization", b"Bearer one"), (b"x-plain", b"p"))
    path.write_text("two, longer")
    assert secret.current()[0][1] == b"Bearer one"
    clock.advance(1)
    assert secret.current()[0][1] == b"Bearer two, longer"
    path.unlink()
    clock.advance(1)
    assert secret.current()[0][1] == b"Bearer two, longer"
    path.write_text("three")
    clock.advance(1)
    assert secret.current()[0][1] == b"Bearer three"
    assert "three" not in repr(secret)


@pytest.mark.parametrize("content", ["", "a\nb", "a\x00b", "a\rb"])
def test_a_secret_that_cannot_stand_in_a_header_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(SecretError) as caught:
        SecretHeaders({"Authorization": Secret(file=str(path))}, ManualClock())
    assert "a\n" not in caught.value.message
