"""Text that somebody else wrote, made fit to show: it cannot steer a terminal, a log or a reader's eye.

Imports nothing; usable everywhere.
"""


def escape(text: str) -> str:
    r"""Return `text` with every character that is not printable written as `\xNN`, `\uNNNN` or `\UNNNNNNNN`.

    Control characters, escape sequences, line and paragraph separators, bidirectional and zero-width marks,
    odd spaces, lone surrogates and unassigned code points become visible; all other text stays as it is.
    The result is one line, and can be encoded. A backslash is left alone, so the result is for eyes only.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _visible(ord(character)) for character in text)


def quote(text: str, limit: int = 80) -> str:
    """Return `text` escaped, in backticks, and shortened to about `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return f"`{escape(text)}`"


def clause(text: str) -> str:
    """Return `text` without its closing full stop, so that the sentence can go on after it."""
    return text.rstrip().rstrip(".")


def _visible(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"
