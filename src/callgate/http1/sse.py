"""Server-sent events: bytes ↔ events. Bounded, incremental, linear; no I/O.

Source: WHATWG HTML, section 9.2 ("Server-sent events"), read to the letter but for two things: a line or an event
larger than the bound is an error, and so is an id that is not UTF-8. It must never let one event become two.
"""

from msgspec import Struct

KEEP_ALIVE = b":\n\n"
"""A comment, which every reader passes over."""

_BOM = b"\xef\xbb\xbf"
_MAX_ID = 1_024
_LONGEST_RETRY = 999_999_999


class SseError(Exception):
    """The stream cannot be read on. `too_large`: because of its size. The text quotes nothing of the stream."""

    def __init__(self, text: str, *, too_large: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.too_large = too_large


class SseEvent(Struct, frozen=True, gc=False):
    """One block of a stream.

    `data` are its data lines joined by newlines; None if it has none, so that a browser would not even report it.
    `id` and `retry` (milliseconds) are those of this block alone, None if it has none; an empty `id` takes the
    last one back. `name` is the type, "message" unless the block says otherwise.
    """

    data: bytes | None
    id: str | None = None
    retry: int | None = None
    name: bytes = b"message"


class SseReader:
    """Feed it a stream in pieces of any size. An event that the stream's end cuts off is none."""

    def __init__(self, max_event: int) -> None:
        """`max_event` bounds the bytes of one event, and of any line."""
        self._max = max_event
        # Pieces may be as small as one byte: kept as objects they would cost many times what they hold.
        self._rest = bytearray()
        self._after_cr = False
        self._at_start = True
        self._data: bytes | bytearray | None = None
        self._data_size = 0
        self._id: str | None = None
        self._retry: int | None = None
        self._name = b""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that `chunk` completes, in order. Raises SseError; nothing may be fed after that."""
        if self._after_cr and chunk:
            # The second half of a CRLF whose first half ended the last piece.
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        events: list[SseEvent] = []
        if lines and self._rest:
            self._hold(lines[0])
            lines[0] = bytes(self._rest)
            self._rest = bytearray()
        for line in lines:
            self._line(line, events)
        if rest:
            self._hold(rest)
        return events

    def _hold(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) + self._data_size > self._max:
            self._too_large()
        self._rest += piece

    def _line(self, line: bytes, events: list[SseEvent]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._data_size += len(value) + 1
            if self._data_size > self._max + 1:
                self._too_large()
            data = self._data
            if data is None:
                self._data = value
            else:
                if type(data) is not bytearray:
                    data = self._data = bytearray(data)
                data += b"\n"
                data += value
        elif len(line) > self._max:
            self._too_large()
        elif name == b"id":
            # With a NUL in it the field does not count at all.
            if b"\0" not in value:
                self._id = _read_id(value)
        elif name == b"event":
            self._name = value
        elif name == b"retry" and value.isdigit():
            self._retry = int(value) if len(value) < 10 else _LONGEST_RETRY

    def _dispatch(self, events: list[SseEvent]) -> None:
        data = self._data
        if data is not None:
            events.append(SseEvent(bytes(data), self._id, self._retry, self._name or b"message"))
            self._data = None
            self._data_size = 0
        elif self._id is not None or self._retry is not None:
            events.append(SseEvent(None, self._id, self._retry))
        self._id = self._retry = None
        self._name = b""

    def _too_large(self) -> None:
        raise SseError(f"an event has more than {self._max} bytes", too_large=True)


def encode_event(data: bytes, id: str | None = None, retry: int | None = None) -> bytes:
    """One event of the type "message".

    Line ends within `data`, of whatever kind, become line ends of the event: nothing in it can end the event or
    begin a field. Raises ValueError for an `id` that could: one with CR, LF or NUL.
    """
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    if id is None and retry is None:
        return b"event: message\ndata: %b\n\n" % data
    fields = b""
    if id is not None:
        if "\n" in id or "\r" in id or "\0" in id:
            raise ValueError("an id cannot hold a line end or a NUL")
        fields = b"id: %b\n" % id.encode()
    if retry is not None:
        fields += b"retry: %d\n" % retry
    return b"event: message\n%bdata: %b\n\n" % (fields, data)


def _read_id(value: bytes) -> str:
    if len(value) > _MAX_ID:
        raise SseError(f"the id of an event has more than {_MAX_ID} bytes", too_large=True)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise SseError("the id of an event is not UTF-8") from None
