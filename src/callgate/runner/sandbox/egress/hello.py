"""The name in a TLS ClientHello: which host the client wants to talk to, whatever it told the proxy. No I/O.

Source: RFC 8446 section 4.1.2 and 5.1, RFC 6066 section 3. The message may be spread over several records.
"""

from typing import Final

MAX_HELLO: Final = 32 << 10
_RECORDS = range(0x14, 0x1A)
_HANDSHAKE = 0x16
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_HOST_NAME = 0


class BadHello(Exception):
    """It begins like TLS and is no ClientHello that could be read in one way."""


class NotYet(Exception):
    """More bytes are needed."""


def looks_like_tls(data: bytes) -> bool:
    """Whether the first byte is that of any record of TLS: servers may pass over some before the ClientHello."""
    return bool(data) and data[0] in _RECORDS


def server_name(data: bytes) -> str | None:
    """Return the name that the ClientHello at the beginning of `data` asks for, lower case; None if it names none.

    Raises NotYet if `data` may still become one, BadHello if it cannot.
    """
    message = _message(data)
    place = _Reader(message)
    place.skip(2 + 32)
    place.take(1)
    place.take(2)
    place.take(1)
    if place.done():
        return None
    extensions = _Reader(place.take(2))
    if not place.done():
        raise BadHello("there is more after the extensions")
    found: list[bytes] = []
    while not extensions.done():
        kind = int.from_bytes(extensions.skip(2), "big")
        body = extensions.take(2)
        if kind == _SERVER_NAME:
            found.append(body)
    if not found:
        return None
    if len(found) > 1:
        raise BadHello("there are several server names")
    return _host_name(found[0])


def _message(data: bytes) -> bytes:
    """The ClientHello without its header, put together from its records."""
    message = bytearray()
    place = 0
    while True:
        if len(data) < place + 5:
            raise _needs_more(data)
        if data[place] != _HANDSHAKE or data[place + 1] != 3:
            raise BadHello("a record is no handshake of TLS")
        length = int.from_bytes(data[place + 3 : place + 5], "big")
        if not 0 < length <= 1 << 14:
            raise BadHello("a record has no possible length")
        message += data[place + 5 : place + 5 + length]
        if message and message[0] != _CLIENT_HELLO:
            raise BadHello("the first message is no ClientHello")
        if len(message) >= 4:
            whole = 4 + int.from_bytes(message[1:4], "big")
            if whole > MAX_HELLO:
                raise BadHello("the ClientHello is too long")
            if len(message) >= whole:
                return bytes(message[4:whole])
        if len(data) < place + 5 + length:
            raise _needs_more(data)
        place += 5 + length


def _needs_more(data: bytes) -> Exception:
    return NotYet() if len(data) < MAX_HELLO else BadHello("the ClientHello is too long")


def _host_name(body: bytes) -> str:
    outer = _Reader(body)
    names = _Reader(outer.take(2))
    kind = names.skip(1)[0]
    name = names.take(2)
    if not outer.done() or not names.done() or kind != _HOST_NAME or not name.isascii():
        raise BadHello("the server name is not one host name")
    return name.decode("ascii").lower().removesuffix(".")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def done(self) -> bool:
        return self._place == len(self._data)

    def skip(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self._place + size
        if end > len(self._data):
            raise BadHello("a length leads out of the ClientHello")
        taken = self._data[self._place : end]
        self._place = end
        return taken

    def take(self, size: int) -> bytes:
        """Return what follows a length of `size` bytes."""
        return self.skip(int.from_bytes(self.skip(size), "big"))
