"""What the documentation says of one stable code. Never imported while the gate runs."""

from msgspec import Struct


class CodePage(Struct, frozen=True):
    """`title` is a few words, `meaning` says what happened and why it is refused, `remedy` what to do."""

    title: str
    meaning: str
    remedy: str
