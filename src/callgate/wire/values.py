"""How many values a frame holds, told before it is decoded: what is decoded costs up to a hundred times its bytes.

It counts separators only, without knowing whether the text is JSON, and must never take memory in proportion to
how many there are.
"""

from callgate.wire.careful import DoubtError

MAX_VALUES = 200_000
_SEPARATORS = b",[{"
_ALL_BUT_SEPARATORS = bytes(byte for byte in range(256) if byte not in _SEPARATORS)
# Neither byte occurs in UTF-8; a text that has them all the same is refused as soon as it is decoded.
_PAIR, _ESCAPED_QUOTE = b"\xfe", b"\xff"


def check_values(line: bytes) -> None:
    """Raise DoubtError if `line` holds more than MAX_VALUES members and elements, of whatever depth.

    Every value but the outermost one stands behind a comma, or first in its object or array: a line of at most
    MAX_VALUES bytes need not be looked at.
    """
    if len(line.translate(None, _ALL_BUT_SEPARATORS)) <= MAX_VALUES:
        return
    # Only then it matters that texts hold commas, too.
    if b"\\" in line:
        line = line.replace(b"\\\\", _PAIR).replace(b'\\"', _ESCAPED_QUOTE)
    # Of two strings at least one is a value, so that there is a bound on what the line is cut into.
    if line.count(b'"') <= 4 * MAX_VALUES:
        outside = b"".join(line.split(b'"')[::2])
        if len(outside.translate(None, _ALL_BUT_SEPARATORS)) <= MAX_VALUES:
            return
    raise DoubtError("WIR017", f"the frame holds more than {MAX_VALUES} values")
