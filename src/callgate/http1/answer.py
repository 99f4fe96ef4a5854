"""One answer of the server: the Responder that an application is given.

It writes to its connection for as long as the connection is there and the answer is not complete, and never after.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from callgate.http1.contract import Header

if TYPE_CHECKING:
    from callgate.http1.connection import Connection

_VALUE: Final = re.compile(rb"[\x20-\x7e\x80-\xff\t]*")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date"))
_NO_BODY: Final = frozenset((204, 304))
_JOINED: Final = 16_384
"""Up to here one copy is cheaper than a second buffer."""
_MAX_STARTS: Final = 256
_starts: dict[tuple[int, bytes | None], bytes] = {}


def _start(status: int, content_type: bytes | None) -> bytes:
    """The status line and the headers that only hang on these two; kept, since few of them exist."""
    known = _starts.get((status, content_type))
    if known is None:
        try:
            phrase = HTTPStatus(status).phrase.encode()
        except ValueError:
            phrase = b""
        known = b"HTTP/1.1 %d %b\r\nX-Content-Type-Options: nosniff\r\n" % (status, phrase)
        if content_type is not None:
            known += b"Content-Type: %b\r\n" % content_type
        if len(_starts) >= _MAX_STARTS:
            _starts.clear()
        _starts[status, content_type] = known
    return known


def _fields(headers: Sequence[Header]) -> bytes | None:
    """The headers as lines; None if one of them would not be one header, or would change the framing."""
    lines = []
    cached = False
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None or name.lower() in _FRAMING:
            return None
        cached = cached or name.lower() == b"cache-control"
        lines.append(b"%b: %b\r\n" % (name, value))
    if not cached:
        lines.append(_NO_STORE)
    return b"".join(lines)


_NO_STORE: Final = b"Cache-Control: no-store\r\n"


class Answer:
    """The Responder of one request; see `contract.Responder` for what its methods promise."""

    __slots__ = ("_connection", "_method", "_modern", "gone", "keep_alive", "on_gone", "on_room", "started")

    def __init__(self, connection: "Connection", method: str, modern: bool, keep_alive: bool) -> None:
        self._connection: Connection | None = connection
        self._method = method
        self._modern = modern
        self.keep_alive = keep_alive
        """Whether the connection goes on behind this answer."""
        self.gone = False
        self.started = False
        self.on_gone: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None

    @property
    def congested(self) -> bool:
        connection = self._connection
        return connection is not None and connection.congested

    def send(
        self,
        status: int,
        body: bytes,
        content_type: bytes | None = b"application/json",
        headers: Sequence[Header] = (),
    ) -> None:
        connection = self._connection
        if connection is None or self.started:
            return
        fields = _fields(headers) if headers else _NO_STORE
        if fields is None or (content_type is not None and _VALUE.fullmatch(content_type) is None):
            self._fail(connection)
            return
        self.started = True
        self._connection = None
        if connection.listener.draining:
            self.keep_alive = False
        if status not in _NO_BODY:
            fields = b"%bContent-Length: %d\r\n" % (fields, len(body))
        head = b"%bDate: %b\r\n%b%b\r\n" % (
            _start(status, content_type),
            connection.listener.date,
            fields,
            b"" if self.keep_alive else b"Connection: close\r\n",
        )
        if self._method == "HEAD" or status in _NO_BODY:
            body = b""
        connection.sent += len(head) + len(body)
        if len(body) <= _JOINED:
            connection.transport.write(head + body)
        else:
            connection.transport.writelines((head, body))
        connection.answered(self.keep_alive)

    def start(self, status: int, content_type: bytes, headers: Sequence[Header] = ()) -> None:
        connection = self._connection
        if connection is None or self.started:
            return
        fields = _fields(headers)
        if fields is None or _VALUE.fullmatch(content_type) is None:
            self._fail(connection)
            return
        self.started = True
        if connection.listener.draining or not self._modern:
            self.keep_alive = False
        head = b"%bDate: %b\r\n%b%b%b\r\n" % (
            _start(status, content_type),
            connection.listener.date,
            fields,
            b"Transfer-Encoding: chunked\r\n" if self._modern else b"",
            b"" if self.keep_alive else b"Connection: close\r\n",
        )
        connection.sent += len(head)
        connection.transport.write(head)

    def write(self, data: bytes) -> None:
        connection = self._connection
        if connection is None or not self.started or not data or self._method == "HEAD":
            return
        connection.sent += len(data)
        if not self._modern:
            connection.transport.write(data)
        elif len(data) <= _JOINED:
            connection.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            connection.transport.writelines((b"%x\r\n" % len(data), data, b"\r\n"))

    def finish(self) -> None:
        connection = self._connection
        if connection is None or not self.started:
            return
        self._connection = None
        if self._modern and self._method != "HEAD":
            connection.transport.write(b"0\r\n\r\n")
        connection.answered(self.keep_alive and not connection.listener.draining)

    def abort(self) -> None:
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.abandon()

    def lose(self, tell: bool) -> None:
        """The connection is no longer there for this answer. `tell` the application that the client has gone."""
        if self._connection is None:
            return
        self._connection = None
        self.gone = True
        if tell:
            self._tell()

    def _fail(self, connection: "Connection") -> None:
        """Answer with a fixed 500: what was to be sent would have been another message than meant."""
        self._connection = None
        self.gone = True
        connection.refuse("HTTP019")
        connection.listener.loop.call_soon(self._tell)

    def _tell(self) -> None:
        if self.on_gone is not None:
            self.on_gone()
