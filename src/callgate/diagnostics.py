"""Findings about a file a person wrote, as data. Renderers live in `callgate.cli`; nothing here prints.

`line` and `column` count from 1; `column` and `length` count characters, not bytes.
"""

from typing import Literal

from msgspec import Struct

Severity = Literal["error", "warning"]


class Source(Struct, frozen=True):
    """A place in a file. `length` is how many characters a caret line underlines."""

    file: str
    line: int
    column: int
    length: int = 1


class Diagnostic(Struct, frozen=True):
    """One finding: `message` is lower case, one line, user text in backticks; `help` says what to do."""

    severity: Severity
    code: str
    message: str
    source: Source | None = None
    line_text: str | None = None
    help: str | None = None
