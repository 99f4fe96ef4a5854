"""The line reader: the same frames for every chunking, bounded memory, nothing lost without a word."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.wire.envelope import Envelope, scan
from callgate.wire.framing import LineReader, Oversized

MAX = 64


def feed_all(chunks: list[bytes], max_frame: int = MAX) -> list[bytes | Oversized]:
    reader = LineReader(max_frame)
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    return frames + reader.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


lines = st.lists(
    st.sampled_from(
        [b"", b" \t\r", b"{}", b'{"a":1}\r', b"\x0b", b'{"id":5,"method":"x","params":"%b"}' % (b"\\n" * 60)]
    )
    | st.binary(max_size=100).map(lambda data: data.replace(b"\n", b"")),
    max_size=8,
)


@given(lines, st.lists(st.integers(0, 1000), max_size=12), st.booleans())
def test_every_chunking_gives_the_same_frames(parts: list[bytes], places: list[int], ended: bool) -> None:
    data = b"\n".join(parts) + (b"\n" if ended else b"")
    expected = [
        part if len(part) <= MAX else Oversized(len(part), scan(part))
        for part in parts
        if part.strip(b" \t\r")
    ]
    whole = feed_all([data])
    # A long line of blanks is no frame either way of cutting; it is told all the same.
    blanks = [
        Oversized(len(part), scan(part)) for part in parts if len(part) > MAX and not part.strip(b" \t\r")
    ]
    assert [f for f in whole if f not in blanks] == expected
    assert feed_all(cut(data, places)) == whole
    assert feed_all([data[i : i + 1] for i in range(len(data))]) == whole


def test_a_line_of_exactly_the_bound_is_kept_and_one_byte_more_is_not() -> None:
    assert feed_all([b"x" * MAX + b"\n"]) == [b"x" * MAX]
    (frame,) = feed_all([b"x" * (MAX + 1) + b"\n"])
    assert isinstance(frame, Oversized)
    assert frame.size == MAX + 1


def test_what_stands_before_the_end_of_the_stream_is_a_frame() -> None:
    reader = LineReader(MAX)
    assert reader.feed(memoryview(b'{}\n{"a"')) == [b"{}"]
    assert reader.finish() == [b'{"a"']
    assert reader.finish() == []


def test_a_frame_without_end_is_not_kept() -> None:
    reader = LineReader(MAX)
    reader.feed(b'{"id":1,"method":"tools/call","params":"')
    for _ in range(1000):
        assert reader.feed(b"x" * 65_536) == []
    assert sum(map(len, reader._parts)) == 0
    (frame,) = reader.feed(b'"}\n')
    assert isinstance(frame, Oversized)
    assert (frame.id, frame.kind, frame.size) == (1, "request", 42 + 65_536_000)
    refusal = frame.refusal(MAX)
    assert (refusal.code, refusal.request_id, refusal.expects_answer) == ("WIR007", 1, True)


BIG: Any = {"name": "x", "arguments": {"id": 99, "text": 'q"\\' * 99, "list": [{"id": 3}, "}{", 1.5] * 9}}


@pytest.mark.parametrize("request_id", [0, -5, 12345678901, "a", "é\u2028", 'q"\\', "x" * 256])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("indent", [None, 2])
def test_the_id_is_found_wherever_it_stands(request_id: Any, place: int, indent: int | None) -> None:
    items = [("jsonrpc", "2.0"), ("method", "tools/call"), ("params", BIG)]
    items.insert(place, ("id", request_id))
    text = json.dumps(dict(items), indent=indent).encode().replace(b"\n", b"\r")
    assert scan(text) == Envelope("request", request_id, "tools/call")
    for step in (1, 7):
        (frame,) = feed_all([text[i : i + step] for i in range(0, len(text), step)])
        assert isinstance(frame, Oversized)
        assert (frame.id, frame.kind) == (request_id, "request")


@pytest.mark.parametrize(
    ("text", "envelope"),
    [
        (b'{"id":1,"id":1,"method":"x"}', Envelope("unknown")),
        (b'{"id":1,"ID":2,"method":"x"}', Envelope("unknown")),
        (b'{"\\u0069d":1,"id":2,"method":"x"}', Envelope("unknown")),
        (b'{"id":1 2,"method":"x"}', Envelope("unknown")),
        (b'{"id":1.0,"method":"x"}', Envelope("unknown", None, "x")),
        (b'{"id":true,"method":"x"}', Envelope("unknown", None, "x")),
        (b'{"id":{"id":1},"method":"x"}', Envelope("unknown", None, "x")),
        (b'{"id":1,"method":"x","result":{}}', Envelope("unknown", 1)),
        (b'{"method":"x","params":{"id":1}}', Envelope("notification", None, "x")),
        (b'{"result":{"method":"x"},"id":4}', Envelope("response", 4)),
        (b'[{"id":1,"method":"x"}]', Envelope("unknown")),
        (b'{"id":1,"method":"x"', Envelope("unknown")),
        (b'{"id":1,"method":"x"}}', Envelope("unknown")),
        (b'{"id":1,"method":"x","params":NaN}', Envelope("request", 1, "x")),
        (b'{"id":"%b","method":"x"}' % (b"i" * 257), Envelope("unknown", None, "x")),
        (b'{"id":"%b","method":"x"}' % (b"i" * 9999), Envelope("unknown", None, "x")),
        (b'{"long":"%b","id":1,"method":"x"}' % (b"i" * 99_999), Envelope("request", 1, "x")),
        (b'{%b"id":1,"method":"x"}' % (b" " * 99_999), Envelope("request", 1, "x")),
        (b'{%b"id":1,"method":"x"}' % b"".join(b'"k%d":1,' % i for i in range(9999)), Envelope("unknown")),
    ],
)
def test_an_ambiguous_id_is_no_id(text: bytes, envelope: Envelope) -> None:
    assert scan(text) == envelope
