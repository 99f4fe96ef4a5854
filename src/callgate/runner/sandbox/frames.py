"""The host's side of the wire to a guest: a strict reading of what it says, and the writing of what it is told.

A frame is four bytes of length, most significant first, and as many bytes of JSON with a key `t`. The guest is hostile:
every length, type and depth is bounded, and whatever is odd raises `HostileFrame`. Never guesses, never unpickles.
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
"""The largest frame but a last one, in bytes."""

MAX_VALUES = 500_000
"""How many values a frame but a last one may hold: three bytes of `[],` are sixty in memory."""

_MAX_TEXT = 64 << 10
_MAX_NAME = 256
_MAX_LINES = 200
_HEAD = 4
_DONE = b'{"t":"done"'
_BYTE, _VALUE = 4, 150
"""What a byte of text and a value may take once they are decoded, in bytes."""

_JSON_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


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

_decoder: "msgspec.json.Decoder[GuestFrame]" = msgspec.json.Decoder(GuestFrame)
_encoder = msgspec.json.Encoder()


def too_deep(value: Any, most: int = MAX_DEPTH) -> bool:
    """Whether lists and objects in `value` are nested more than `most` deep. Not recursive."""
    level = [value]
    for _ in range(most + 1):
        inner: list[Any] = []
        for each in level:
            if type(each) is dict:
                inner.extend(each.values())
            elif type(each) is list:
                inner.extend(each)
        level = [each for each in inner if type(each) in (dict, list)]
        if not level:
            return False
    return True


def values_in(body: bytes | bytearray) -> int:
    """At most how many values a JSON text holds, by its commas and brackets. Does not decode it."""
    found = _marks(body)
    return (found if found <= MAX_VALUES else _marks(_JSON_TEXT.sub(b"", body))) + 1


def _marks(body: bytes | bytearray) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def decode(body: bytes | bytearray) -> GuestFrame:
    """Read the JSON of one frame. Raises HostileFrame."""
    many = values_in(body) > MAX_VALUES
    if many and not body.startswith(_DONE):
        raise HostileFrame(f"it sent a message of more than {MAX_VALUES} values")
    try:
        frame = _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise HostileFrame("what it sent is no message") from None
    if isinstance(frame, Call):
        if many or len(frame.function) > _MAX_NAME or too_deep(frame.arguments):
            raise HostileFrame("a call has no usable name or arguments")
    elif isinstance(frame, Progress):
        if len(frame.text or "") > _MAX_TEXT or not 0.0 <= (frame.fraction or 0.0) <= 1.0:
            raise HostileFrame("what it says of its progress makes no sense")
    elif isinstance(frame, Done):
        if too_deep(frame.results):
            raise HostileFrame(f"the results are nested more than {MAX_DEPTH} deep", "result_size")
    elif isinstance(frame, Failed) and len(frame.traceback) > _MAX_LINES:
        raise HostileFrame("its error has too many lines")
    return frame


class FrameReader:
    """Takes bytes as they come, gives whole frames. `most` bounds one frame, in bytes."""

    def __init__(self, most: int = MAX_CALL) -> None:
        self.most = most
        self.cost = 0
        """What the frame that was given last may take in memory, in bytes."""
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[GuestFrame]:
        """Yield the frames that `data` completes. Raises HostileFrame; nothing may be fed after that."""
        self._bytes += data
        while len(self._bytes) >= _HEAD:
            length = int.from_bytes(self._bytes[:_HEAD], "big")
            if length > self.most:
                # Whose length it is only the first bytes say: a script may well have results that are too large.
                if len(self._bytes) < _HEAD + len(_DONE):
                    return
                if self._bytes.startswith(_DONE, _HEAD):
                    raise HostileFrame(f"the results take {length} bytes", "result_size")
                raise HostileFrame("it sent a message that is too long")
            if len(self._bytes) < _HEAD + length:
                return
            body = self._bytes[_HEAD : _HEAD + length]
            del self._bytes[: _HEAD + length]
            self.cost = _BYTE * length + _VALUE * min(values_in(body), MAX_VALUES)
            yield decode(body)

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
