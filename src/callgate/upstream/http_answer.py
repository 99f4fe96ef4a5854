"""What an HTTP server answers, read as MCP: one frame as JSON, a stream of frames, or nothing but a status.

The server is hostile: sizes are bounded, and a frame is handed on as one line or not at all. No I/O.
"""

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from callgate.http1.contract import Failure, Headers
from callgate.http1.contract import FailureKind as HttpFailureKind
from callgate.http1.contract import Handle as HttpHandle
from callgate.http1.sse import SseError, SseEvent, SseReader
from callgate.upstream.contract import FailureKind, Route, Sink, UpstreamFailure
from callgate.wire.compact import compact

Expected = Literal["answer", "receipt", "stream"]
"""answer: of a request. receipt: a status alone. stream: events, or a status that says why there are none."""

_JSON, _EVENTS = b"application/json", b"text/event-stream"
_MAX_ERROR = 1 << 20
_SESSION = re.compile(rb"[!-~]{1,1024}")
_read = msgspec.json.Decoder(msgspec.Raw).decode

_KINDS: dict[HttpFailureKind, tuple[FailureKind, str]] = {
    "connect": ("unreachable", "UPS020"),
    "tls": ("unreachable", "UPS021"),
    "timeout": ("timeout", "UPS022"),
    "closed": ("closed", "UPS023"),
    "cancelled": ("closed", "UPS023"),
    "malformed": ("malformed", "UPS024"),
    "too_large": ("too_large", "UPS025"),
    "busy": ("busy", "UPS026"),
}


class Answer:
    """Between an HTTP exchange and the sink of one frame: the one's sink, and the handle of the other.

    After `pause` at most what one read brought is still delivered. `ended` is called once, whatever happens.
    """

    def __init__(
        self,
        sink: Sink,
        expected: Expected,
        max_response: int,
        route: Route,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self.exchange: HttpHandle | None = None
        self._sink: Sink | None = sink
        self._expected = expected
        self._max = max_response
        self._in_session = route.era == "legacy" and route.session is not None
        self._ended = ended
        self._status = 0
        self._session: str | None = None
        self._events: SseReader | None = None
        self._body: bytes | bytearray | None = None
        self._size = 0
        self._opened = False
        self._other_type = False

    # The handle of the frame.

    def cancel(self) -> None:
        if self._sink is not None:
            self._let_go()

    def pause(self) -> None:
        if self.exchange is not None:
            self.exchange.pause()

    def resume(self) -> None:
        if self.exchange is not None:
            self.exchange.resume()

    def fail(self, failure: UpstreamFailure) -> None:
        """End it: the sink is told, the connection closed."""
        sink = self._sink
        if sink is not None:
            self._let_go()
            sink.failed(failure)

    # The sink of the exchange.

    def head(self, status: int, headers: Headers) -> None:
        if self._sink is None:
            return
        self._status = status
        try:
            kind = (headers.get(b"content-type") or b"").partition(b";")[0].strip().lower()
            encoding = headers.get(b"content-encoding")
            session = headers.get(b"mcp-session-id")
        except ValueError:
            self._malformed("UPS024", "the server's answer has a header twice that may stand there once")
            return
        if session is not None:
            if not _SESSION.fullmatch(session):
                self._malformed("UPS024", "the server gave out a session id that is not printable ASCII")
                return
            self._session = session.decode()
        if 300 <= status < 400:
            text = f"the server answers {status}: it wants to be asked elsewhere, which the gate does not do"
            self._malformed("UPS028", text)
        elif status == 404 and self._in_session:
            text = "the server does not know the session any more"
            self.fail(UpstreamFailure("unknown_session", "UPS029", text))
        elif encoding is not None and encoding.lower() != b"identity":
            self._malformed("UPS027", "the server's answer is compressed, which nobody asked for")
        elif kind == _EVENTS and self._expected == "receipt":
            # It need not ever end.
            self.done()
        elif status >= 400 or self._expected == "receipt" or status in (202, 204):
            self._body = b"" if kind == _JSON and status >= 400 else None
        elif kind == _EVENTS:
            self._events = SseReader(self._max)
            if self.exchange is not None:
                self.exchange.stream()
            self._open(stream=True)
        elif kind == _JSON and self._expected == "answer":
            self._body = b""
            self._open()
        else:
            self._other_type = True

    def data(self, chunk: bytes) -> None:
        if self._sink is None:
            return
        if self._events is not None:
            self._feed(self._events, chunk)
            return
        self._size += len(chunk)
        if self._other_type:
            self._malformed("UPS027", "the server's answer is neither JSON nor a stream of events: no MCP")
        elif self._size > (self._max if self._opened else _MAX_ERROR):
            if self._opened:
                self._too_large(f"the server's answer has more than {self._max} bytes")
            else:
                self._too_large(f"what the server says with its status has more than {_MAX_ERROR} bytes")
        elif self._body is not None:
            if not self._body:
                self._body = chunk
                return
            # Chunks may be as small as one byte: kept as objects they would cost many times what they hold.
            if type(self._body) is not bytearray:
                self._body = bytearray(self._body)
            self._body += chunk

    def done(self) -> None:
        if self._sink is None:
            return
        if self._body is not None:
            line = one_line(bytes(self._body))
            if line is None and self._opened:
                self._malformed("UPS024", "the server's answer is not JSON")
                return
            # A page that only says that it is JSON is no more than its status.
            readable = line is not None and (self._opened or _is_json(line))
            self._open()
            if line and readable and self._sink is not None:
                self._sink.event(line, None, None)
        else:
            self._open()
        # The sink may have cancelled meanwhile.
        sink = self._sink
        if sink is not None:
            self._let_go()
            sink.closed()

    def failed(self, failure: Failure) -> None:
        kind, code = _KINDS[failure.kind]
        self.fail(UpstreamFailure(kind, code, failure.text, ran=failure.sent))

    def _open(self, *, stream: bool = False) -> None:
        if not self._opened and self._sink is not None:
            self._opened = True
            self._sink.opened(self._status, stream=stream, session=self._session)

    def _feed(self, events: SseReader, chunk: bytes) -> None:
        try:
            found = events.feed(chunk)
        except SseError as error:
            text = f"the server's stream cannot be read on: {error.text}"
            self.fail(UpstreamFailure("too_large" if error.too_large else "malformed", "UPS025", text))
            return
        for event in found:
            if self._sink is None:
                return
            self._event(self._sink, event)

    def _event(self, sink: Sink, event: SseEvent) -> None:
        line: bytes | None = b""
        if event.data and event.name == b"message":
            line = one_line(event.data)
        if line is None:
            self._malformed("UPS024", "an event of the server's stream is not JSON")
        elif line or event.id is not None or event.retry is not None:
            sink.event(line, event.id, event.retry)

    def _malformed(self, code: str, text: str) -> None:
        self.fail(UpstreamFailure("malformed", code, text))

    def _too_large(self, text: str) -> None:
        self.fail(UpstreamFailure("too_large", "UPS025", text))

    def _let_go(self) -> None:
        self._sink = None
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            # Without effect on one that is over.
            exchange.cancel()
        if self._ended is not None:
            self._ended()


def one_line(text: bytes) -> bytes | None:
    """`text` as one line, by taking white space out of it if need be; None if that would change what it says.

    A line end in JSON's white space would make two frames of one for whoever reads lines (law 1).
    """
    if b"\n" not in text and b"\r" not in text:
        return text
    if not _is_json(text):
        return None
    line = compact(text)
    # Inside a string, where JSON has none but lenient readers do.
    return None if b"\n" in line or b"\r" in line else line


def _is_json(text: bytes) -> bool:
    try:
        text.decode()
        _read(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True
