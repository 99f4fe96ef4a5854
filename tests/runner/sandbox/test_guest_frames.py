"""The host reads what guests say strictly: whole frames, bounded, of known kinds, and anything else ends the run."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.runner.answer import Answer, Failure
from callgate.runner.sandbox.frames import (
    MAX_CALL,
    MAX_DEPTH,
    MAX_RESULT_VALUES,
    MAX_SMALL,
    MAX_VALUES,
    Call,
    Done,
    Failed,
    FrameReader,
    HostileFrame,
    Progress,
    Ready,
    answer_frame,
    decode,
    encode,
    values_in,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("aé😀", max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text("ab", max_size=3), JSON, max_size=2), max_size=4),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_frames_are_the_same_however_the_bytes_are_cut(
    values: list[dict[str, Any]], sizes: list[int]
) -> None:
    said = b"".join(
        encode({"t": "call", "seq": number, "function": "f", "arguments": value})
        for number, value in enumerate(values)
    )
    reader, found = FrameReader(), []
    for size in [*sizes, len(said)]:
        found += list(reader.feed(said[:size]))
        said = said[size:]
    assert found == [Call(number, "f", value) for number, value in enumerate(values)]
    assert not reader.amid


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_anything_but_hostile_frame(data: bytes) -> None:
    reader = FrameReader(100)
    try:
        for frame in reader.feed(data):
            assert isinstance(frame, Ready | Call | Progress | Done | Failed)
    except HostileFrame:
        pass


@given(st.binary(max_size=200))
def test_no_body_raises_anything_but_hostile_frame(body: bytes) -> None:
    with contextlib.suppress(HostileFrame):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"t":"unknown"}',
        b'{"t":"call","seq":1,"function":"f"}',
        b'{"t":"call","seq":"1","function":"f","arguments":{}}',
        b'{"t":"call","seq":1,"function":"f","arguments":[]}',
        b'{"t":"call","seq":1,"function":"' + b"f" * 300 + b'","arguments":{}}',
        b'{"t":"progress","fraction":2}',
        b'{"t":"progress","fraction":-1}',
        b'{"t":"done","results":{"a":NaN}}',
        b'{"t":"done","results":{"a":Infinity}}',
        b'{"t":"done","results":{"a":1e999}}',
        b'{"t":"done","results":{"a":"\xff"}}',
        b'{"t":"done","results":{}} {}',
        b'{"t":"error","kind":"exception","type":"E"}',
        b'{"t":"done","results":{"a":' + b"9" * 100_000 + b"}}",
        b'{"t":"done","results":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
)
def test_a_frame_of_no_known_kind_is_hostile(body: bytes) -> None:
    with pytest.raises(HostileFrame):
        decode(body)


@pytest.mark.parametrize(("depth", "held"), [(MAX_DEPTH - 1, True), (MAX_DEPTH + 1, False)])
def test_values_are_nested_only_so_deep(depth: int, held: bool) -> None:
    body = b'{"t":"call","seq":1,"function":"f","arguments":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    if held:
        assert isinstance(decode(body), Call)
    else:
        with pytest.raises(HostileFrame):
            decode(body)


def test_results_that_are_too_large_are_told_from_other_frames_that_are() -> None:
    for start, most, cause in (
        (b'{"t":"done","results":{', 1000, "result_size"),
        (b'{"t":"call","seq":1', MAX_CALL, "crashed"),
        (b'{"t":"progress"', MAX_SMALL, "crashed"),
        (b'{"t":"error","kind"', MAX_SMALL, "crashed"),
        (b'{"t":"ready","walls"', MAX_SMALL, "crashed"),
    ):
        reader = FrameReader(1000)
        assert list(reader.feed(most.to_bytes(4, "big") + start)) == []
        with pytest.raises(HostileFrame) as caught:
            list(FrameReader(1000).feed((most + 1).to_bytes(4, "big") + start))
        assert caught.value.cause == cause


def test_a_length_is_refused_before_its_bytes_are_kept() -> None:
    reader = FrameReader(100)
    assert list(reader.feed(b"\xff\xff\xff\xff")) == []
    with pytest.raises(HostileFrame):
        list(reader.feed(b"x" * 20))


@given(JSON)
def test_answers_are_json_with_the_value_or_the_failure(value: Any) -> None:
    body = answer_frame(7, Answer(value=value))
    assert len(body) == 4 + int.from_bytes(body[:4], "big")
    assert json.loads(body[4:]) == {"t": "answer", "seq": 7, "value": value}


def test_a_failure_is_told_whole() -> None:
    failure = Failure(
        kind="denied", message="no", code="DEN001", rule="r", reason="why", retry_after=1.5, ran=False
    )
    assert json.loads(answer_frame(1, Answer(failure=failure))[4:])["failure"] == {
        "kind": "denied",
        "message": "no",
        "code": "DEN001",
        "rule": "r",
        "reason": "why",
        "retry_after": 1.5,
        "ran": False,
    }


def _counted(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_counted, inner))


@given(JSON)
def test_values_are_never_counted_too_low(value: Any) -> None:
    assert values_in(json.dumps(value).encode()) >= _counted(value)


def test_a_call_holds_only_so_many_values_however_long_its_texts_are() -> None:
    def call(inner: str) -> bytes:
        return f'{{"t":"call","seq":1,"function":"f","arguments":{{"a":[{inner}]}}}}'.encode()

    text = json.dumps(',[{\\"' * MAX_VALUES)
    assert isinstance(decode(call(text)), Call)
    assert isinstance(decode(call("[]," * (MAX_VALUES // 2 - 9) + "1")), Call)
    with pytest.raises(HostileFrame, match="values"):
        decode(call("[]," * MAX_VALUES + "1"))


def test_texts_without_an_end_or_a_comma_are_counted_in_linear_time() -> None:
    for inner in (
        b'"' + b'\\",' * (MAX_CALL // 4),
        b'""' * (MAX_CALL // 2 - 99) + b"," * 999,
        b'"",' * MAX_VALUES,
    ):
        with pytest.raises(HostileFrame):
            decode(b'{"t":"call","seq":1,"function":"f","arguments":{"a":[' + inner)


def test_results_hold_only_so_many_values_and_then_are_too_large() -> None:
    def done(count: int) -> bytes:
        return b'{"t":"done","results":{"a":[' + b"1," * count + b"1]}}"

    assert isinstance(decode(done(MAX_RESULT_VALUES - 9)), Done)
    with pytest.raises(HostileFrame) as caught:
        decode(done(MAX_RESULT_VALUES))
    assert caught.value.cause == "result_size"


def test_a_call_that_begins_like_results_holds_no_more_values_than_another() -> None:
    body = b'{"t":"done","t":"call","seq":1,"function":"f","arguments":{"a":[' + b"[]," * MAX_VALUES + b"1]}}"
    with pytest.raises(HostileFrame):
        decode(body)
