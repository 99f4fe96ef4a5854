"""The plain reader of `callgate run`'s options never reads a line otherwise than the full parser does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callgate.cli.run as run
from callgate.app import server_name
from callgate.cli.parser import parse
from callgate.cli.run_options import OPTIONS, read_plainly
from callgate.errors import UsageError

words = st.sampled_from(
    [
        *(flag for option in OPTIONS for flag in option.flags),
        *(f"{option.flags[-1]}=x" for option in OPTIONS),
        "--",
        "-",
        "",
        "x",
        "full",
        "none",
        "hash",
        "info",
        "--help-me",
        "-cx",
        "--con",
        "npx",
        "-y",
    ]
)


@given(st.lists(words, max_size=9))
def test_what_it_reads_the_full_parser_reads_the_same(line: list[str]) -> None:
    plain = read_plainly(line)
    if plain is None:
        return
    full = vars(parse("run", run, line))
    if full["command"][:1] == ["--"]:
        full["command"] = full["command"][1:]
    assert vars(plain) == full


def test_the_usual_line_needs_no_full_parser() -> None:
    options = read_plainly(["-c", "p.yaml", "--audit=a.jsonl", "--", "npx", "-y", "server", "--", "-c"])
    assert options is not None
    assert (options.config, options.audit, options.audit_sync) == ("p.yaml", "a.jsonl", "full")
    assert options.command == ["npx", "-y", "server", "--", "-c"]


@pytest.mark.parametrize(
    "line",
    [
        ["-c", "p", "--audit-sync", "sometimes", "--", "x"],
        ["-c", "p", "--unknown", "y", "--", "x"],
        ["--audit", "a", "--", "x"],
        ["-c", "p", "--audit"],
    ],
)
def test_mistakes_are_told_by_the_full_parser(line: list[str]) -> None:
    assert read_plainly(line) is None
    with pytest.raises(UsageError):
        parse("run", run, line)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["npx", "-y", "@modelcontextprotocol/server-filesystem", "/some/dir"], "server-filesystem"),
        (["npx", "-y", "@scope/server-git@1.2.3"], "server-git"),
        (["uvx", "mcp-server-git"], "mcp-server-git"),
        (["uv", "run", "mcp-server-time"], "mcp-server-time"),
        (["python3.11", "-m", "mcp_server_git"], "mcp_server_git"),
        (["/usr/bin/python", "/opt/server.py"], "server.py"),
        (["node", "dist/index.js"], "index.js"),
        (["./server"], "server"),
        (["npx"], "npx"),
    ],
)
def test_a_server_is_named_after_what_is_started(command: list[str], name: str) -> None:
    assert server_name(command) == name
