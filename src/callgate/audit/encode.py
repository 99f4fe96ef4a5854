"""Records as one-line JSON objects in pure ASCII, bounded. No I/O.

An agent or a server chose some of the text, and somebody will look at the file with `cat`: what is not ASCII
is written as `\\uXXXX`, so no byte of a record can mean anything to a terminal. (JSON has such characters
only inside strings, so this changes no value, in raw arguments neither.)
"""

import re
from typing import Any

import msgspec

from callgate.audit.chain import MAX_LINE
from callgate.audit.record import Record
from callgate.errors import AuditError

PLAIN_LENGTH = 4096
"""A record that is encoded in no more bytes than these is written as it is."""

TEXT_LENGTH = 512
"""In a longer one each text field is cut to this many characters. Arguments are not cut."""

_GROWTH = 3
"""No byte of UTF-8 becomes more bytes of ASCII than these: two become six, three six, four twelve."""

_REST = 1 << 17
"""More bytes than all else in a record takes."""

_INT64 = 1 << 63
_encode = msgspec.json.Encoder().encode


def encode(record: Record) -> bytes:
    """Encode one record.

    Raises AuditError (AUD006) if the record cannot be written down: it would be longer than `MAX_LINE`, or
    holds something that is not JSON.
    """
    try:
        encoded = _encode(record)
    except (UnicodeEncodeError, OverflowError):
        return _encode_bounded(record)
    if len(encoded) <= PLAIN_LENGTH and encoded.isascii() and b"\n" not in encoded:
        return encoded
    return _encode_bounded(record)


def fits(record: Record, arguments_size: int) -> bool:
    """Whether `encode` can write the record down. `arguments_size` is the length of its raw arguments in UTF-8."""
    if _GROWTH * arguments_size < MAX_LINE - _REST:
        return True
    try:
        encode(record)
    except AuditError:
        return False
    return True


def clip(text: str, length: int = TEXT_LENGTH) -> str:
    """`text` with no more than `length` characters and without lone surrogates."""
    if len(text) > length:
        text = text[: length - 1] + "…"
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _encode_bounded(record: Record) -> bytes:
    changes = {name: _bounded(getattr(record, name)) for name in record.__struct_fields__}
    try:
        encoded = _encode(msgspec.structs.replace(record, **changes))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise AuditError("AUD006", f"an audit record cannot be encoded: {type(error).__name__}") from error
    if not encoded.isascii():
        encoded = _ascii(encoded)
    # A raw newline can only be white space between tokens: the encoder escapes those in strings.
    encoded = encoded.replace(b"\n", b" ")
    if len(encoded) > MAX_LINE - 256:
        raise AuditError(
            "AUD006",
            f"an audit record of {len(encoded)} bytes is too long",
            "keep arguments as a hash, or bound the size of frames",
        )
    return encoded


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return clip(value)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return f"integer of {value.bit_length()} bits"
    if isinstance(value, dict):
        return {clip(key): _bounded(item) for key, item in value.items()}
    return value


def _ascii(encoded: bytes) -> bytes:
    try:
        text = encoded.decode()
    except UnicodeDecodeError as error:
        raise AuditError("AUD006", "an audit record holds arguments that are not UTF-8") from error
    return re.sub("[^\x00-\x7f]+", _escape, text).encode()


def _escape(found: re.Match[str]) -> str:
    digits = found[0].encode("utf-16-be").hex()
    return "".join([f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4)])
