"""Bytes → lines: one JSON-RPC frame a line, in bounded memory and linear time.

Source: MCP, transports, stdio ("messages are delimited by newlines"). It must never hold more than one frame
of the permitted size, and never lose one silently: what is too long comes out as `Oversized`, to be answered.
"""

from msgspec import Struct

from callgate.errors import WireRefusal
from callgate.wire.envelope import Envelope, EnvelopeScanner, Kind, RequestId

_SMALL = 4_096


class Oversized(Struct, frozen=True):
    """A line longer than the bound, which was not kept. `size` is in bytes, without the newline."""

    size: int
    envelope: Envelope

    @property
    def id(self) -> RequestId | None:
        """The id to answer under, None if none can be trusted."""
        return self.envelope.id

    @property
    def kind(self) -> Kind:
        """What the frame seems to be."""
        return self.envelope.kind

    def refusal(self, max_frame: int) -> WireRefusal:
        """The refusal to answer the sender with."""
        return WireRefusal(
            "WIR007",
            f"the frame has {self.size} bytes; at most {max_frame} are accepted",
            rpc_code=-32600,
            request_id=self.id,
            expects_answer=self.envelope.expects_answer,
        )


class LineReader:
    """Cuts a byte stream at newlines. Lines of white space alone are no frames and are left out."""

    def __init__(self, max_frame: int) -> None:
        """`max_frame` bounds a line, in bytes without its newline."""
        self._max = max_frame
        self._parts: list[bytes | bytearray] = []
        self._size = 0
        self._scanner: EnvelopeScanner | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> "list[bytes | Oversized]":
        """The frames that `data` completes, in order, each without its newline."""
        if type(data) is not bytes:
            data = bytes(data)
        pieces = data.split(b"\n")
        rest = pieces.pop()
        frames: list[bytes | Oversized] = []
        if pieces:
            if self._size:
                self._hold(pieces[0])
                self._close(frames)
                del pieces[0]
            if len(data) <= self._max:
                frames += [line for line in pieces if line and not _is_blank(line)]
            else:
                for line in pieces:
                    self._hold(line)
                    self._close(frames)
        if rest:
            self._hold(rest)
        return frames

    def finish(self) -> "list[bytes | Oversized]":
        """At the end of the stream: what stands after the last newline, which servers read as a line too."""
        frames: list[bytes | Oversized] = []
        self._close(frames)
        return frames

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._scanner is not None:
            self._scanner.feed(piece)
        elif self._size > self._max:
            self._scanner = EnvelopeScanner()
            for part in self._parts:
                self._scanner.feed(bytes(part))
            self._parts.clear()
            self._scanner.feed(piece)
        elif len(piece) >= _SMALL:
            self._parts.append(piece)
        elif self._parts and type(self._parts[-1]) is bytearray:
            # Thousands of tiny reads would otherwise be thousands of objects.
            self._parts[-1] += piece
        else:
            self._parts.append(bytearray(piece))

    def _close(self, frames: "list[bytes | Oversized]") -> None:
        if self._scanner is not None:
            frames.append(Oversized(self._size, self._scanner.envelope()))
            self._scanner = None
        else:
            line = b"".join(self._parts)
            if line and not _is_blank(line):
                frames.append(line)
        self._parts.clear()
        self._size = 0


def _is_blank(line: bytes) -> bool:
    return line.isspace() and not line.strip(b" \t\r")
