"""The bytes of a request, so that nobody's text can become a header or a second request. No I/O.

Source: RFC 9110, sections 5.1 and 5.5; RFC 9112, section 3.
"""

import re
from collections.abc import Sequence

from callgate.http1.contract import Header

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"/[!-~]*")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_RESERVED = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"te"))
_MAX_KNOWN = 1_000
_MAX_HEADS, _MAX_HEAD = 128, 2_048

_known_names: dict[bytes, bytes] = {}


class RequestEncoder:
    """Writes the heads of requests to one authority (the value of Host)."""

    def __init__(self, authority: str) -> None:
        self._host = b" HTTP/1.1\r\nhost: %b" % authority.encode()
        self._heads: dict[tuple[bytes, bytes, tuple[Header, ...]], bytes] = {}
        """Heads that were found sound, without their length: a gate sends the same few again and again."""

    def head(self, method: bytes, target: bytes, headers: Sequence[Header], length: int) -> bytes:
        """The head of a request whose body has `length` bytes.

        Raises ValueError, quoting nothing, for a method, target or header that could be read as more than it is,
        and for headers that say where a message ends: those are written here alone.
        """
        key = (method, target, tuple(headers))
        head = self._heads.get(key) or self._sound(*key)
        if length or method == b"POST":
            return b"%b\r\ncontent-length: %d\r\n\r\n" % (head, length)
        return head + b"\r\n\r\n"

    def _sound(self, method: bytes, target: bytes, headers: tuple[Header, ...]) -> bytes:
        if not (_TOKEN.fullmatch(method) and _TARGET.fullmatch(target)):
            raise ValueError("the method or the target of a request holds a character that it must not")
        parts = [method, b" ", target, self._host]
        for name, value in headers:
            parts.append(_known_names.get(name) or _field(name))
            parts.append(value)
        head = b"".join(parts)
        # Each header has exactly one line end, which is ours; what a value brings along would be one more.
        if head.count(b"\n") != len(headers) + 1 or _CONTROLS.search(head.replace(b"\r\n", b"")):
            raise ValueError("the value of a header holds a control character")
        if len(head) <= _MAX_HEAD:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            self._heads[method, target, headers] = head
        return head


def _field(name: bytes) -> bytes:
    """`name` as the beginning of a header line, after the end of the line before."""
    if not _TOKEN.fullmatch(name) or name.lower() in _RESERVED:
        raise ValueError("the name of a header is none, or is not for the sender to set")
    field = b"\r\n%b: " % name
    if len(_known_names) < _MAX_KNOWN:
        _known_names[name] = field
    return field
