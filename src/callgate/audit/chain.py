"""The hash chain over raw bytes: how a record becomes a line, and what the end of a file says. No I/O.

    {"kind":"start",…,"seq":1,"hash":"<64 hex digits>"}\\n
    {"kind":"decision",…,"seq":2,"hash":"<64 hex digits>"}\\n

The hash of a line is the SHA-256 of all bytes of the file from the first digit of the hash before it up to
the first digit of its own: the previous hash, the three bytes `"}` and newline, and the line's own bytes
through `"hash":"`. Nothing is parsed or put into canonical form to verify it, and no byte of the file is left
out.
The first line of a file follows `ORIGIN`. `seq` is the number of the line, counted from 1.
"""

from collections.abc import Iterable

from msgspec import Struct

from callgate.digest import Sha256, lean

DIGITS = 64
CLOSE = b'"}\n'
TAIL = DIGITS + len(CLOSE)
"""How many bytes at the end of a line are its hash and what closes the line."""

ORIGIN = b"0" * DIGITS + CLOSE
"""What the first line of a file is taken to follow."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes of the longest line that is ever written."""

_SEQ = b',"seq":'
_HASH = b',"hash":"'
_START = b'{"kind":"start","format":'
_HEX = frozenset(b"0123456789abcdef")


class Link(Struct, frozen=True):
    """The place of a line in its chain: `tail` is the last `TAIL` bytes of the line."""

    seq: int
    tail: bytes

    @property
    def hash(self) -> str:
        return self.tail[:DIGITS].decode()


def seal(objects: Iterable[bytes], seq: int, tail: bytes, sha256: Sha256) -> tuple[bytes, int, bytes]:
    """Make lines of encoded JSON `objects` that follow the line number `seq` which ended with `tail`.

    Returns the lines, and the number and tail of the last one. `objects` is not empty.
    """
    parts = []
    for encoded in objects:
        seq += 1
        line = encoded[:-1] + b',"seq":%d,"hash":"' % seq
        tail = sha256(tail + line).hexdigest().encode() + CLOSE
        parts.append(line)
        parts.append(tail)
    return b"".join(parts), seq, tail


def place(line: bytes) -> Link | None:
    """Where a whole line, newline included, says that it stands; None if it does not have the form of one."""
    tail = line[-TAIL:]
    if not is_tail(tail):
        return None
    covered_end = len(line) - TAIL
    hash_at = covered_end - len(_HASH)
    if hash_at < 0 or line[hash_at:covered_end] != _HASH:
        return None
    # `seq` is at most 20 digits long, so a huge line is not searched from end to end.
    seq_at = line.rfind(_SEQ, max(0, hash_at - len(_SEQ) - 20), hash_at)
    digits = line[seq_at + len(_SEQ) : hash_at] if seq_at >= 0 else b""
    if not digits.isdigit():
        return None
    return Link(int(digits), tail)


def is_tail(tail: bytes) -> bool:
    """Whether these bytes can be the end of a line: 64 lower-case hex digits and what closes it."""
    return len(tail) == TAIL and tail.endswith(CLOSE) and _HEX.issuperset(tail[:DIGITS])


def follows(line: bytes, previous_tail: bytes, sha256: Sha256 = lean) -> bool:
    """Whether the hash of `line` is the right one after a line that ended with `previous_tail`."""
    digest = sha256(previous_tail)
    digest.update(memoryview(line)[:-TAIL])
    return digest.hexdigest().encode() == line[-TAIL:-3]


def begins_a_file(fragment: bytes) -> bool:
    """Whether an unfinished first line can be one of ours."""
    return fragment[: len(_START)] == _START[: len(fragment)]
