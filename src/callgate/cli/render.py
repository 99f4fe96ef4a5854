"""Findings about a file as text for people, as plain text for logs and screen readers, and as JSON.

The findings speak of a file that somebody else may have written: everything from it is escaped here.
"""

from collections.abc import Sequence
from typing import Any

from callgate.cli.console import escape, paint
from callgate.diagnostics import Diagnostic, Source

SCHEMA = "callgate/diagnostics@1"

_MAX_LINE = 160
"""Characters of a source line that are shown; a longer line is cut around its caret."""

_COLOURS = {"error": "red", "warning": "yellow"}


def render_human(diagnostics: Sequence[Diagnostic], *, color: bool) -> str:
    """Return each finding with its line and a caret, ended by a count; empty if there are none."""
    if not diagnostics:
        return ""
    return "".join(_human(each, color) for each in diagnostics) + f"{summary(diagnostics)}\n"


def render_plain(diagnostics: Sequence[Diagnostic]) -> str:
    """Return one line for each finding, as compilers write it: no colour, no alignment."""
    return "".join(_plain(each) for each in diagnostics)


def diagnostics_data(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Return the findings as plain data for JSON."""
    return [_data(each) for each in diagnostics]


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """Return `2 errors, 1 warning`."""
    counts = []
    for severity in ("error", "warning"):
        number = sum(each.severity == severity for each in diagnostics)
        if number:
            counts.append(f"{number} {severity}{'' if number == 1 else 's'}")
    return ", ".join(counts)


def _human(diagnostic: Diagnostic, color: bool) -> str:
    colour = _COLOURS[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", colour, "bold", on=color)
    lines = [f"{head}: {paint(escape(diagnostic.message), 'bold', on=color)}"]
    source = diagnostic.source
    margin = " " * (len(str(source.line)) + 1) if source else " "
    if source is not None:
        lines.append(f"{margin}{paint('-->', 'dim', on=color)} {_place(source)}")
    if source is not None and diagnostic.line_text is not None:
        shown, before, under = _excerpt(diagnostic.line_text, source)
        bar = paint("|", "dim", on=color)
        lines.append(f"{margin} {bar}")
        lines.append(f" {paint(str(source.line), 'dim', on=color)} {bar} {shown}".rstrip())
        lines.append(f"{margin} {bar} {' ' * before}{paint('^' * under, colour, on=color)}")
    if diagnostic.help:
        lines.append(f"{margin} {paint('= help:', 'dim', on=color)} {escape(diagnostic.help)}")
    return "\n".join(lines) + "\n"


def _place(source: Source) -> str:
    return f"{escape(source.file)}:{source.line}:{source.column}"


def _excerpt(line: str, source: Source) -> tuple[str, int, int]:
    """Return the line as shown, the width before the caret, and the width of the caret."""
    start = source.column - 1
    end = min(start + source.length, max(len(line), start + 1))
    cut = 0
    if len(line) > _MAX_LINE:
        cut = max(0, min(start - _MAX_LINE // 3, len(line) - _MAX_LINE))
        line = line[cut : cut + _MAX_LINE]
        start, end = start - cut, min(end - cut, len(line))
    shown = _visible(line)
    before = _visible(line[:start])
    under = _visible(line[start:end])
    prefix = "…" if cut else ""
    return prefix + shown, len(prefix) + _width(before), max(_width(under), 1)


def _visible(text: str) -> str:
    return escape(text.replace("\t", " "))


def _width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)


def _plain(diagnostic: Diagnostic) -> str:
    place = f"{_place(diagnostic.source)}: " if diagnostic.source else ""
    help = f" (help: {escape(diagnostic.help)})" if diagnostic.help else ""
    return f"{place}{diagnostic.severity} {diagnostic.code}: {escape(diagnostic.message)}{help}\n"


def _data(diagnostic: Diagnostic) -> dict[str, Any]:
    source = diagnostic.source
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": source.file if source else None,
        "line": source.line if source else None,
        "column": source.column if source else None,
        "length": source.length if source else None,
        "help": diagnostic.help,
    }
