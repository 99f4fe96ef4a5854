"""The phases of a server's connection, and the bounds that need no configuration."""

from typing import Final

HEAD: Final = 0
"""A head is read, or nothing has come yet: also the time between two requests."""
SIZED: Final = 1
"""A body of known length is read."""
CHUNKS: Final = 2
"""A chunked body is read."""
BUSY: Final = 3
"""The application has the request."""
SKIP: Final = 4
"""The body of a request that was refused by its head is read past."""
LINGER: Final = 5
"""The last answer is written; what the client still sends is thrown away."""
CLOSED: Final = 6

MIN_BODY_RATE: Final = 16_384
"""Bytes a second: what a body may take beyond its time-out."""
LINGER_TIME: Final = 2.0
"""Seconds for a client to read its refusal while it is still sending: closing at once would destroy the answer."""
LINGER_BYTES: Final = 64 << 20
SKIPPED_BODY: Final = 65_536
"""Up to here the body of a refused request is read past, so that the connection can go on."""
AHEAD: Final = 65_536
"""Bytes that a client may send before its present request is answered; then it is no longer read."""
TURN: Final = 16
"""Requests of one connection that are handled before others get their turn."""
