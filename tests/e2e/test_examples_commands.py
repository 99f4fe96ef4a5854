"""Every command line of callgate that a page or an example shows is one that the real parser takes."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest
from example_files import EXAMPLES, ROOT, callgate

from callgate.cli.main import COMMANDS
from callgate.cli.parser import parse
from callgate.errors import UsageError

PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md"), *EXAMPLES.rglob("*.md")}
    | {*EXAMPLES.rglob("*.service"), *EXAMPLES.rglob("*.yaml"), *EXAMPLES.rglob("Containerfile")}
    | {EXAMPLES / "compose/make-secrets"}
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
SPAN = re.compile(r"`(callgate [^`]+)`")
LINE = re.compile(r"(?:^|[\s/}])callgate (?=[a-z-])(.*?)(?=\s{2,}|$)", re.M)
# What stands for something else in a text, and for what.
STAND_INS = {"N": "1", "…": "1"}


def parsed(words: list[str]) -> argparse.Namespace:
    """What the parser makes of the words behind `callgate`. Raises UsageError, KeyError for an unknown command."""
    name = next((found for found in (" ".join(words[:2]), words[0]) if found in COMMANDS), " ".join(words))
    options = parse(name, importlib.import_module(COMMANDS[name]), words[len(name.split()) :])
    return argparse.Namespace() if options is None else options


def mistake(words: list[str]) -> str:
    """What the parser has against the words behind `callgate`."""
    try:
        parsed(words)
    except UsageError as error:
        return str(error)
    return ""


def words_of(text: str) -> list[str]:
    """The words of a command line up to what is the shell's."""
    reader = shlex.shlex(text, posix=True, punctuation_chars="|&;<>()")
    reader.whitespace_split = True
    words = []
    for word in reader:
        if set(word) <= set("|&;<>()"):
            break
        words.append(STAND_INS.get(word, word))
    return words


def shown_whole(page: Path) -> list[str]:
    """The command lines that stand on lines of their own: these can be copied."""
    text = page.read_text()
    blocks = (
        [block for kind, block in FENCE.findall(text) if kind != "json"] if page.suffix == ".md" else [text]
    )
    return [
        found
        for block in blocks
        for found in LINE.findall(block.replace("\\\n", " "))
        if found.split()[0] in {name.split()[0] for name in COMMANDS} and page.suffix != ".yaml"
    ]


def test_every_command_line_that_can_be_copied_is_taken_as_it_stands() -> None:
    for page in PAGES:
        for line in shown_whole(page):
            words = words_of(line)
            if line.rstrip().endswith("…"):
                assert [name for name in COMMANDS if name.startswith(f"{words[0]} ")], line
                continue
            wrong = mistake(words)
            # The overview in the README names commands without saying more.
            bare = "required" in wrong and " ".join(words) in COMMANDS
            assert bare or not wrong, f"{page}: {line}: {wrong}"


def test_every_command_that_a_sentence_names_has_the_options_that_are_named() -> None:
    for page in PAGES:
        spans = SPAN.findall(page.read_text().replace("\n", " ")) if page.suffix == ".md" else []
        for span in spans:
            words = words_of(re.sub(r"[\[\]]", "", span).removeprefix("callgate "))
            if span.endswith("…") and [name for name in COMMANDS if name.startswith(f"{words[0]} ")]:
                continue
            if words in (["--version"], ["--help"], ["COMMAND", "--help"]):
                continue
            wrong = mistake(words)
            unfinished = re.search(r"required|expected one argument", wrong)
            assert unfinished or not wrong, f"{page}: {span}: {wrong}"


def test_enough_command_lines_are_found() -> None:
    found = [line for page in PAGES for line in shown_whole(page)]
    assert len(found) > 10, found
    assert {line.split()[0] for line in found} == {name.split()[0] for name in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_that_help_shows_is_taken_as_it_stands(command: str) -> None:
    lines = LINE.findall(importlib.import_module(COMMANDS[command]).EXAMPLES)
    assert any(line.startswith(command) for line in lines)
    for line in lines:
        parsed(words_of(line))


@pytest.mark.parametrize(
    "file",
    sorted({*EXAMPLES.rglob("*.yaml")}),
    ids=lambda path: str(path.relative_to(EXAMPLES)),
)
def test_every_policy_and_every_configuration_of_the_examples_is_valid(file: Path) -> None:
    head = file.read_text()
    if file.name == "callgate.yaml":
        checked = callgate("config", "check", file)
        # Of what is not there, only what the machine of the example has.
        missing = re.findall(r"warning (CFG\d+): (.*)", checked.stdout + checked.stderr)
        assert all(
            code in ("CFG105", "CFG106") and re.search("`/(run|var|usr)/", text) for code, text in missing
        ), missing
    elif re.search(r"^(tools|default|hide):", head, re.M):
        checked = callgate("policy", "check", file)
        assert "warning" not in checked.stdout + checked.stderr
    else:
        assert re.search(r"^(apiVersion|services):", head, re.M), "a file that no test looks at"
        return
    assert checked.returncode == 0, checked.stdout + checked.stderr
