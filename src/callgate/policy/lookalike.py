"""Names that a person, or a server that ignores case, could take for one another."""

_INVISIBLE_CATEGORIES = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_ASCII_INVISIBLE = dict.fromkeys((*range(33), 127))


def fold(name: str) -> str:
    """Return what all lookalikes of `name` have in common.

    Case, compatibility forms (NFKC), white space, control, zero-width and bidirectional characters, variation
    selectors and blank letters are gone.
    """
    if name.isascii():
        return name.translate(_ASCII_INVISIBLE).lower()
    import unicodedata

    # Folding case can undo a normal form and the other way round, so both are done twice (Unicode 3.13, R5).
    for _ in range(2):
        name = unicodedata.normalize("NFKC", name).casefold()
    visible = [
        character
        for character in name
        if unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        and character not in _INVISIBLE
        and not _is_variation_selector(ord(character))
    ]
    return unicodedata.normalize("NFKC", "".join(visible))


def _is_variation_selector(code: int) -> bool:
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x180B <= code <= 0x180F
