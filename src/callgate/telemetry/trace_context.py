"""W3C trace context and baggage: read from headers or a frame's `_meta`, checked, and passed on. No I/O.

What an agent sends is hostile: a malformed traceparent counts as none, and then its tracestate does as well. Nothing
here needs OpenTelemetry; context that is not our own is passed on as it came.
Sources: W3C Trace Context (sections 2, 3 and 4), W3C Baggage (3.3), SEP-414 (unprefixed keys in `params._meta`).
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from callgate.http1.contract import Header, Headers

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
_KEY = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_STATE_MEMBER = re.compile(rf"({_KEY})={_VALUE}")
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_BAGGAGE_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_BAGGAGE_MEMBER = re.compile(
    rf"[ \t]*{_WORD}[ \t]*=[ \t]*{_BAGGAGE_VALUE}"
    rf"(?:[ \t]*;[ \t]*{_WORD}(?:[ \t]*=[ \t]*{_BAGGAGE_VALUE})?)*[ \t]*"
)
_MAX_STATE_MEMBERS = 32
_MAX_STATE = 512
_MAX_BAGGAGE = 8192
_MAX_BAGGAGE_MEMBERS = 64


class TraceContext(Struct, frozen=True, gc=False):
    """Checked values, fit for a header. Without `traceparent` there is no `tracestate`; `baggage` stands alone."""

    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None

    @property
    def trace_id(self) -> str | None:
        """The 32 hex digits of the trace."""
        return None if self.traceparent is None else self.traceparent[3:35]


NO_CONTEXT = TraceContext()


def context_from_headers(headers: Headers) -> TraceContext:
    """What the request's headers say. `tracestate` and `baggage` may stand in several headers, `traceparent` not."""
    parents = headers.all(b"traceparent")
    if not parents and not headers.all(b"baggage"):
        return NO_CONTEXT
    return _checked(
        _ascii(parents[0]) if len(parents) == 1 else None,
        _ascii(b",".join(headers.all(b"tracestate"))),
        _ascii(b",".join(headers.all(b"baggage"))),
    )


def context_from_meta(params: dict[str, Any] | None) -> TraceContext:
    """What `params._meta` of a frame says."""
    meta = params.get("_meta") if params is not None else None
    if type(meta) is not dict:
        return NO_CONTEXT
    return _checked(meta.get("traceparent"), meta.get("tracestate"), meta.get("baggage"))


def passed_context(headers: Headers) -> tuple[Header, ...]:
    """The context headers of a request as they may go on to the server when the gate itself traces nothing.

    A member in `_meta` stays in the frame anyway, and is the server's to judge.
    """
    return context_headers(context_from_headers(headers))


def context_headers(context: TraceContext) -> tuple[Header, ...]:
    """`context` as headers."""
    if context is NO_CONTEXT:
        return ()
    pairs = (
        (b"traceparent", context.traceparent),
        (b"tracestate", context.tracestate),
        (b"baggage", context.baggage),
    )
    return tuple([(name, value.encode("ascii")) for name, value in pairs if value is not None])


def inject_meta(forward: bytes, message: dict[str, Any], context: TraceContext) -> bytes:
    """The frame `forward` with `context` in its `params._meta`, every other byte as it was.

    `forward` is one compact JSON object without a key twice, `message` the same decoded (`wire.strict`). Members that
    `context` does not have are taken out of `_meta`: they belonged to what was refused or replaced. A frame whose
    `params` or `_meta` is not an object stays as it is.
    """
    params = message.get("params")
    if type(params) is not dict:
        return forward
    meta = params.get("_meta", _ABSENT)
    if meta is not _ABSENT and type(meta) is not dict:
        return forward
    start, end = _value_of(forward, 0, len(forward), "params")
    if meta is _ABSENT:
        added = _members(context)
        if not added:
            return forward
        comma = b"," if params else b""
        return b'%b%b"_meta":{%b}%b' % (forward[: end - 1], comma, b",".join(added), forward[end - 1 :])
    start, end = _value_of(forward, start, end, "_meta")
    kept = [
        forward[key_at:value_end]
        for name, key_at, _, value_end in _walk(forward, start, end)
        if name not in _NAMES
    ]
    return b"%b{%b}%b" % (forward[:start], b",".join([*kept, *_members(context)]), forward[end:])


_ABSENT = object()
_NAMES = frozenset(("traceparent", "tracestate", "baggage"))
_raw_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def _members(context: TraceContext) -> list[bytes]:
    values = {
        "traceparent": context.traceparent,
        "tracestate": context.tracestate,
        "baggage": context.baggage,
    }
    return [
        b'"%b":%b' % (name.encode(), _encode(value)) for name, value in values.items() if value is not None
    ]


def _value_of(text: bytes, start: int, end: int, wanted: str) -> tuple[int, int]:
    for name, _, value_at, value_end in _walk(text, start, end):
        if name == wanted:
            return value_at, value_end
    raise KeyError(wanted)


def _walk(text: bytes, start: int, end: int) -> list[tuple[str, int, int, int]]:
    """Members of the compact object at `start`: name, and where key and value begin and the value ends."""
    found = []
    at = start + 1
    for name, value in _raw_members(memoryview(text)[start:end]).items():
        key_at = at
        at += 1
        # Up to the quote that closes the key; a backslash takes the next byte with it.
        while text[at] != 0x22:
            at += 2 if text[at] == 0x5C else 1
        value_at = at + 2
        at = value_at + len(memoryview(value))
        found.append((name, key_at, value_at, at))
        at += 1
    return found


def _checked(parent: object, state: object, baggage: object) -> TraceContext:
    traceparent = _traceparent(parent)
    tracestate = _tracestate(state) if traceparent is not None else None
    checked_baggage = _baggage(baggage)
    if traceparent is None and checked_baggage is None:
        return NO_CONTEXT
    return TraceContext(traceparent, tracestate, checked_baggage)


def _traceparent(value: object) -> str | None:
    """Version 00 has four fields and no more; a later version may have more of them, which nobody here knows."""
    if type(value) is not str or len(value) > 200:
        return None
    found = _TRACEPARENT.match(value)
    if found is None:
        return None
    rest = value[found.end() :]
    if not rest:
        return value
    return None if found[1] == "00" or not rest.startswith("-") or not _TAIL.fullmatch(rest) else value


_TAIL = re.compile(r"[0-9a-zA-Z\-]+")


def _tracestate(value: object) -> str | None:
    if type(value) is not str or not value or len(value) > _MAX_STATE:
        return None
    members = [stripped for member in value.split(",") if (stripped := member.strip(" \t"))]
    keys = set()
    for member in members:
        found = _STATE_MEMBER.fullmatch(member)
        if found is None or found[1] in keys:
            return None
        keys.add(found[1])
    return ",".join(members) if 0 < len(members) <= _MAX_STATE_MEMBERS else None


def _baggage(value: object) -> str | None:
    if type(value) is not str or not value or len(value) > _MAX_BAGGAGE:
        return None
    members = value.split(",")
    if len(members) > _MAX_BAGGAGE_MEMBERS or not all(map(_BAGGAGE_MEMBER.fullmatch, members)):
        return None
    return value


def _ascii(value: bytes) -> str | None:
    return value.decode("ascii") if value and value.isascii() else None
