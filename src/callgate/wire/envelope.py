"""Who a frame is from and what it wants, read without reading the frame: for frames that cannot be read.

A frame that is too long to keep, or that is not JSON, must still be answered under its id, or the caller
waits for ever. The scanner follows strings, escapes and brackets only, in constant memory, and keeps the
outermost object with every nested value replaced by `null`. What it says is used to address an answer; it must
never decide what is forwarded.
"""

import re
from typing import Any, Literal

from msgspec import Struct

RequestId = str | int
Kind = Literal["request", "notification", "response", "unknown"]

MAX_ID_LENGTH = 256
MAX_ID_INTEGER = 2**64
_MAX_OUTER = 16_384
_MAX_OUTER_STRING = 2_048
_MAX_TOKENS = 500_000

_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_BODY = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OPEN, _CLOSE, _QUOTE, _BACKSLASH = b"{[", b"}]", ord('"'), ord("\\")


class Envelope(Struct, frozen=True):
    """`kind` is "unknown" if the outermost members are ambiguous, `id` None if none can be trusted."""

    kind: Kind
    id: RequestId | None = None
    method: str | None = None

    @property
    def expects_answer(self) -> bool:
        """Whether JSON-RPC wants an answer. A `tools/call` without an id is an invalid request."""
        return self.kind in ("request", "unknown") or self.method == "tools/call"


UNKNOWN = Envelope("unknown")


def trusted_id(value: object) -> RequestId | None:
    """`value` if an answer may be sent under it (a bounded string or integer), else None."""
    if type(value) is int:
        return value if -MAX_ID_INTEGER <= value <= MAX_ID_INTEGER else None
    if type(value) is str and len(value) <= MAX_ID_LENGTH and value.isascii():
        return value
    if type(value) is str and len(value) <= MAX_ID_LENGTH:
        try:
            value.encode()
        except UnicodeEncodeError:
            return None
        return value
    return None


class EnvelopeScanner:
    """Feed it a frame in pieces of any size, then ask for the `envelope()`."""

    def __init__(self) -> None:
        self._outer = bytearray()
        self._depth = 0
        self._tokens = 0
        self._in_string = False
        self._escaped = False
        self._string_start = 0
        self._lost = False

    def feed(self, data: bytes) -> None:
        """Take the next piece. Linear in its size; gives up after a million tokens."""
        position, end = 0, len(data)
        while position < end and not self._lost:
            self._tokens += 1
            if self._tokens > _MAX_TOKENS or len(self._outer) > _MAX_OUTER:
                self._lost = True
            elif self._in_string:
                position = self._string(data, position)
            else:
                position = self._structure(data, position)

    def envelope(self) -> Envelope:
        """What was seen. Call it once, at the end of the frame."""
        if self._lost or self._depth or self._in_string:
            return UNKNOWN
        return _read_outer(self._outer)

    def _string(self, data: bytes, position: int) -> int:
        start = position
        if self._escaped:
            self._escaped = False
            position += 1
        body = _STRING_BODY.match(data, position)
        stop = body.end() if body else position
        if stop < len(data):
            if data[stop] == _BACKSLASH:
                self._escaped = True
            else:
                self._in_string = False
            stop += 1
        if self._depth <= 1:
            room = max(0, self._string_start + _MAX_OUTER_STRING + 1 - len(self._outer))
            self._outer += data[start : min(stop, start + room)]
            if not self._in_string and len(self._outer) - self._string_start > _MAX_OUTER_STRING:
                self._outer[self._string_start :] = b"null"
        return stop

    def _structure(self, data: bytes, position: int) -> int:
        found = _STRUCTURE.search(data, position)
        stop = found.start() if found else len(data)
        if self._depth <= 1:
            self._keep_plain(data[position:stop])
        if found is None:
            return stop
        byte = data[stop]
        if byte == _QUOTE:
            self._in_string = True
            self._string_start = len(self._outer)
            if self._depth <= 1:
                self._outer.append(byte)
        elif byte in _OPEN:
            if self._depth <= 1:
                # Not 0: a nested value in the place of the id must not turn into an id.
                self._outer += b"null" if self._depth else data[stop : stop + 1]
            self._depth += 1
        else:
            self._depth -= 1
            if self._depth == 0:
                self._outer.append(byte)
            elif self._depth < 0:
                self._lost = True
        return stop + 1

    def _keep_plain(self, text: bytes) -> None:
        # Runs of white space become one space, so that padding cannot push the members out of the bound.
        # It is kept, not dropped: `1 2` must not turn into 12.
        words = b" ".join(text.split())
        if text[:1].isspace() and self._outer[-1:] != b" ":
            self._outer += b" "
        self._outer += words[: _MAX_OUTER + 1]
        if words and text[-1:].isspace():
            self._outer += b" "


def scan(frame: bytes) -> Envelope:
    """The envelope of one whole frame. Never raises."""
    scanner = EnvelopeScanner()
    scanner.feed(frame)
    return scanner.envelope()


class _TwiceError(Exception):
    """Two readers may see different members. `id` is the one that all of them see, None if there is none."""

    def __init__(self, id: RequestId | None) -> None:
        super().__init__()
        self.id = id


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len({name.casefold() for name in members}) != len(pairs):
        ids = [name for name, _ in pairs if name.casefold() == "id"]
        raise _TwiceError(trusted_id(members["id"]) if ids == ["id"] else None)
    return members


def _read_outer(outer: bytearray) -> Envelope:
    from json import JSONDecoder  # costs milliseconds; only frames that are refused come here

    try:
        text = outer.decode("utf-8", "surrogateescape").lstrip("\ufeff").strip()
        members = JSONDecoder(object_pairs_hook=_members, strict=False).decode(text)
    except _TwiceError as twice:
        return Envelope("unknown", twice.id)
    except (ValueError, RecursionError):
        return UNKNOWN
    if type(members) is not dict:
        return UNKNOWN
    method, replies = members.get("method"), "result" in members or "error" in members
    if "method" not in members:
        return Envelope("response" if replies else "unknown", trusted_id(members.get("id")))
    if type(method) is not str or replies:
        return Envelope("unknown", trusted_id(members.get("id")))
    if "id" not in members:
        return Envelope("notification", None, method)
    request_id = trusted_id(members["id"])
    return Envelope("unknown" if request_id is None else "request", request_id, method)
