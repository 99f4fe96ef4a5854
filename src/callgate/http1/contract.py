"""What passes between HTTP connections and whoever uses them. No I/O here.

server:  connection → Application.head → Application.handle → Responder
client:  Client.send → ResponseSink

Everything happens in callbacks on one event loop; nothing here may block, raise into the loop, or be called from
another thread.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal, Protocol

from msgspec import Struct

Header = tuple[bytes, bytes]
"""Name in lower case and value without white space around it."""


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of the listener. Sizes in bytes, times in seconds."""

    max_connections: int = 20_000
    max_head: int = 32_768
    """Request line and headers together."""
    max_headers: int = 100
    head_timeout: float = 10.0
    """From the first byte of a request, or from the connection, to the end of its headers."""
    body_timeout: float = 60.0
    idle_timeout: float = 75.0
    """Between two requests of one connection."""
    write_timeout: float = 60.0
    """How long a client may take nothing of what is written to it."""
    high_water: int = 262_144
    """Bytes that wait for one client before `Responder.congested` turns true."""
    max_buffered: int = 256 << 20
    """Bytes of bodies that are not complete yet, of all connections of a process together."""


class Headers:
    """The headers of one message, in order; not changed once it is made. Names are matched in lower case."""

    __slots__ = ("_index", "get", "items", "repeated")

    def __init__(self, items: Iterable[Header] = ()) -> None:
        self.items: list[Header] = list(items)
        self._index = dict(self.items)
        self.repeated = len(self._index) != len(self.items)
        """Whether any name stands more than once."""
        self.get: Callable[[bytes], bytes | None] = (
            partial(_only, self.items) if self.repeated else self._index.get
        )
        """The value of the only header of this name; None if there is none. ValueError if it stands more than once."""

    def all(self, name: bytes) -> list[bytes]:
        """Every value of `name`, in order."""
        if name not in self._index:
            return []
        return [value for key, value in self.items if key == name] if self.repeated else [self._index[name]]

    def beginning(self, prefix: bytes) -> list[Header]:
        """Every header whose name begins with `prefix`, in order."""
        if prefix not in b"\n".join(self._index):
            return []
        return [header for header in self.items if header[0].startswith(prefix)]


def _only(items: list[Header], name: bytes) -> bytes | None:
    found = None
    for key, value in items:
        if key == name:
            if found is not None:
                raise ValueError("the header stands more than once")
            found = value
    return found


class Head(Struct, gc=False):
    """A request without its body. `path` is the raw path as sent, `query` what stands after its first `?`.

    `peer` is the address of the connection's other end ("127.0.0.1", "::1", "unix"), `secure` whether it is TLS here.
    `context` belongs to the application: what `Application.head` leaves there for `handle`.
    """

    method: str
    path: str
    query: str
    headers: Headers
    peer: str
    secure: bool = False
    context: Any = None


class HttpRefusal(Exception):
    """Answer with this and read no body. Raised by `Application.head`; `body` is sent as it is.

    `code` is stable and `reason` one line, for log and metrics; both without a word of the client's.
    """

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = b"application/json",
        headers: Sequence[Header] = (),
        *,
        code: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(status)
        self.code = code
        self.reason = reason
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class Responder(Protocol):
    """Answers one request, once: `send`, or `start` then any number of `write` then `finish`.

    After the client has gone every method does nothing. `on_gone` is called once if the client goes before the answer
    is complete, never after; `on_room` each time `congested` turns false again.
    """

    on_gone: Callable[[], None] | None
    on_room: Callable[[], None] | None

    @property
    def congested(self) -> bool:
        """Whether more waits for this client than it has taken lately: the source should pause."""
        ...

    @property
    def gone(self) -> bool: ...

    @property
    def started(self) -> bool:
        """Whether a status has been sent."""
        ...

    def send(
        self,
        status: int,
        body: bytes,
        content_type: bytes | None = b"application/json",
        headers: Sequence[Header] = (),
    ) -> None:
        """The whole answer. `content_type` None: without that header."""
        ...

    def start(self, status: int, content_type: bytes, headers: Sequence[Header] = ()) -> None:
        """Begin an answer of unknown length (chunked; for HTTP/1.0 until the connection ends)."""
        ...

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None:
        """End the connection in the middle of the answer: the client must not take it for whole."""
        ...


class Application(Protocol):
    """What answers requests."""

    def head(self, head: Head) -> int:
        """Look at a request before its body is read. Returns how many bytes the body may have.

        Raises HttpRefusal. The connection keeps `head` and passes it to `handle`.
        """
        ...

    def handle(self, head: Head, body: bytes, responder: Responder) -> None:
        """Answer a request, now or later. Must not raise; what it raises all the same is a 500 and is logged."""
        ...


FailureKind = Literal["connect", "tls", "timeout", "closed", "malformed", "too_large", "cancelled", "busy"]


class Failure(Struct, frozen=True):
    """Why there is no (whole) answer. `sent` is False only if not a byte of the request can have left.

    `text` is one lower-case line without anything that the other side wrote.
    """

    kind: FailureKind
    text: str
    sent: bool = True


class ResponseSink(Protocol):
    """Takes one answer: `head`, `data`…, then `done`; or `failed` at any time, after which nothing follows."""

    def head(self, status: int, headers: Headers) -> None: ...

    def data(self, chunk: bytes) -> None: ...

    def done(self) -> None: ...

    def failed(self, failure: Failure) -> None: ...


class Handle(Protocol):
    """One request under way."""

    def cancel(self) -> None:
        """Want no answer any more: the connection is closed, nothing of the sink is called again."""
        ...

    def pause(self) -> None:
        """Read no more of the answer for now (back-pressure)."""
        ...

    def resume(self) -> None: ...

    def stream(self) -> None:
        """The answer turns out to be a stream: as if it had been sent with `stream`."""
        ...


class ClientLimits(Struct, frozen=True, kw_only=True):
    """Bounds of requests to one server. Sizes in bytes, times in seconds; `max_connections` at the same time."""

    connect_timeout: float = 5.0
    answer_timeout: float = 60.0
    """From the request to the head of its answer."""
    idle_stream_timeout: float | None = None
    """Between two pieces of an answer; None: for ever."""
    max_connections: int = 1_000
    max_head: int = 32_768
    keep_alive: float = 15.0
    """How long an unused connection is kept; below what servers usually keep."""


class Client(Protocol):
    """Sends requests to one origin over kept-alive connections."""

    def send(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[Header],
        body: bytes,
        sink: ResponseSink,
        *,
        stream: bool = False,
    ) -> Handle:
        """Send one request; `host` and `content-length` are added. `stream`: no time-out for the answer's end.

        Never retried after a byte has left, but for a kept-alive connection that turns out to be closed before
        anything was sent on it. A server that is not there is `failed`, never raised.
        """
        ...

    def close(self) -> None: ...
