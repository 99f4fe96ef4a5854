"""Bytes of a policy file → text that every reader, human or not, sees alike. Refuses anything else.

Characters that some programs take for a line break and others do not would let a file say one thing to its
reviewer and another to the gate, so they are errors and not left to the YAML parser.
"""

from callgate.diagnostics import Diagnostic, Source
from callgate.errors import PolicyError

MAX_BYTES = 1 << 20
"""The largest policy file that is read."""

_PLAIN = bytes((9, 10, *range(32, 127)))
"""What an ordinary file consists of: checked without compiling an expression, which would take milliseconds."""

# YAML 1.2 section 5.1 (printable characters), less the breaks that only YAML 1.1 knows and a lone CR.
_FORBIDDEN = r"[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"

_BREAKS = {"\r", "\x85", "\u2028", "\u2029"}

_INVISIBLE = "[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069]"


class SourceText:
    """The text of one file (without its byte order mark) and its lines, numbered from 1."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """Return the text of a line without its line break; empty past the end."""
        if self._lines is None:
            self._lines = self.text.split("\n")
        if not 1 <= number <= len(self._lines):
            return ""
        return self._lines[number - 1].removesuffix("\r")

    def invisible(self) -> list[Source]:
        """Return the places of characters that hide or reorder text in an editor."""
        if self.text.isascii():
            return []
        import re

        return [self.place(found.start()) for found in re.finditer(_INVISIBLE, self.text)]

    def place(self, offset: int) -> Source:
        """Return the place of the character at `offset`."""
        start = self.text.rfind("\n", 0, offset) + 1
        return Source(self.file, self.text.count("\n", 0, offset) + 1, offset - start + 1)


def decode(data: bytes, file: str, most: int = MAX_BYTES, *, help: str = "split the policy") -> SourceText:
    """Return the text of `data`, which must be UTF-8 and free of control characters and odd line breaks.

    Raises PolicyError with one diagnostic; `help` is for a file of more than `most` bytes.
    """
    if len(data) > most:
        raise _refusal("POL011", f"the file is larger than {most} bytes", None, help)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(data, file, error) from None
    source = SourceText(file, text)
    if not data.translate(None, _PLAIN):
        return source
    import re

    found = re.search(_FORBIDDEN, text)
    if found is not None:
        place = source.place(found.start())
        character = found[0]
        if character in _BREAKS:
            what = "is a line break to some programs and not to others"
            help = "end lines with a line feed; inside a quoted string write the character as an escape"
        else:
            what = "is not allowed in YAML"
            help = "delete it; inside a double-quoted string it can be written as an escape"
        message = f"the character U+{ord(character):04X} {what}"
        raise _refusal("POL013", message, place, help, source.line(place.line))
    return source


def _not_utf8(data: bytes, file: str, error: UnicodeDecodeError) -> PolicyError:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _refusal("POL012", "the file is UTF-16, not UTF-8", Source(file, 1, 1), "save it as UTF-8")
    before = data[: error.start].decode("utf-8-sig", "replace")
    place = SourceText(file, before).place(len(before))
    message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
    return _refusal("POL012", message, place, "save the file as UTF-8")


def _refusal(
    code: str, message: str, source: Source | None, help: str, line_text: str | None = None
) -> PolicyError:
    return PolicyError([Diagnostic("error", code, message, source, line_text, help)])
