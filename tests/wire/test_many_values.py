"""Frames of many values are refused before they are decoded, and long texts are not taken for many values."""

import tracemalloc

import pytest
from wire_frames import call, line, refused

from callgate.wire.strict import read_client_frame
from callgate.wire.values import MAX_VALUES

_FIXED = line(call(arguments={"x": 0}))


def _with(fragment: bytes) -> bytes:
    return _FIXED.replace(b'{"x":0}', b'{"x":' + fragment + b"}")


def _array(value: bytes, count: int) -> bytes:
    return b"[" + b",".join([value] * count) + b"]"


@pytest.mark.parametrize(
    "fragment",
    [
        pytest.param(_array(b"1", MAX_VALUES), id="numbers"),
        pytest.param(_array(b"{}", MAX_VALUES // 2), id="empty objects"),
        pytest.param(_array(b"[]", MAX_VALUES // 2), id="empty arrays"),
        pytest.param(_array(b'""', MAX_VALUES), id="empty texts"),
        pytest.param(_array(b'""', 3 * MAX_VALUES), id="more texts than are looked at"),
        pytest.param(_array(b'"\\""', MAX_VALUES), id="texts of an escaped quote"),
        pytest.param(_array(b'"\\\\"', MAX_VALUES), id="texts of a backslash"),
        pytest.param(_array(b'{"a":1}', MAX_VALUES // 2), id="objects of one member"),
        pytest.param(_array(b'"a", \t1', MAX_VALUES // 2), id="with white space"),
    ],
)
def test_a_frame_of_too_many_values_is_refused_under_its_code(fragment: bytes) -> None:
    refusal = refused(_with(fragment))
    assert (refusal.code, refusal.rpc_code, refusal.expects_answer) == ("WIR017", -32600, True)


@pytest.mark.parametrize(
    "fragment",
    [
        pytest.param(_array(b"1", MAX_VALUES - 10), id="just few enough numbers"),
        pytest.param(b'"' + b"1,2,[" * 200_000 + b'"', id="one text of commas and brackets"),
        pytest.param(b'"' + b'\\",{\\\\' * 150_000 + b'"', id="one text of JSON"),
        pytest.param(_array(b'"a,b,[c],{\\"d\\"}"', 60_000), id="many texts with commas"),
    ],
)
def test_large_frames_of_few_values_pass(fragment: bytes) -> None:
    assert read_client_frame(_with(fragment)).forward == _with(fragment)


def test_a_dense_frame_takes_no_memory_beyond_a_few_times_its_bytes() -> None:
    dense = _with(_array(b"{}", 1_000_000))
    tracemalloc.start()
    try:
        refused(dense)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(dense)
