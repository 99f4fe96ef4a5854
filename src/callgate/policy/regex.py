"""Regular expressions of policies: RE2, linear in the text and bounded in memory. Never Python's `re`."""

from collections.abc import Callable

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


def pattern_problem(pattern: str) -> str | None:
    """Return why `pattern` cannot be used, or None if it can."""
    try:
        _compile(pattern)
    except ValueError as error:
        return str(error)
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
