"""The head of a proxy request, read strictly: what could be understood in two ways is refused. No I/O.

Source: RFC 9112 (request line, fields, no bare CR or LF, no folding), RFC 9110 section 9.3.6 (CONNECT).
"""

import re
from typing import Final

from msgspec import Struct

from callgate.runner.sandbox.egress.hosts import NoHost, Target, read_target

MAX_HEAD: Final = 16 << 10
_MOST_FIELDS = 100
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/1\.([01])\Z")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}):[ \t]*([\x21-\x7e\x80-\xff \t]*?)[ \t]*\Z")
_LENGTH = re.compile(rb"(?:0|[1-9][0-9]{0,17})\Z")
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"expect", b"host", b"content-length"}
)


class BadHead(Exception):
    """The head is not fit to act upon. `status` is the HTTP status to answer with."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


class Head(Struct, frozen=True):
    """A request. `tunnel`: CONNECT. Otherwise `forward` is the head to send on, and `length` that of the body."""

    target: Target
    tunnel: bool
    forward: bytes = b""
    length: int = 0


def read_head(head: bytes) -> Head:
    """Return the request whose head is `head`, up to and without its empty line. Raises BadHead and NoHost."""
    first, *rest = head.split(b"\r\n")
    line = _LINE.match(first)
    if line is None:
        raise BadHead("the request line is not that of HTTP/1.1")
    method, target, minor = line[1], line[2].decode("ascii"), line[3]
    fields = [_field(each) for each in rest]
    if len(fields) > _MOST_FIELDS:
        raise BadHead("there are too many header fields", 431)
    hosts = [value for name, value in fields if name.lower() == b"host"]
    if len(hosts) > 1 or (minor == b"1" and not hosts):
        raise BadHead("there must be one Host field")
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    if any(name.lower() == b"transfer-encoding" for name, _ in fields):
        raise BadHead("the length of a body must be given by Content-Length", 411)
    if len(lengths) > 1 or not all(_LENGTH.match(each) for each in lengths):
        raise BadHead("Content-Length is no single number")
    length = int(lengths[0]) if lengths else 0
    if method == b"CONNECT":
        if length:
            raise BadHead("CONNECT has no body")
        asked = read_target(target)
        _agree(asked, hosts, None)
        return Head(asked, tunnel=True)
    scheme, separator, after = target.partition("://")
    if not separator or scheme.lower() != "http":
        raise BadHead("ask for `http://…`, or use CONNECT; this is a proxy for clients, not a server")
    split = re.search(r"[/?#]", after)
    authority, path = (after, "/") if split is None else (after[: split.start()], after[split.start() :])
    if "#" in path:
        raise BadHead("a fragment is never sent")
    asked = read_target(authority, 80)
    _agree(asked, hosts, 80)
    forward = [
        method + b" " + (path if path.startswith("/") else f"/{path}").encode() + b" HTTP/1.1",
        b"Host: " + (str(asked) if asked.port != 80 else str(asked).removesuffix(":80")).encode(),
        *(name + b": " + value for name, value in _passed_on(fields)),
        *((b"Content-Length: %d" % length,) if lengths else ()),
        b"Connection: close",
    ]
    return Head(asked, tunnel=False, forward=b"\r\n".join(forward) + b"\r\n\r\n", length=length)


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD.match(line)
    if found is None:
        raise BadHead("a header field is malformed")
    return found[1], found[2]


def _agree(asked: Target, hosts: list[bytes], default_port: int | None) -> None:
    """The Host field must say what the request line says: whoever differs wants two readers to see two hosts."""
    for each in hosts:
        try:
            said = read_target(each.decode("latin-1"), default_port or asked.port)
        except NoHost:
            raise BadHead("the Host field holds no host") from None
        if (said.host, said.port) != (asked.host, asked.port):
            raise BadHead("the Host field names another host than the request line")


def _passed_on(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    named = {
        each.strip().lower()
        for name, value in fields
        if name.lower() == b"connection"
        for each in value.split(b",")
    }
    return [
        (name, value)
        for name, value in fields
        if name.lower() not in _HOP_BY_HOP | named and not name.lower().startswith(b"proxy-")
    ]
