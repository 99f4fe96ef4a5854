"""Server-sent events: what comes out does not depend on how it comes in, and no event can become two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.http1.sse import KEEP_ALIVE, SseError, SseEvent, SseReader, encode_event

BOUND = 10_000

# What matters to a reader of the format, often enough to meet.
PIECES = st.sampled_from(
    b"data|data:|data: |id|id:7|id: \0|retry:9|event: x|:| |a|\0|\n|\r|\r\n|\n\n|\r\r|\xef\xbb\xbf|\xe2\x80\xa8".split(
        b"|"
    )
)
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)
ONE_LINE = st.binary(max_size=60).filter(lambda data: b"\r" not in data)
IDS = st.none() | st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=20)


def read(*pieces: bytes, bound: int = BOUND) -> list[SseEvent]:
    reader = SseReader(bound)
    return [event for piece in pieces for event in reader.feed(piece)]


def as_a_browser(stream: bytes) -> list[tuple[bytes, bytes]]:
    """(type, data) by the letter of the algorithm of WHATWG HTML 9.2.6, without any of the reader's shortcuts."""
    stream = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found, data, name = [], b"", b""
    *lines, _ = stream.split(b"\n")
    for line in lines:
        if not line:
            if data:
                found.append((name or b"message", data[:-1]))
            data = name = b""
        elif not line.startswith(b":"):
            field, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if field == b"data":
                data += value + b"\n"
            elif field == b"event":
                name = value
    return found


@given(stream=STREAMS)
def test_events_are_those_of_the_standard(stream: bytes) -> None:
    events = [(event.name, event.data) for event in read(stream) if event.data is not None]
    assert events == as_a_browser(stream)


@given(stream=STREAMS, data=st.data())
def test_any_cut_into_pieces_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == read(stream)
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == read(stream)


@given(data=ONE_LINE, id=IDS, retry=st.none() | st.integers(0, 10**9 - 1))
def test_what_is_encoded_is_read_back(data: bytes, id: str | None, retry: int | None) -> None:
    assert read(encode_event(data, id, retry)) == [SseEvent(data, id, retry)]


@given(data=st.binary(max_size=60) | STREAMS)
def test_no_data_becomes_a_second_event_or_a_field(data: bytes) -> None:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert read(encode_event(data)) == [SseEvent(lines)]


@pytest.mark.parametrize("id", ["a\nb", "a\rdata: x", "a\0"])
def test_an_id_that_could_begin_a_field_is_not_encoded(id: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        encode_event(b"{}", id)


def test_the_separators_of_unicode_end_no_line() -> None:
    data = '{"a":"\u2028\u2029\u0085\x0b\x0c"}'.encode()
    assert read(encode_event(data)) == [SseEvent(data)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        # The examples of the standard, section 9.2.6.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [SseEvent(b"YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
            [SseEvent(b"first event", "1"), SseEvent(b"second event", "")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [SseEvent(b""), SseEvent(b"\n")]),
        (b"data:test\n\ndata: test\n\n", [SseEvent(b"test"), SseEvent(b"test")]),
        (b"event: add\ndata: 73857293\n\n", [SseEvent(b"73857293", name=b"add")]),
    ],
)
def test_the_examples_of_the_standard_are_read_as_it_says(stream: bytes, expected: list[SseEvent]) -> None:
    assert read(stream) == expected


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"id: 5\n\n", [SseEvent(None, "5")]),
        (b"retry: 20\n\ndata: x\n\n", [SseEvent(None, None, 20), SseEvent(b"x")]),
        (b"id: a\0b\ndata: x\n\n", [SseEvent(b"x")]),
        (b"retry: 1s\ndata: x\n\n", [SseEvent(b"x")]),
        (b"retry: \xd9\xa1\ndata: x\n\n", [SseEvent(b"x")]),
        (b"retry: " + b"9" * 5000 + b"\n\n", [SseEvent(None, None, 999_999_999)]),
        (b"\xef\xbb\xbfdata: x\n\n", [SseEvent(b"x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", []),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [SseEvent(b"x")]),
        (b"DATA: x\n\n data: y\n\n", []),
        (KEEP_ALIVE + b"data: x\n\n" + KEEP_ALIVE, [SseEvent(b"x")]),
    ],
)
def test_odd_fields_are_read_as_the_standard_says(stream: bytes, expected: list[SseEvent]) -> None:
    assert read(stream) == expected


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 101,
        b"data: " + b"x" * 101 + b"\n",
        b"data: xxxxxxxxx\n" * 11,
        b"data: " + b"x" * 60 + b"\ndata: " + b"x" * 60,
        b":" + b"x" * 101,
        b"unknown: " + b"x" * 101 + b"\n",
        b"id: " + b"x" * 101 + b"\n",
        b"event: " + b"x" * 101 + b"\n",
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_too_large_ends_the_reading(stream: bytes, whole: bool) -> None:
    pieces = [stream] if whole else [stream[i : i + 7] for i in range(0, len(stream), 7)]
    with pytest.raises(SseError) as caught:
        read(*pieces, bound=100)
    assert caught.value.too_large


def test_an_event_may_be_as_large_as_the_bound_and_events_may_be_many() -> None:
    stream = (b":" + b"c" * 90 + b"\ndata: " + b"x" * 93 + b"\n\n") * 50
    assert read(stream, bound=100) == [SseEvent(b"x" * 93)] * 50


def test_an_id_must_be_text_of_a_sensible_length() -> None:
    with pytest.raises(SseError):
        read(b"id: \xff\n\n")
    with pytest.raises(SseError):
        read(b"id: " + b"i" * 1025 + b"\n\n")
