"""Frames of a hostile server: never an exception, passed on byte for byte unless a byte could deceive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from wire_frames import exact, json_objects, spellings

from callgate.wire.server import CallResult, call_result, read_server_frame, result_type


@pytest.mark.parametrize(
    ("line", "kind", "known"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}', "response", {"id": 1, "has_error": False}),
        (b'{"result": {} ,"jsonrpc":"2.0","id":"a"}', "response", {"id": "a"}),
        (
            b'{"id":1,"error":{"code":-32601,"message":"no"}}',
            "response",
            {"has_error": True, "error_code": -32601},
        ),
        (
            b'{"id":null,"error":{"code":1.5}}',
            "response",
            {"id": None, "has_error": True, "error_code": None},
        ),
        (b'{"id":2,"method":"roots/list"}', "request", {"id": 2, "method": "roots/list"}),
        (b'{"method":"notifications/message","params":{"x":1e2}}', "notification", {"id": None}),
        (b'{"id":3,"result":{"text":"\xe2\x80\xa8","n":1.0}, "extra":[1,2]}', "response", {"id": 3}),
    ],
)
def test_an_ordinary_frame_passes_byte_for_byte(line: bytes, kind: str, known: dict[str, Any]) -> None:
    frame = read_server_frame(line)
    assert (frame.kind, frame.forward, frame.passable) == (kind, line, True)
    assert {name: getattr(frame, name) for name in known} == known
    assert read_server_frame(line + b"\r").forward == line


@pytest.mark.parametrize(
    ("line", "passable", "answers"),
    [
        (b"listening on port 80", True, None),
        (b"listening\r{}", False, None),
        ('{"id":1,"result":{"tools":[]}}'.encode("utf-16"), False, None),
        ('{"id":1,"result":{"tools":[]}}'.encode("utf-16-be"), False, None),
        (b"listening\0", False, None),
        (b'{"id":1.0,"result":{"tools":[]}}', False, None),
        (b'{"id":1,"method":"x","result":{}}', False, None),
        (b'{"id":1,"result":{},"error":{}}', True, 1),
        (b'[{"id":1,"result":{}}]', False, None),
        (b'{"id":1,"result":{"x":NaN}}', True, 1),
        (b'{"id":1,"id":2,"result":{"x":NaN}}', False, None),
        (b'{"result":{}}', False, None),
        (b'{"id":true,"result":{}}', False, None),
        (b'{"id":1,"result":\r{"x":"\xff"}}', False, 1),
        (b"", True, None),
        (b"[" * 100_000, False, None),
    ],
)
def test_what_is_no_message_is_garbage(line: bytes, passable: bool, answers: int | None) -> None:
    frame = read_server_frame(line)
    assert (frame.kind, frame.passable, frame.id) == ("garbage", passable, answers)


@given(st.data(), json_objects)
def test_a_carriage_return_between_tokens_is_removed(data: st.DataObject, result: dict[str, Any]) -> None:
    line = data.draw(spellings({"id": 1, "result": result})).replace(b"\n", b"\r")
    frame = read_server_frame(line)
    assert exact(frame.forward) == exact(line)
    assert b"\r" not in frame.forward
    if b"\r" not in line:
        assert frame.forward == line


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    assert b"\r" not in read_server_frame(data).forward or not read_server_frame(data).passable


def test_the_gate_peeks_at_results() -> None:
    task = Raw(b'{"resultType":"task","taskId":"t1","status":"working","isError":false}')
    assert call_result(task) == CallResult(is_error=False, kind="task", task="t1")
    assert result_type(task) == "task"
    assert call_result(Raw(b'{"content":[],"isError":true}')).is_error
    for odd in (b"[]", b"1", b'{"isError":"true","resultType":5,"taskId":{}}'):
        assert call_result(Raw(odd)) == CallResult(is_error=False, kind=None, task=None)
