"""What a person sees on a terminal cannot be steered by text that somebody else wrote."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.cli.console import color_wanted, escape, paint, print_error
from callgate.errors import PolicyError, UsageError
from callgate.policy.load import load_policy


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc\x00", "a\\x0d\\x0ab\\x09c\\x00"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u200b\ufeff\xa0", "\\u200b\\ufeff\\xa0"),
    ],
)
def test_hostile_characters_become_visible(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


@pytest.mark.parametrize("text", ["plain text", "naïve, 中文, Ελληνικά", "😀", "C:\\dir", ""])
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@given(st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])))
def test_escaped_text_is_always_one_printable_encodable_line(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert escape(shown) == shown


def test_the_color_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not color_wanted(_Terminal(), "never")
    monkeypatch.setenv("NO_COLOR", "1")
    assert color_wanted(io.StringIO(), "always")


def test_force_color_wins_over_no_color_and_over_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert color_wanted(io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert not color_wanted(_Terminal())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_color_and_dumb_terminals_get_no_colour(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert color_wanted(_Terminal())
    monkeypatch.setenv(name, value)
    assert not color_wanted(_Terminal())


def test_a_pipe_and_a_closed_stream_get_no_colour() -> None:
    closed = io.StringIO()
    closed.close()
    assert not color_wanted(io.StringIO())
    assert not color_wanted(closed)


def test_paint_adds_codes_only_when_on() -> None:
    assert paint("deny", "red", "bold", on=True) == "\x1b[31;1mdeny\x1b[0m"
    assert paint("deny", "red", "bold", on=False) == "deny"


def test_an_error_is_told_with_its_code_and_help_and_cannot_carry_escapes() -> None:
    stream = io.StringIO()
    print_error(UsageError("USE001", "unknown command `\x1b[31mx`", help="try `callgate --help`"), stream)
    assert stream.getvalue() == (
        "error[USE001]: unknown command `\\x1b[31mx`\n  = help: try `callgate --help`\n"
    )


def test_an_invalid_policy_is_told_with_all_that_was_found() -> None:
    stream = io.StringIO()
    with pytest.raises(PolicyError) as caught:
        load_policy(b"defalt: deny\nhide: 5\n", "policy.yaml")
    print_error(caught.value, stream)
    assert stream.getvalue() == (
        "error[POL001]: unknown key `defalt` at the top of the file\n"
        "  --> policy.yaml:1:1\n"
        "   |\n"
        " 1 | defalt: deny\n"
        "   | ^^^^^^\n"
        "   = help: did you mean `default`?\n"
        "error[POL002]: `hide` must be a list, found a number (`5`)\n"
        "  --> policy.yaml:2:7\n"
        "   |\n"
        " 2 | hide: 5\n"
        "   |       ^\n"
        "2 errors\n"
    )
