"""What comes in tiny pieces takes about as much memory as it has bytes."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from callgate.http1.body import Budget, ChunkedBody
from callgate.http1.contract import Headers
from callgate.http1.sse import SseReader
from callgate.upstream.contract import Route, UpstreamFailure
from callgate.upstream.http_answer import Answer

SIZE = 300_000


class _Sink:
    """Takes one frame."""

    def __init__(self) -> None:
        self.lines: list[bytes | None] = []

    def opened(self, status: int, *, stream: bool, session: str | None) -> None: ...

    def event(self, line: bytes | None, id: str | None, retry: int | None) -> None:  # noqa: ARG002
        self.lines.append(line)

    def closed(self) -> None: ...

    def failed(self, failure: UpstreamFailure) -> None:
        raise AssertionError(failure)


def _chunked() -> Callable[[], Any]:
    body = ChunkedBody(SIZE, Budget(SIZE))
    for _ in range(SIZE // 8):
        body.feed(b"8\r\nabcdefgh\r\n", 0)
    return lambda: (body.feed(b"0\r\n\r\n", 0), body.value())[1] == b"abcdefgh" * (SIZE // 8)


def _one_line() -> Callable[[], Any]:
    reader = SseReader(SIZE)
    for piece in (b"data:", *[b"a", b"b"] * ((SIZE - 10) // 2)):
        assert reader.feed(piece) == []
    return lambda: reader.feed(b"\n\n")[0].data == b"ab" * ((SIZE - 10) // 2)


def _many_lines() -> Callable[[], Any]:
    reader = SseReader(SIZE)
    for _ in range(SIZE // 3):
        assert reader.feed(b"data:ab\n") == []
    return lambda: reader.feed(b"\n")[0].data == b"\n".join([b"ab"] * (SIZE // 3))


def _answer() -> Callable[[], Any]:
    sink = _Sink()
    answer = Answer(sink, "answer", SIZE, Route(lane="a", era="modern", version="2026-07-28"))
    answer.head(200, Headers([(b"content-type", b"application/json")]))
    for piece in (b'"', *[bytes((97, 98))] * (SIZE // 2 - 1), b'"'):
        answer.data(piece[:1] + piece[1:])

    def whole() -> bool:
        answer.done()
        return sink.lines == [b'"' + b"ab" * (SIZE // 2 - 1) + b'"']

    return whole


@pytest.mark.parametrize("feed", [_chunked, _one_line, _many_lines, _answer])
def test_tiny_pieces_take_no_more_memory_than_a_few_times_their_bytes(feed: Callable[[], Any]) -> None:
    tracemalloc.start()
    try:
        whole = feed()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 2 * SIZE
    assert whole()
