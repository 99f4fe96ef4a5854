"""Regular expressions of policies: RE2, linear in the text and bounded in memory. Never Python's `re`."""

from collections.abc import Callable

from callgate.text import quote

MAX_MEMORY = 4 << 20
"""Bytes that one compiled expression may take."""


def compile_search(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether `pattern` is found anywhere in a text.

    The library is loaded by the first search. Searching raises UnicodeEncodeError for a text with lone
    surrogates, and ValueError (always) if the pattern is not valid RE2 syntax or too large.
    """
    compiled: Callable[[bytes], object] | None = None

    def search(text: str) -> bool:
        nonlocal compiled
        if compiled is None:
            compiled = _compile(pattern)
        return compiled(text.encode()) is not None

    return search


_ABSENT_FROM_RE2 = {
    **dict.fromkeys(("(?=", "(?!", "(?<=", "(?<!"), "look-around"),
    **dict.fromkeys(("\\k", *(f"\\{digit}" for digit in range(1, 10))), "back-references"),
    "(?>": "atomic groups",
}
"""What the library stops at, and what that would be in other dialects."""


def pattern_problem(pattern: str) -> str | None:
    """Return why `pattern` cannot be used, fit to show, or None if it can."""
    try:
        _compile(pattern)
    except ValueError as error:
        message = str(error)
        what, _, where = message.partition(": ")
        absent = "back-references" if where == "(?P" and "(?P=" in pattern else _ABSENT_FROM_RE2.get(where)
        if absent is not None:
            return f"RE2 has no {absent} ({quote(where)})"
        if what in ("invalid perl operator", "invalid escape sequence"):
            return f"RE2 does not know {quote(where, 40)}"
        return quote(message, 120)[1:-1]
    return None


def _compile(pattern: str) -> Callable[[bytes], object]:
    import re2

    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.never_capture = True
    try:
        search: Callable[[bytes], object] = re2.compile(pattern.encode(), options).search
    except re2.error as error:
        detail = error.args[0] if error.args else b""
        raise ValueError(
            detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        ) from None
    return search
