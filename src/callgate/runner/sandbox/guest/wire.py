"""Frames between guest and host: four bytes of length, big-endian, then one JSON object.

The guest's own references to `os.write` and the encoder are taken here, before a script can patch them.
"""

from __future__ import annotations

import json
import threading
from os import read as _read
from os import write as _write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READS, WRITES = 3, 4
"""The descriptors, as the host opens them."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
_sending = threading.Lock()
_received = bytearray()


def encode(value: Any) -> bytes:
    """A plain value as JSON. Raises ValueError for NaN, an integer too long to write, or text that is no Unicode."""
    return _encode(value).encode()


def send(frame: bytes) -> None:
    """Write one encoded frame whole, whoever else is writing. Raises OSError if the host is gone."""
    with _sending:
        _send(frame)


def send_last(frame: bytes) -> None:
    """The same, and nobody writes anything after it: a thread that still makes calls waits for ever."""
    _sending.acquire()
    _send(frame)


def _send(frame: bytes) -> None:
    view = memoryview(len(frame).to_bytes(4, "big") + frame)
    while view:
        view = view[_write(WRITES, view) :]


def receive() -> dict[str, Any]:
    """Wait for the next frame. One thread at a time. Raises EOFError if the host is gone.

    What has come of a frame is kept when the wait is broken off by an exception.
    """
    _fill(4)
    length = int.from_bytes(_received[:4], "big")
    _fill(4 + length)
    frame: dict[str, Any] = _decode(_received[4 : 4 + length].decode())
    del _received[: 4 + length]
    return frame


def _fill(length: int) -> None:
    while len(_received) < length:
        data = _read(READS, max(length - len(_received), 65536))
        if not data:
            raise EOFError("the host is gone")
        _received.extend(data)
