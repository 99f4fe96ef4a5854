"""The host's side of the wire to a guest: a strict reading of what it says, and the writing of what it is told.

A frame is four bytes of length, most significant first, and as many bytes of JSON with a key `t`. The guest is hostile:
every length, type and depth is bounded, and whatever is odd raises `HostileFrame`. Never guesses, never unpickles,
and never decodes what has not been counted: that would hold up everybody else.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from callgate.runner.answer import Answer
from callgate.runner.execution import Cause

MAX_DEPTH = 100
"""How deep values may be nested; deeper ones are refused before anybody walks them recursively."""

MAX_CALL = 8 << 20
"""The largest call, in bytes."""

MAX_SMALL = 128 << 10
"""The largest frame that is neither a call nor results, in bytes."""

MAX_VALUES = 100_000
"""How many values a call may hold: three bytes of `[],` are sixty in memory."""

MAX_RESULT_VALUES = 1_000_000
"""How many values the results may hold."""

_MAX_TEXT = 64 << 10
_MAX_NAME = 256
_MAX_LINES = 200
_HEAD = 4
_BEGINNING = len(b'{"t":"progress"')
"""Bytes that tell of what kind a frame is."""
_BYTE, _VALUE = 4, 150
"""What a byte of text and a value may take once they are decoded, in bytes."""

# A text that does not end goes to the end of the frame: to look for others in it would take quadratic time.
_JSON_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_KIND = re.compile(rb'\{"t":"(\w+)"')
_ALL_BUT_MARKS = bytes(set(range(256)) - set(b",[{"))
_NESTED = frozenset((dict, list))


class HostileFrame(Exception):
    """The guest said something that no guest of ours says. `cause` is what the execution ends with."""

    def __init__(self, why: str, cause: Cause = "crashed") -> None:
        super().__init__(why)
        self.why = why
        self.cause = cause


class Ready(Struct, frozen=True, tag_field="t", tag="ready"):
    """Hardened, and waiting for a job. `walls` is what the guest found when it put them up."""

    walls: dict[str, Any] = field(default_factory=dict)


class Call(Struct, frozen=True, tag_field="t", tag="call"):
    seq: int
    function: str
    arguments: dict[str, Any]


class Progress(Struct, frozen=True, tag_field="t", tag="progress"):
    fraction: float | None = None
    text: str | None = None


class Done(Struct, frozen=True, tag_field="t", tag="done"):
    results: dict[str, Any]
    peak_memory: int | None = None
    cpu_ms: float | None = None


class GuestLine(Struct, frozen=True):
    line: int
    function: str
    text: str


class Failed(Struct, frozen=True, tag_field="t", tag="error"):
    kind: str
    type: str
    message: str
    traceback: list[GuestLine] = field(default_factory=list)
    line: int | None = None
    column: int | None = None
    help: str | None = None
    peak_memory: int | None = None
    cpu_ms: float | None = None


GuestFrame = Ready | Call | Progress | Done | Failed

_KINDS: dict[bytes, "tuple[msgspec.json.Decoder[Any], int, int]"] = {
    b"ready": (msgspec.json.Decoder(Ready), MAX_SMALL, 10_000),
    b"call": (msgspec.json.Decoder(Call), MAX_CALL, MAX_VALUES),
    b"progress": (msgspec.json.Decoder(Progress), MAX_SMALL, 10),
    b"done": (msgspec.json.Decoder(Done), 0, MAX_RESULT_VALUES),
    b"error": (msgspec.json.Decoder(Failed), MAX_SMALL, 10_000),
}
"""By kind: what reads it, and how many bytes and values it may have; results may have as many bytes as is agreed."""

_encoder = msgspec.json.Encoder()


def too_deep(value: Any, most: int = MAX_DEPTH) -> bool:
    """Whether lists and objects in `value` are nested more than `most` deep. Not recursive, and linear."""
    level = [value] if type(value) in _NESTED else []
    for _ in range(most + 1):
        level = [
            inner
            for each in level
            for inner in (each.values() if type(each) is dict else each)
            if type(inner) in _NESTED
        ]
        if not level:
            return False
    return True


def values_in(body: bytes | bytearray, most: int = MAX_VALUES) -> int:
    """At most how many values a JSON text holds, by its commas and brackets; of more than `most`, only that it is more.
    Does not decode it.
    """
    found = _marks(body)
    return (found if found < most else _marks_outside_texts(body, most)) + 1


def _marks(body: bytes | bytearray) -> int:
    return len(body.translate(None, _ALL_BUT_MARKS))


def _marks_outside_texts(body: bytes | bytearray, most: int) -> int:
    # A value has one text at most, and one for its name.
    if body.count(b'"') - body.count(b"\\") > 4 * most + 4:
        return most + 1
    found = end = 0
    for text in _JSON_TEXT.finditer(body):
        found += _marks(body[end : text.start()])
        end = text.end()
        if found > most:
            return most + 1
    return found + _marks(body[end:])


def _kind(beginning: bytes | bytearray) -> bytes:
    """The kind of frame, by its first bytes: guests write it first. Raises HostileFrame."""
    found = _KIND.match(beginning)
    if found is None or found[1] not in _KINDS:
        raise HostileFrame("what it sent is no message")
    return bytes(found[1])


def decode(body: bytes | bytearray) -> GuestFrame:
    """Read the JSON of one frame. Raises HostileFrame."""
    return _counted(body)[0]


def _counted(body: bytes | bytearray) -> tuple[GuestFrame, int]:
    """The frame, and how many values it holds at most."""
    decoder, _, most = _KINDS[_kind(body[:_BEGINNING])]
    values = values_in(body, most)
    if values > most:
        results = most == MAX_RESULT_VALUES
        raise HostileFrame(
            f"{'the results hold' if results else 'it sent a message of'} more than {most} values",
            "result_size" if results else "crashed",
        )
    try:
        frame: GuestFrame = decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise HostileFrame("what it sent is no message") from None
    if isinstance(frame, Call):
        if len(frame.function) > _MAX_NAME or too_deep(frame.arguments):
            raise HostileFrame("a call has no usable name or arguments")
    elif isinstance(frame, Progress):
        if len(frame.text or "") > _MAX_TEXT or not 0.0 <= (frame.fraction or 0.0) <= 1.0:
            raise HostileFrame("what it says of its progress makes no sense")
    elif isinstance(frame, Done):
        if too_deep(frame.results):
            raise HostileFrame(f"the results are nested more than {MAX_DEPTH} deep", "result_size")
    elif isinstance(frame, Failed) and len(frame.traceback) > _MAX_LINES:
        raise HostileFrame("its error has too many lines")
    return frame, values


class FrameReader:
    """Takes bytes as they come, gives whole frames. `results` bounds the one that holds results, in bytes."""

    def __init__(self, results: int = MAX_CALL) -> None:
        self.results = results
        self.cost = 0
        """What the frame that was given last may take in memory, in bytes."""
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[GuestFrame]:
        """Yield the frames that `data` completes. Raises HostileFrame; nothing may be fed after that."""
        self._bytes += data
        while len(self._bytes) >= _HEAD:
            length = int.from_bytes(self._bytes[:_HEAD], "big")
            if length > min(MAX_SMALL, self.results):
                # How long it may be, its kind says.
                if len(self._bytes) < _HEAD + min(length, _BEGINNING):
                    return
                kind = _kind(self._bytes[_HEAD : _HEAD + _BEGINNING])
                if kind == b"done" and length > self.results:
                    raise HostileFrame(f"the results take {length} bytes", "result_size")
                if kind != b"done" and length > _KINDS[kind][1]:
                    raise HostileFrame("it sent a message that is too long")
            if len(self._bytes) < _HEAD + length:
                return
            body = self._bytes[_HEAD : _HEAD + length]
            del self._bytes[: _HEAD + length]
            frame, values = _counted(body)
            self.cost = _BYTE * length + _VALUE * values
            yield frame

    @property
    def amid(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._bytes)


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame for the guest."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_HEAD, "big") + body


def answer_frame(seq: int, answer: Answer) -> bytes:
    """What the call `seq` of the guest came to."""
    if answer.failure is None:
        return encode({"t": "answer", "seq": seq, "value": answer.value})
    failure = answer.failure
    return encode(
        {
            "t": "answer",
            "seq": seq,
            "failure": {
                "kind": failure.kind,
                "message": failure.message,
                "code": failure.code,
                "rule": failure.rule,
                "reason": failure.reason,
                "retry_after": failure.retry_after,
                "ran": failure.ran,
            },
        }
    )
