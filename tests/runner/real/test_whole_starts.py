"""How `callgate runner` begins and ends where nobody talks to it, or where it cannot begin."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from real_runner import CALLGATE, PATIENCE_SECONDS, ROOT, Home

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "file", "version": "1"},
    },
}


def _shell(home: Home, redirected: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command line with its standard streams as a shell redirects them."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=home.environment(),
        cwd=ROOT,
        check=False,
    )


def _without_bubblewrap(home: Home, *words: str) -> list[str]:
    """The runner, where it finds no program at all."""
    empty = home.folder / "empty"
    empty.mkdir(exist_ok=True)
    return ["/usr/bin/env", f"PATH={empty}", *home.runner(*words)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, {})


@pytest.mark.parametrize("redirected", ["</dev/null", "<&-", "</dev/null >&-", "<&- >&- 2>&-"])
def test_where_there_is_no_input_it_ends_well(home: Home, redirected: str) -> None:
    done = _shell(home, redirected, *home.runner())
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_input_may_be_a_file(home: Home) -> None:
    asked = home.folder / "asked.jsonl"
    asked.write_text(json.dumps(HELLO) + "\n")
    done = _shell(home, f"<{asked}", *home.runner())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == 1


@pytest.mark.parametrize("redirected", ["</dev/null", "<&-"])
def test_without_input_it_still_says_why_it_could_not_begin(home: Home, redirected: str) -> None:
    done = _shell(home, redirected, *_without_bubblewrap(home))
    assert done.returncode == 6, done.stderr
    assert "bubblewrap" in done.stderr


def test_over_http_a_start_that_fails_is_one_error_and_nothing_else(home: Home) -> None:
    for words, status in (
        (_without_bubblewrap(home, "--http", "127.0.0.1:0"), 6),
        (home.runner("--http", "127.0.0.1:0", "--journal", "sqlite:/proc/none/of/it"), 5),
    ):
        done = _shell(home, "", *words)
        assert done.returncode == status, done.stderr
        head, help = done.stderr.splitlines()
        assert head.startswith("error[")
        assert "help:" in help


def test_the_gate_before_it_sees_the_status_of_a_start_that_fails(home: Home) -> None:
    (home.folder / "gate.yaml").write_text("default: allow\n")
    command = [*CALLGATE, "run", "-c", str(home.folder / "gate.yaml"), "--", *_without_bubblewrap(home)]
    # An agent that keeps its end open: only the runner's own end can be the reason.
    read, write = os.pipe()
    with subprocess.Popen(
        command,
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=home.environment(),
        cwd=ROOT,
    ) as process:
        os.close(read)
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
        os.close(write)
    assert process.returncode == 6, told
    assert "bubblewrap" in told


def test_packages_that_cannot_be_kept_end_it_with_a_status_that_is_documented(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = Home(tmp_path, {}, runner={"packages": {"profile": "data", "cache": str(tmp_path / "file" / "c")}})
    done = _shell(home, "</dev/null", *home.runner())
    assert done.returncode == 5, done.stderr
    assert "packages.cache" in done.stderr


def test_what_is_odd_in_the_file_is_said_at_the_start(tmp_path: Path) -> None:
    home = Home(tmp_path, {"absent": {"command": ["no-such-program-here"]}})
    done = _shell(home, "</dev/null", *home.runner())
    assert done.returncode == 0, done.stderr
    assert "CFG106" in done.stderr
    assert "no-such-program-here" in done.stderr
    assert "callgate " in done.stderr


def test_the_check_says_what_is_held_and_what_has_to_work(home: Home) -> None:
    done = _shell(home, "", *CALLGATE, "runner", "check")
    assert done.returncode == 0, done.stderr
    _, *walls, last = done.stdout.splitlines()
    words = dict(line.split()[1::-1] for line in walls)
    assert words.pop("work_write") == "allowed"
    assert set(words.values()) == {"held"}
    assert last == f"all {len(words)} walls hold"


def test_help_names_the_other_commands_and_where_executions_are_kept(home: Home) -> None:
    told = _shell(home, "", *CALLGATE, "runner", "--help").stdout
    for text in ("callgate runner check", "callgate runner worker", "$XDG_STATE_HOME"):
        assert text in told
