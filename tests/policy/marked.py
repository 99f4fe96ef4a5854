"""Policies with their mistakes marked, and what is found in them."""

from tests.support.marks import unmark

from callgate.diagnostics import Diagnostic
from callgate.errors import PolicyError
from callgate.policy.load import load_policy
from callgate.policy.model import Document


def load(text: str) -> Document:
    """Load a policy that must be valid."""
    return load_policy(text.encode(), "policy.yaml")


def findings(text: str | bytes) -> tuple[Diagnostic, ...]:
    """Return everything that is found in a file, valid or not."""
    try:
        return load_policy(text if isinstance(text, bytes) else text.encode(), "policy.yaml").warnings
    except PolicyError as error:
        return error.diagnostics


def expect(marked: str, *wanted: str) -> None:
    """Assert that exactly the marked places are found, in order, each with a code and words of its message.

    Each of `wanted` is `CODE words`, or `CODE words | words of the help`.
    """
    text, places = unmark(marked)
    found = findings(text)
    told = "\n".join(f"{each.code} {each.source} {each.message} | {each.help}" for each in found)
    assert [
        (each.source.line, each.source.column, each.source.length) for each in found if each.source
    ] == places, told
    assert len(found) == len(wanted), told
    for each, want in zip(found, wanted, strict=True):
        message, _, help = want.partition(" | ")
        code, _, words = message.partition(" ")
        assert each.code == code, told
        assert words in each.message, told
        assert help in (each.help or ""), told
        assert each.line_text == text.split("\n")[each.source.line - 1] if each.source else True
