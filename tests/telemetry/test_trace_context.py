"""Trace context from hostile places: what is well formed goes on, everything else is as if it were not there."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callgate.errors import WireRefusal
from callgate.http1.contract import Headers
from callgate.telemetry.trace_context import (
    NO_CONTEXT,
    TraceContext,
    context_from_headers,
    context_from_meta,
    inject_meta,
    passed_context,
)
from callgate.wire.strict import read_client_frame

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def headers(**values: str | bytes) -> Headers:
    return Headers(
        [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in values.items()
        ]
    )


@pytest.mark.parametrize(
    "good",
    [PARENT, f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-ff", f"cc-{TRACE}-{SPAN}-01-what-is-to-come"],
)
def test_a_well_formed_parent_is_taken_from_headers_and_from_meta(good: str) -> None:
    assert context_from_headers(headers(traceparent=good)).traceparent == good
    assert context_from_meta({"_meta": {"traceparent": good}}) == TraceContext(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00",
        PARENT.upper(),
        f" {PARENT}",
        f"{PARENT} ",
        f"{PARENT}\n",
        f"{PARENT}-00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.",
        f"cc-{TRACE}-{SPAN}-01-\r\nx: y",
        f"cc-{TRACE}-{SPAN}-01-{'a' * 500}",
        PARENT.replace("4", "\N{ARABIC-INDIC DIGIT FOUR}"),
    ],
)
def test_a_malformed_parent_counts_as_none_and_so_does_its_state(bad: str) -> None:
    assert context_from_headers(headers(traceparent=bad, tracestate="a=b")) is NO_CONTEXT
    assert context_from_meta({"_meta": {"traceparent": bad, "tracestate": "a=b"}}) is NO_CONTEXT


@pytest.mark.parametrize("odd", [None, 5, [PARENT], {"x": PARENT}, True])
def test_a_parent_that_is_no_string_counts_as_none(odd: Any) -> None:
    assert context_from_meta({"_meta": {"traceparent": odd, "baggage": odd}}) is NO_CONTEXT
    assert context_from_meta({"_meta": odd}) is NO_CONTEXT


def test_two_parents_are_none() -> None:
    twice = Headers([(b"traceparent", PARENT.encode())] * 2)
    assert context_from_headers(twice) is NO_CONTEXT
    assert context_from_meta(None) is NO_CONTEXT


@pytest.mark.parametrize(
    ("state", "read"),
    [
        ("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        (" a=1 ,\tb=2 , ", "a=1,b=2"),
        ("tenant@vendor=x", "tenant@vendor=x"),
        ("A=1", None),
        ("a", None),
        ("a=", None),
        ("a=1,a=2", None),
        ("a=\x01", None),
        ("a=b=c", None),
        (",".join(f"k{number}=v" for number in range(33)), None),
        ("a=" + "v" * 600, None),
    ],
)
def test_a_state_that_cannot_be_read_is_left_out_and_the_parent_stays(state: str, read: str | None) -> None:
    assert context_from_headers(headers(traceparent=PARENT, tracestate=state)) == TraceContext(PARENT, read)


@pytest.mark.parametrize(
    ("baggage", "good"),
    [
        ("userId=alice,serverNode=DF%2028,isProduction=false", True),
        ("a = 1 ;p; q = 2 , b=", True),
        ('a="quoted"', False),
        ("a=1 2", False),
        ("=1", False),
        ("a=1,,b=2", False),
        ("a=\u00e9", False),
        ("a=1\r\nx: y", False),
        (",".join("a=1" for _ in range(65)), False),
        ("a=" + "v" * 9000, False),
    ],
)
def test_baggage_goes_on_as_it_came_or_not_at_all(baggage: str, good: bool) -> None:
    expected = TraceContext(baggage=baggage) if good else NO_CONTEXT
    assert context_from_headers(headers(baggage=baggage)) == expected
    assert context_from_meta({"_meta": {"baggage": baggage}}) == expected


def test_context_in_several_headers_is_put_together_in_order() -> None:
    several = Headers(
        [(b"traceparent", PARENT.encode()), (b"tracestate", b"a=1"), (b"x", b"y"), (b"tracestate", b"b=2")]
    )
    assert passed_context(several) == ((b"traceparent", PARENT.encode()), (b"tracestate", b"a=1,b=2"))


def test_without_context_nothing_is_passed_on() -> None:
    assert passed_context(headers(accept="*/*", tracestate="a=1")) == ()


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_the_headers_hold_what_goes_on_is_printable_ascii(
    one: bytes, two: bytes, three: bytes
) -> None:
    for parent in (one, PARENT.encode()):
        passed = passed_context(headers(traceparent=parent, tracestate=two, baggage=three))
        assert all(0x20 <= byte < 0x7F or byte == 0x09 for _, value in passed for byte in value)


@given(st.text(alphabet="0123456789abcdef-f", min_size=50, max_size=58) | st.just(PARENT))
def test_what_is_accepted_the_official_propagator_accepts_as_well(text: str) -> None:
    from opentelemetry.trace import get_current_span

    context = context_from_headers(headers(traceparent=text))
    if context.traceparent is not None:
        read = TraceContextTextMapPropagator().extract({"traceparent": text})
        assert f"{get_current_span(read).get_span_context().trace_id:032x}" == context.trace_id


# ---- in a frame


def frame(params: dict[str, Any] | None, **more: Any) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    if params is not None:
        message["params"] = {"name": "read", **params}
    return json.dumps({**message, **more}, separators=(",", ":"), ensure_ascii=False).encode()


def injected(line: bytes, context: TraceContext) -> bytes:
    read = read_client_frame(line)
    return inject_meta(read.forward, read.message, context)


NEW = TraceContext(f"00-{TRACE}-{SPAN}-01", "a=b", "u=1")


def test_a_frame_without_meta_gets_one() -> None:
    assert injected(frame({"arguments": {"a": "}"}}), TraceContext(PARENT)) == frame(
        {"arguments": {"a": "}"}, "_meta": {"traceparent": PARENT}}
    )


def test_context_in_a_frame_is_replaced_and_the_rest_of_meta_stays() -> None:
    before = frame(
        {"_meta": {"traceparent": "x", "progressToken": 7, "tracestate": "y", "z": [1, {"a": "]"}]}}
    )
    after = frame({"_meta": {"progressToken": 7, "z": [1, {"a": "]"}], "traceparent": PARENT}})
    assert injected(before, TraceContext(PARENT)) == after


def test_all_three_members_are_put_in() -> None:
    assert json.loads(injected(frame({"_meta": {}}), NEW))["params"]["_meta"] == {
        "traceparent": PARENT,
        "tracestate": "a=b",
        "baggage": "u=1",
    }


def test_no_context_takes_what_was_refused_out_of_the_frame() -> None:
    before = frame({"_meta": {"traceparent": "evil", "k": 1}})
    assert injected(before, NO_CONTEXT) == frame({"_meta": {"k": 1}})
    assert injected(frame({}), NO_CONTEXT) == frame({})


def test_a_meta_that_is_no_object_is_the_servers_to_judge() -> None:
    others: tuple[Any, ...] = (None, [], "x", 5)
    for odd in others:
        assert injected(frame({"_meta": odd}), NEW) == frame({"_meta": odd})


def test_only_the_meta_of_the_params_counts() -> None:
    before = frame({"arguments": {"_meta": {"traceparent": "mine"}, "s": '"_meta":{"traceparent":"x"}'}})
    after = json.loads(injected(before, TraceContext(PARENT)))
    assert after["params"]["arguments"] == json.loads(before)["params"]["arguments"]
    assert after["params"]["_meta"] == {"traceparent": PARENT}


def test_numbers_and_escapes_of_a_frame_keep_their_spelling() -> None:
    before = (
        rb'{"params":{"name":"read","\u005fmeta":{"trace\u0070arent":"x","k\"\\":1.0e2},'
        rb'"arguments":{"n":1.50,"e":"\u0041\/","\\":"\\\""}},"id":1,"jsonrpc":"2.0","method":"tools/call"}'
    )
    after = (
        rb'{"params":{"name":"read","\u005fmeta":{"k\"\\":1.0e2,"traceparent":"%b"},'
        rb'"arguments":{"n":1.50,"e":"\u0041\/","\\":"\\\""}},"id":1,"jsonrpc":"2.0","method":"tools/call"}'
    )
    assert injected(before, TraceContext(PARENT)) == after % PARENT.encode()


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_keys = st.text(max_size=4).filter(lambda key: key.casefold() not in ("name", "arguments", "_meta"))


@given(
    st.dictionaries(_keys, _json, max_size=3),
    st.none()
    | st.dictionaries(st.sampled_from(["traceparent", "baggage", "k", 'q"', "\\"]), _json, max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_everything_but_the_context_stays_whatever_the_frame(
    more: dict[str, Any], meta: dict[str, Any] | None, ascii: bool, spaced: bool
) -> None:
    params = {"name": "read", **more} if meta is None else {"name": "read", "_meta": meta, **more}
    message = {"jsonrpc": "2.0", "params": params, "method": "tools/call", "id": 1}
    try:
        read = read_client_frame(
            json.dumps(message, ensure_ascii=ascii, indent=1 if spaced else None).replace("\n", " ").encode()
        )
    except WireRefusal:
        return
    after = json.loads(inject_meta(read.forward, read.message, NEW))
    values = {"traceparent": NEW.traceparent, "tracestate": NEW.tracestate, "baggage": NEW.baggage}
    kept = {key: value for key, value in (meta or {}).items() if key not in values}
    assert after["params"].pop("_meta") == {**kept, **values}
    params.pop("_meta", None)
    assert after == {**message, "params": params}
