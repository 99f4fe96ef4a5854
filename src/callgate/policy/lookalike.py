"""Names that a person, or a server that ignores case, could take for one another."""

_INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_ASCII_INVISIBLE = dict.fromkeys((*range(33), 127))

MAX_FOLDED_LENGTH = 256
"""The longest name that can be called. Folding takes the square of a name's length (a run of accents is sorted)."""


def fold(name: str) -> str:
    """Return what all lookalikes of `name` have in common.

    Case, compatibility forms (NFKC), white space, control, zero-width and bidirectional characters, variation
    selectors and blank letters are gone. A longer name than MAX_FOLDED_LENGTH that is not ASCII is returned as it
    is: it resembles nothing.
    """
    if name.isascii():
        return name.translate(_ASCII_INVISIBLE).lower()
    if len(name) > MAX_FOLDED_LENGTH:
        return name
    import unicodedata

    # Folding case can undo a normal form and the other way round, so both are done twice (Unicode 3.13, R5).
    for _ in range(2):
        name = unicodedata.normalize("NFKC", name).casefold()
    # Each character is looked at once, however often it occurs: one character can become eighteen.
    invisible = {
        ord(character): None
        for character in set(name)
        if unicodedata.category(character) in _INVISIBLE_CATEGORIES
        or character in _INVISIBLE
        or _is_variation_selector(ord(character))
    }
    return unicodedata.normalize("NFKC", name.translate(invisible) if invisible else name)


def _is_variation_selector(code: int) -> bool:
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x180B <= code <= 0x180F
