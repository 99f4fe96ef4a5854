"""From the bytes of a head to one request that cannot be read in two ways, or a refusal. No I/O.

llhttp checks the grammar; what it lets pass although servers, proxies and people read it differently is refused here.
The head is handed to it alone and whole: that it ends where llhttp says it ends is checked, never assumed. Nothing is
ever repaired, and targets are never normalised. Sources: RFC 9112 (sections 2.2, 3, 5, 6, 9), RFC 9110 (7.2, 10.1.1).
"""

import re
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from callgate.http1.contract import Head, Header, Headers
from callgate.http1.refusals import Refused

METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
MAX_LINE: Final = 8_192
"""Bytes of a request line."""
CHUNKED: Final = -1
"""The length of a body that says its length as it comes."""

_ONCE: Final = (
    *(b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding"),
    *(b"authorization", b"origin", b"expect", b"upgrade"),
)
_LINE: Final = re.compile(rb"([A-Z][!#$%&'*+.^_`|~0-9A-Za-z-]*) ([^ ]+) HTTP/([0-9])\.([0-9])")
_TARGET: Final = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{1,5})?")
_MAX_DIGITS: Final = 15
_NOUGHTS: Final = memoryview(bytes(65_536))
_MAX_LINES_KEPT: Final = 512
_MAX_HOSTS_KEPT: Final = 64

RequestLine = tuple[str, str, str, bool]
"""Method, path, query, and whether it is HTTP/1.1."""
Request = tuple[Head, int, bool, bool, bool]
"""The head, how long its body is (or CHUNKED), whether it is HTTP/1.1, whether the connection may go on, and whether
100 is expected."""


def request_line(line: bytes) -> RequestLine:
    """Take a request line apart. Raises Refused."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise Refused("HTTP001")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in b"01":
        raise Refused("HTTP010")
    if method not in METHODS:
        raise Refused("HTTP011" if method == b"CONNECT" else "HTTP009")
    if _TARGET.fullmatch(target) is None:
        raise Refused("HTTP005")
    path, _, query = target.decode("ascii").partition("?")
    return method.decode("ascii"), path, query, minor == b"1"


def check_beginning(data: bytes, at: int, max_head: int) -> None:
    """Refuse what stands in `data` from `at` on if no continuation can make a request of it. Raises Refused."""
    if at < len(data) and not 65 <= data[at] <= 90:
        raise Refused("HTTP001")
    end = data.find(b"\n", at)
    if end - at > MAX_LINE or (end < 0 and len(data) - at > MAX_LINE):
        raise Refused("HTTP007")
    if end >= 0:
        request_line(data[at : end - 1] if data[end - 1] == 13 else b"")
    if len(data) - at > max_head:
        raise Refused("HTTP006")


class HeadReader:
    """Reads heads, one at a time, of any number of connections."""

    def __init__(self, max_head: int, max_headers: int) -> None:
        self._max_head = max_head
        self._max_headers = max_headers
        self._lines: dict[bytes, RequestLine] = {}
        self._hosts: set[bytes | None] = set()
        self._items: list[Header] = []
        self._heads = self._messages = 0
        self._keep_alive = False
        self._parser = HttpRequestParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._items.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._heads += 1
        # Later than this llhttp has forgotten what the headers said.
        self._keep_alive = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self._messages += 1

    def read(self, head: bytes, peer: str, secure: bool) -> Request:
        """Read a head: from its method up to and with the first empty line. Raises Refused."""
        end = head.find(b"\n")
        if end > MAX_LINE:
            raise Refused("HTTP007" if 65 <= head[0] <= 90 else "HTTP001")
        line = head[: end - 1]
        known = self._lines.get(line)
        if known is None:
            known = request_line(line)
            if len(self._lines) >= _MAX_LINES_KEPT:
                self._lines.clear()
            self._lines[line] = known
        method, path, query, modern = known
        if len(head) > self._max_head:
            raise Refused("HTTP006")
        self._items = []
        self._heads = self._messages = 0
        fresh = False
        try:
            self._parser.feed_data(head)
            if self._heads != 1:
                raise Refused("HTTP001")
            headers = self._headers(head)
            length = self._framing(headers, modern)
            fresh = self._settled(length)
        except HttpParserUpgrade as stop:
            if stop.args[0] != len(head):
                raise Refused("HTTP001") from None
            headers = self._headers(head)
            length = self._framing(headers, modern)
            if (headers.get(b"upgrade") or b"").lower() != b"h2c":
                raise Refused("HTTP011") from None
        except HttpParserError as error:
            framing = "Content-Length" in str(error) or "Transfer-Encoding" in str(error)
            raise Refused("HTTP002" if framing else "HTTP001") from None
        finally:
            if not fresh:
                self._parser = HttpRequestParser(self)
        expectation = headers.get(b"expect")
        if expectation is not None and (expectation.lower() != b"100-continue" or not modern):
            raise Refused("HTTP012")
        return (
            Head(method, path, query, headers, peer, secure),
            length,
            modern,
            self._keep_alive and modern,
            expectation is not None,
        )

    def _headers(self, head: bytes) -> Headers:
        # llhttp leaves white space behind a value where it is.
        if b" \r" in head or b"\t" in head:
            return Headers((name, value.rstrip(b" \t")) for name, value in self._items)
        return Headers(self._items)

    def _framing(self, headers: Headers, modern: bool) -> int:
        """How long the body is. Checks what stands or falls with the headers of one request."""
        if len(headers.items) > self._max_headers:
            raise Refused("HTTP006")
        if headers.repeated:
            for name in _ONCE:
                if len(headers.all(name)) > 1:
                    raise Refused(
                        "HTTP002" if name in (b"content-length", b"transfer-encoding") else "HTTP003"
                    )
        host = headers.get(b"host")
        if host not in self._hosts:
            if (host is None and modern) or (host is not None and _HOST.fullmatch(host) is None):
                raise Refused("HTTP004")
            if host is not None and len(self._hosts) < _MAX_HOSTS_KEPT:
                self._hosts.add(host)
        length = headers.get(b"content-length")
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked" or length is not None or not modern:
                raise Refused("HTTP002")
            return CHUNKED
        if length is None:
            return 0
        if not length.isdigit() or len(length) > _MAX_DIGITS:
            raise Refused("HTTP002")
        return int(length)

    def _settled(self, length: int) -> bool:
        """Bring llhttp to the end of the message, so that it can be used again. The body itself never passes it."""
        if not self._keep_alive or not 0 <= length <= len(_NOUGHTS):
            return False
        if length:
            if self._messages:
                raise Refused("HTTP002")
            self._parser.feed_data(_NOUGHTS[:length])
        if self._messages != 1 or self._heads != 1:
            raise Refused("HTTP002")
        return True
