"""Bytes in which one reader of HTTP finds one request and another finds two: the second must reach nobody.

Sources: RFC 9112, section 11.2; the families of request smuggling that are known by CL.TE, TE.CL, TE.TE, CL.0, and the
line ends, bare or folded, that make them.
"""

from collections.abc import Callable

from msgspec import Struct

Build = Callable[[bytes, bytes], bytes]


class Smuggled(Struct, frozen=True):
    """`build(head, inner)` returns what is sent: `head` are the lines of an ordinary POST without its length."""

    name: str
    build: Build


def _with(*lines: bytes, body: Callable[[bytes], bytes] = lambda inner: inner) -> Build:
    return lambda head, inner: head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body(inner)


def _chunked_to_nothing(inner: bytes) -> bytes:
    return b"0\r\n\r\n" + inner


def _length(inner: bytes) -> bytes:
    return b"Content-Length: %d" % (len(inner) + 5)


_CHUNKED = b"Transfer-Encoding: chunked"
_CODINGS = (
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x00",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding:\tchunked;q=1",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"\x00Transfer-Encoding: chunked",
    b"Transfer_Encoding: chunked\r\nTransfer-Encoding: x",
)
_LENGTHS = (
    b"Content-Length: 0\r\nContent-Length: %d",
    b"Content-Length: %d\r\nContent-Length: 0",
    b"Content-Length: 0, %d",
    b"Content-Length: +%d",
    b"Content-Length: -%d",
    b"Content-Length: 0x%x",
    b"Content-Length: %d.0",
    b"Content-Length: %d abc",
    b"Content-Length: \x0b%d",
    b"Content-Length : %d",
    b"Content-Length:\r\n %d",
    b"Content-Length: 99999999999999999999%d",
    b"X: y\nContent-Length: %d",
)
_CHUNKS = (
    ("a size with a sign", b"+0\r\n\r\n"),
    ("a size in other digits", b"0x0\r\n\r\n"),
    ("a size with a line feed alone", b"0\n\n"),
    ("a size with a space before it", b" 0\r\n\r\n"),
    ("a size beyond all numbers", b"fffffffffffffffff0\r\n\r\n"),
    ("a size with a line feed in its extension", b"0;x\n\r\n\r\n"),
    ("a negative size", b"-1\r\n\r\n"),
    ("no size", b"\r\n\r\n"),
    ("a chunk that is longer than it says", b"1\r\nab\r\n0\r\n\r\n"),
    ("a chunk that ends with a line feed alone", b"1\r\na\n0\r\n\r\n"),
)


def _measured(coding: bytes) -> Build:
    return lambda head, inner: _with(coding, _length(inner), body=_chunked_to_nothing)(head, inner)


def _of_length(line: bytes) -> Build:
    return lambda head, inner: _with(line % len(inner))(head, inner)


def _behind_chunk(chunk: bytes) -> Build:
    return _with(_CHUNKED, body=lambda inner: chunk + inner)


def _behind(data: bytes) -> Build:
    return lambda head, inner: head + data + inner


FRAMING: tuple[Smuggled, ...] = (
    Smuggled("a length and chunks", _measured(_CHUNKED)),
    Smuggled(
        "chunks and a length of nothing", _with(_CHUNKED, b"Content-Length: 0", body=_chunked_to_nothing)
    ),
    *(Smuggled(f"the coding {line!r}", _with(line, body=_chunked_to_nothing)) for line in _CODINGS),
    *(Smuggled(f"the coding {line!r} with a length", _measured(line)) for line in _CODINGS),
    *(Smuggled(f"the length {line!r}", _of_length(line)) for line in _LENGTHS),
    *(Smuggled(f"chunks: {name}", _behind_chunk(chunk)) for name, chunk in _CHUNKS),
    Smuggled("a request in a folded header", _behind(b"X: y\r\n ")),
    Smuggled("a request behind a bare CR", _behind(b"X: y\r\r")),
    Smuggled("a request behind bare line feeds", _behind(b"X: y\n\n")),
    Smuggled("a request behind a NUL", _behind(b"X: y\x00\r\n\r\n")),
    Smuggled("a request in a header's value", _behind(b"X: y\r\n")),
    Smuggled("a request behind an expectation", _with(b"Content-Length: 0", b"Expect: 200-ok")),
)
