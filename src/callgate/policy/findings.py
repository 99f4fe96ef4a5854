"""Collects every finding about one file, and guesses what was meant. Nothing here prints or raises."""

from collections.abc import Iterable

from callgate.diagnostics import Diagnostic, Source
from callgate.policy.source_text import SourceText
from callgate.text import quote

MAX_FINDINGS = 200
"""Findings kept for one file; what a hostile file has beyond that is summed up in one more."""


class Findings:
    """The errors and warnings of one file, each with its place and the text of its line."""

    def __init__(self, text: SourceText) -> None:
        self._text = text
        self._seen: set[tuple[str, int, int, str]] = set()
        self._found: list[Diagnostic] = []
        self.errors = 0

    def error(self, code: str, message: str, source: Source, help: str | None = None) -> None:
        """Record an error; the same error at the same place (reached through an alias, say) is kept once."""
        if self._is_new(code, source, message):
            self.errors += 1
            if self.errors <= MAX_FINDINGS:
                self._found.append(self._diagnostic("error", code, message, source, help))

    def warning(self, code: str, message: str, source: Source, help: str | None = None) -> None:
        """Record a warning: the file works, but something in it can never matter."""
        if self._is_new(code, source, message) and len(self._found) <= 2 * MAX_FINDINGS:
            self._found.append(self._diagnostic("warning", code, message, source, help))

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Return everything in the order of its place in the file."""
        found = sorted(self._found, key=_place)
        if self.errors > MAX_FINDINGS:
            more = f"{self.errors - MAX_FINDINGS} more errors are not shown"
            found.append(Diagnostic("error", "POL025", more, help="repair the ones above first"))
        return tuple(found)

    def _is_new(self, code: str, source: Source, message: str) -> bool:
        identity = (code, source.line, source.column, message)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _diagnostic(
        self, severity: str, code: str, message: str, source: Source, help: str | None
    ) -> Diagnostic:
        line_text = self._text.line(source.line)
        if severity == "error":
            return Diagnostic("error", code, message, source, line_text, help)
        return Diagnostic("warning", code, message, source, line_text, help)


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    source = diagnostic.source
    return (source.line, source.column) if source else (0, 0)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean `x`?`` for the nearest of `known`, or None if none is near."""
    nearest = closest(word, known)
    return f"did you mean {quote(nearest)}?" if nearest else None


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` is most likely a slip for, or None."""
    best: str | None = None
    folded = word.lower().replace("-", "_")[:64]
    best_distance = max(1, len(folded) // 3) + 1
    for candidate in known:
        distance = _distance(folded, candidate.lower(), best_distance)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def one_of(words: Iterable[str]) -> str:
    """Return `a`, `b` or `c`, in backticks, as people write it."""
    quoted = [quote(word) for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _distance(left: str, right: str, limit: int) -> int:
    """Optimal string alignment distance: edits and swaps of neighbours; `limit` if it is at least that."""
    if abs(len(left) - len(right)) >= limit:
        return limit
    before_last: list[int] = []
    last = list(range(len(right) + 1))
    for row, here in enumerate(left, 1):
        current = [row]
        for column, there in enumerate(right, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (here != there))
            swapped = row > 1 and column > 1 and here == right[column - 2] and left[row - 2] == there
            if swapped and here != there:
                cost = min(cost, before_last[column - 2] + 1)
            current.append(cost)
        before_last, last = last, current
    return min(last[-1], limit)
