"""The plain reader of `callgate run`'s options never reads a line otherwise than the full parser does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callgate.cli.run as run
from callgate.cli.parser import parse
from callgate.cli.run_options import OPTIONS, read_plainly
from callgate.errors import UsageError
from callgate.servername import server_name

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
    assert vars(plain) == vars(parse("run", run, line))


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
        (["node", "/opt/server-memory/dist/index.js"], "server-memory"),
        (["python", "-m", "mypackage.server"], "mypackage.server"),
        (["env", "X=1", "A=b", "mcp-server-git"], "mcp-server-git"),
        (["env", "-i", "MEMORY_FILE_PATH=/tmp/mem.json", "mcp-server-memory"], "mcp-server-memory"),
        (["timeout", "10", "uvx", "mcp-server-git"], "mcp-server-git"),
        (["npx", "--no-install", "mcp-server-filesystem", "/dir"], "mcp-server-filesystem"),
        (["/usr/local/lib/node_modules/@scope/server-x/bin/cli.mjs"], "server-x"),
        (["python3", "-c", "import os; os.abort()"], "python3"),
        (["/bin/sh", "-c", "exit 7"], "sh"),
        (["bash", "-lc", "uvx mcp-server-git"], "bash"),
        (["bash", "/opt/tools/start-git"], "start-git"),
        ([], "server"),
        (["./server"], "server"),
        (["npx"], "npx"),
    ],
)
def test_a_server_is_named_after_what_is_started(command: list[str], name: str) -> None:
    assert server_name(command) == name


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--audti", "x", "-c", "y", "--", "z"], "did you mean `--audit`"),
        (["-c", "y", "npx", "z"], "behind `--`"),
    ],
)
def test_a_slip_is_named_and_not_its_consequence(line: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse("run", run, line)
    assert said in (error.value.help or "")
