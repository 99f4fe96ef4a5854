"""The same JSON in one line: white space between tokens removed, every token kept letter for letter.

Works on text that a JSON decoder has accepted, and only then. Linear time: everything is done by `bytes`
methods over the whole text, nothing by character.
"""

# Neither byte occurs in UTF-8, so they can stand for escape pairs while the text is cut at its quotes.
_PAIR, _ESCAPED_QUOTE = b"\xfe", b"\xff"


def compact(text: bytes) -> bytes:
    """`text` without the white space outside strings. `text` is valid JSON in valid UTF-8.

    Numbers and escapes keep their spelling: `1.0`, `1e2`, `-0` and `\\u0041` mean what they meant.
    """
    escapes = b"\\" in text
    if escapes:
        # In a run of backslashes the pairs count from the left, which is how `replace` finds them.
        text = text.replace(b"\\\\", _PAIR).replace(b'\\"', _ESCAPED_QUOTE)
    pieces = text.split(b'"')
    # Every second piece stands outside the strings; none holds a quote, so all can be cleaned as one.
    pieces[::2] = b'"'.join(pieces[::2]).translate(None, b" \t\r\n").split(b'"')
    text = b'"'.join(pieces)
    if escapes:
        text = text.replace(_ESCAPED_QUOTE, b'\\"').replace(_PAIR, b"\\\\")
    return text


def escape_line_ends(text: bytes) -> bytes:
    """`text` with U+2028, U+2029 and U+0085 as escapes.

    JSON allows them raw inside strings; readers built on Python's `str.splitlines`, or on a pattern of all
    Unicode line ends, would cut the frame there. Outside strings valid JSON cannot hold them.
    """
    text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return text.replace(b"\xc2\x85", b"\\u0085")
