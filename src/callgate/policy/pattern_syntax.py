"""Whether a name pattern is one its author can have meant. What a pattern matches is in `name_patterns`."""

from msgspec import Struct


class PatternProblem(Struct, frozen=True):
    """What is wrong with a pattern, and at which character of it (from 0)."""

    offset: int
    message: str


def pattern_problem(pattern: str) -> PatternProblem | None:
    """Return what is wrong with `pattern`: a bracket that is never closed, an empty set, a backward range."""
    at = pattern.find("[")
    while at >= 0:
        first = at + 2 if pattern[at + 1 : at + 2] == "!" else at + 1
        if pattern[first : first + 1] == "]":
            return PatternProblem(at, "the set in brackets is empty")
        end = pattern.find("]", first)
        if end < 0:
            return PatternProblem(at, "`[` is never closed")
        backward = _backward_range(pattern, first, end)
        if backward is not None:
            return backward
        at = pattern.find("[", end + 1)
    return None


def _backward_range(pattern: str, at: int, end: int) -> PatternProblem | None:
    while at < end:
        if at + 2 < end and pattern[at + 1] == "-":
            if pattern[at + 2] < pattern[at]:
                return PatternProblem(at, f"the range `{pattern[at : at + 3]}` is backwards")
            at += 2
        at += 1
    return None
