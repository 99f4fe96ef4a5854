"""The command line as people and scripts meet it: help, exit statuses, suggestions, and both looks kept as files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from callgate.audit.jsonl import JsonlAudit
from callgate.audit.record import EventRecord
from callgate.cli.main import COMMANDS
from callgate.clock import ManualClock

LOOKS = Path(__file__).parent / "looks"

GOOD = """\
hide: [secret]
tools:
  pay:
    rules:
      - name: cap
        when: {args.currency: usd}
        rate_limit: {max: 100.00, window: 1d, cost: args.amount}
        validate: {args: {amount: {type: number, maximum: 50}}}
      - {name: hourly, rate_limit: 5/hour}
"""
BAD = """\
tools:
  pay:
    rules:
      - rate_limt: 5/hour
        action: alow
  "p\\x1b[31may":
    rules: no
"""
GATE = """\
servers:
  pay: {command: [sh], policy: good.yaml}
on_state_failure: allow
"""
BAD_GATE = """\
listen: {host: 0.0.0.0}
servers:
  pay:
    comand: [pay-server]
    policy: bad.yaml
  "p\\x1b[31may":
    url: http://docs.example.com/mcp
    policy: none.yaml
    headers: {Authorization: Bearer 3f9c1a2b}
"""


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`callgate` in `folder`, with nothing of the caller's environment that colours could come from."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "callgate", *words],
        cwd=folder,
        env={**kept, "XDG_STATE_HOME": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that is good, one that is not, an audit that is whole and one that was changed."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "good.yaml").write_text(GOOD)
    (folder / "bad.yaml").write_text(BAD)
    (folder / "gate.yaml").write_text(GATE)
    (folder / "badgate.yaml").write_text(BAD_GATE)
    audit = JsonlAudit(str(folder / "whole.jsonl"), sync="none", clock=ManualClock())
    for number in range(3):
        audit.append([EventRecord(time=f"2026-11-01T00:00:0{number}.000Z", event="gate_started", detail="x")])
    audit.close()
    lines = (folder / "whole.jsonl").read_text().splitlines(keepends=True)
    (folder / "changed.jsonl").write_text(lines[0] + lines[1].replace('"x"', '"y"') + lines[2] + lines[3])
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(folder: Path, command: str) -> None:
    ended = run(folder, *command.split(" "), "--help")
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert f"usage: callgate {command}" in ended.stdout
    assert "examples:\n  callgate " in ended.stdout


def test_help_and_version_are_data(folder: Path) -> None:
    overview = run(folder, "--help")
    assert (overview.returncode, overview.stderr) == (0, "")
    assert all(f"callgate {command}" in overview.stdout for command in COMMANDS)
    assert re.fullmatch(r"callgate \d+\.\d+\.\d+\S*\n", run(folder, "--version").stdout)


@pytest.mark.parametrize(
    ("words", "meant"),
    [("polcy chek", "policy check"), ("polcy", "policy"), ("rnu", "run"), ("audit verfy", "audit verify")],
)
def test_a_mistyped_command_is_told_what_it_may_have_meant(folder: Path, words: str, meant: str) -> None:
    ended = run(folder, *words.split(" "))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert f"did you mean `callgate {meant}`?" in ended.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("policy check good.yaml", 0),
        ("policy explain -c good.yaml secret", 1),
        ("audit verify changed.jsonl", 1),
        ("", 2),
        ("run", 2),
        ("run -c good.yaml", 2),
        ("run -c good.yaml --no-such-option -- true", 2),
        ("run -c good.yaml --audit-sync maybe -- true", 2),
        ("policy check", 2),
        ("policy explain -c good.yaml pay {", 2),
        ("policy check bad.yaml", 3),
        ("policy explain -c bad.yaml pay {}", 3),
        ("run -c bad.yaml -- true", 3),
        ("config check gate.yaml", 0),
        ("config check badgate.yaml", 3),
        ("config check none.yaml", 3),
        ("run -c none.yaml -- true", 3),
        ("run -c good.yaml -- ./no-such-server", 4),
        ("run -c good.yaml --audit no/such/folder/a.jsonl -- true", 5),
        ("run -c good.yaml --session s --state sqlite:///dev/null/x -- true", 5),
        ("audit verify none.jsonl", 5),
        ("run -c good.yaml -- sh -c exit\x0023", 23),
    ],
)
def test_the_exit_status_says_what_kind_of_answer_it_is(folder: Path, words: str, status: int) -> None:
    ended = run(folder, *(word.replace("\0", " ") for word in words.split(" ") if word))
    assert ended.returncode == status, ended.stderr
    if status in (2, 3, 4, 5):
        assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("check-good", "policy check good.yaml"),
        ("check-bad", "policy check bad.yaml"),
        ("explain-allow", 'policy explain -c good.yaml pay {"amount":10,"currency":"usd"}'),
        ("explain-deny", 'policy explain -c good.yaml pay {"amount":90,"currency":"usd"}'),
        ("explain-hidden", "policy explain -c good.yaml secret {}"),
        ("config-good", "config check gate.yaml"),
        ("config-bad", "config check badgate.yaml"),
        ("verify-whole", "audit verify whole.jsonl"),
        ("verify-changed", "audit verify changed.jsonl"),
    ],
)
@pytest.mark.parametrize("look", ["colour", "no-colour", "plain"])
def test_the_looks_are_as_they_were_agreed(folder: Path, name: str, words: str, look: str) -> None:
    """CALLGATE_WRITE_LOOKS=1 writes the files anew, for a person to read the difference."""
    environment = {"colour": {"FORCE_COLOR": "1"}, "no-colour": {"NO_COLOR": "1"}, "plain": {}}[look]
    options = [] if look == "plain" else ["--format", "human"]
    ended = run(folder, *words.split(" "), *options, **environment)
    shown = f"$ callgate {words}\n{ended.stdout}{ended.stderr}exit {ended.returncode}\n"
    shown = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", shown)
    assert look == "colour" or "\x1b" not in shown
    path = LOOKS / f"{name}.{look}.txt"
    if os.environ.get("CALLGATE_WRITE_LOOKS"):
        path.write_text(shown)
    assert shown == path.read_text()


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "policy schema",
        "config schema",
        "policy check good.yaml",
        "policy explain -c good.yaml pay {}",
        "audit verify whole.jsonl",
    ],
)
def test_a_reader_that_goes_away_is_nobodys_fault(folder: Path, words: str) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "callgate", *words.split(" ")],
        cwd=folder,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert ended.stderr == b""
    assert ended.returncode in (0, 1)
