"""How the commands that read an audit look, kept as files; exit statuses; what hostile text can do."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded_calls import EVERYTHING, LOOKS, ago, at, callgate, decided, ended, lines, surroundings

from callgate.audit.record import DecisionRecord, EventRecord, OutcomeRecord


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    (folder / "a.jsonl").write_bytes(lines(EVERYTHING))
    evil = "\x1b[2J\u202e\nx\ty\ud800"
    (folder / "evil.jsonl").write_bytes(
        lines(
            [
                EventRecord(at(0), "gate_started", detail=evil, server=evil, policy=evil),
                DecisionRecord(
                    evil,
                    evil,
                    evil,
                    evil,
                    evil,
                    evil,
                    "deny",
                    evil,
                    evil,
                    {evil: evil},
                    evil,
                    evil,
                    evil,
                    parent=evil,
                ),
                decided(evil, at(1), evil, evil),
                OutcomeRecord(evil, at(2), "task", 1.5, task=evil),
                EventRecord(at(3), "store_failed", code=evil, detail=evil),
            ]
        )
    )
    return folder


def data(folder: Path, *words: str) -> Any:
    ended = callgate(folder, *words, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tail", "calls tail a.jsonl"),
        ("tail-denied", "calls tail -n 1 --verdict deny a.jsonl"),
        ("show", "calls show a0-3 a.jsonl"),
        ("show-child", "calls show a0-4 a.jsonl"),
        ("show-none", "calls show nothing a.jsonl"),
        ("stats", "calls stats a.jsonl"),
        ("stats-identity", "calls stats --by identity a.jsonl"),
        ("status", "status a.jsonl"),
    ],
)
@pytest.mark.parametrize("look", ["colour", "no-colour", "plain"])
def test_the_looks_of_calls_are_as_they_were_agreed(folder: Path, name: str, words: str, look: str) -> None:
    """CALLGATE_WRITE_LOOKS=1 writes the files anew, for a person to read the difference."""
    environment = {"colour": {"FORCE_COLOR": "1"}, "no-colour": {"NO_COLOR": "1"}, "plain": {}}[look]
    options = [] if look == "plain" else ["--format", "human"]
    ended = callgate(folder, *words.split(" "), *options, environment=environment)
    shown = f"$ callgate {words}\n{(ended.stdout + ended.stderr).decode()}exit {ended.returncode}\n"
    assert look == "colour" or "\x1b" not in shown
    path = LOOKS / f"{name}.{look}.txt"
    if os.environ.get("CALLGATE_WRITE_LOOKS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text()


@pytest.mark.parametrize("format", ["human", "plain", "json"])
@pytest.mark.parametrize(
    "words",
    ["calls tail", "calls stats", "calls stats --by code", "status", "calls show \x1b[2J\u202e\nx\ty\ufffd"],
)
def test_text_of_a_record_cannot_steer_the_terminal(folder: Path, words: str, format: str) -> None:
    ended = callgate(folder, *words.split(" "), "evil.jsonl", "--format", format)
    assert b"Traceback" not in ended.stderr
    assert ended.stdout
    text = ended.stdout.decode()
    assert all(line.replace("\t", " ").isprintable() for line in text.splitlines())
    assert len(text.splitlines()) < 40


def test_json_says_all_that_was_recorded(folder: Path) -> None:
    tail = data(folder, "calls", "tail", "a.jsonl")
    assert tail["schema"] == "callgate/calls@1"
    assert [call["id"] for call in tail["calls"]] == [f"a0-{n}" for n in range(1, 9)]
    assert [call["verdict"] for call in tail["calls"]] == [
        *("allow", "deny", "error", "error", "error", "deny", "allow", "allow")
    ]
    assert tail["calls"][1]["rule"] == "cap"
    assert tail["calls"][7]["outcome"] is None
    show = data(folder, "calls", "show", "a0-3", "a.jsonl")
    assert show["schema"] == "callgate/call@1"
    assert show["decisions"][0]["arguments"].startswith("sha256:")
    assert [outcome["status"] for outcome in show["outcomes"]] == ["unknown"]
    assert [child["id"] for child in show["children"]] == ["a0-4"]
    assert [call["id"] for call in data(folder, "calls", "show", "a0-4", "a.jsonl")["parents"]] == ["a0-3"]
    stats = data(folder, "calls", "stats", "a.jsonl")
    assert (stats["schema"], stats["calls"], stats["denied"], stats["errors"]) == (
        "callgate/call-stats@1",
        8,
        2,
        3,
    )
    assert stats["without_outcome"] == 1
    assert stats["codes"] == {"DEN005": 1, "DEN020": 1}
    status = data(folder, "status", "a.jsonl")
    assert (status["schema"], status["policies"]["github"]) == ("callgate/status@1", "3f9c1a2")


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("-n 2", ["a0-7", "a0-8"]),
        ("-n 0", []),
        ("--server stripe", ["a0-2", "a0-3"]),
        ("--tool create_issue", ["a0-4", "a0-5"]),
        ("--verdict error --server github -n 1", ["a0-5"]),
        ("--identity bob", ["a0-2"]),
        ("--tool self-test-x", []),
    ],
)
def test_tail_shows_the_last_calls_that_are_asked_for(folder: Path, words: str, ids: list[str]) -> None:
    assert [
        call["id"] for call in data(folder, "calls", "tail", *words.split(" "), "a.jsonl")["calls"]
    ] == ids


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("key:carol", ["k-1"]),
        ("carol", ["k-1", "k-2", "k-3"]),
        ("local", []),
        ("", []),
        ("//idp.example.com|carol", []),
        ("a|b", ["k-4"]),
    ],
)
def test_a_caller_may_be_named_without_what_proves_it(tmp_path: Path, name: str, ids: list[str]) -> None:
    issuer = "jwt:https://idp.example.com|"
    callers = ("key:carol", f"{issuer}carol", "local:carol", f"{issuer}a|b")
    (tmp_path / "a.jsonl").write_bytes(
        lines([decided(f"k-{number}", at(1), identity=one) for number, one in enumerate(callers, 1)])
    )
    shown = data(tmp_path, "calls", "tail", "--identity", name, "a.jsonl")["calls"]
    assert [call["id"] for call in shown] == ids


def test_options_may_stand_between_the_arguments(folder: Path) -> None:
    ended = callgate(folder, "calls", "show", "a0-3", "--format", "human", "a.jsonl")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == callgate(folder, "calls", "show", "a0-3", "a.jsonl", "--format", "human").stdout


def test_the_beginning_of_an_id_is_enough_if_it_begins_no_other(tmp_path: Path) -> None:
    many = [decided(f"c{number}", at(1)) for number in range(9)]
    (tmp_path / "a.jsonl").write_bytes(
        lines(
            [decided("a1", at(1)), decided("a12", at(2)), decided("b77", at(3)), ended("b77", at(4)), *many]
        )
    )
    shown = data(tmp_path, "calls", "show", "b", "a.jsonl")
    assert (shown["decisions"][0]["id"], shown["outcomes"][0]["status"]) == ("b77", "ok")
    assert [one["id"] for one in data(tmp_path, "calls", "show", "a1", "a.jsonl")["decisions"]] == ["a1"]
    for beginning, told in (
        ("a", b"; these begin so: `a1`, `a12`\n"),
        ("c", b"; these begin so: `c0`, `c1`, `c2`, `c3`, `c4`, \xe2\x80\xa6\n"),
        ("", b"in `a.jsonl`\n"),
    ):
        several = callgate(tmp_path, "calls", "show", beginning, "a.jsonl")
        assert (several.returncode, several.stdout) == (1, b"")
        assert several.stderr.endswith(told)


def test_a_pipe_is_read_as_well(folder: Path) -> None:
    audit = (folder / "a.jsonl").read_bytes()
    for words in (("calls", "stats"), ("calls", "tail"), ("calls", "show", "a0-4")):
        ended = callgate(folder, *words, "-", "--format", "json", input=audit)
        assert ended.returncode == 0
        assert json.loads(ended.stdout)["schema"].startswith("callgate/call")


@pytest.mark.parametrize("words", ["calls tail", "calls stats", "calls show a0-1"])
def test_what_is_no_record_is_counted_and_said_and_a_torn_end_is_not(tmp_path: Path, words: str) -> None:
    torn = lines(EVERYTHING)[:-20]
    (tmp_path / "a.jsonl").write_bytes(
        b"nonsense\n" + torn[:400] + b"\n\xff\n" + lines(EVERYTHING) + torn[-300:]
    )
    ended = callgate(tmp_path, *words.split(" "), "a.jsonl")
    assert re.fullmatch(
        rb"warning: \d lines are no records; `callgate audit verify` says more\n", ended.stderr
    )
    (tmp_path / "a.jsonl").write_bytes(torn)
    assert callgate(tmp_path, *words.split(" "), "a.jsonl").stderr == b""


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("calls tail missing.jsonl", 5, b"error[AUD010]"),
        ("calls stats missing.jsonl", 5, b"error[AUD010]"),
        ("calls show x missing.jsonl", 5, b"error[AUD010]"),
        ("status missing.jsonl", 5, b"error[AUD010]"),
        ("calls tail .", 5, b"error[AUD010]"),
        ("calls tail", 2, b"error[USE030]"),
        ("status", 2, b"error[USE030]"),
        ("calls tail -n -1 a.jsonl", 2, b"error[USE002]"),
        ("calls tail --verdict maybe a.jsonl", 2, b"error[USE002]"),
        ("calls stats --since yesterday a.jsonl", 2, b"error[USE031]"),
        ("status --url ftp://x", 2, b"error[USE032]"),
        ("status --url http://127.0.0.1:1 a.jsonl", 2, b"error[USE002]"),
        ("status -", 2, b"error[USE002]"),
        ("calls tail -c missing.yaml", 3, b"error[CFG010]"),
    ],
)
def test_what_cannot_be_answered_has_its_exit_status(
    folder: Path, words: str, status: int, told: bytes
) -> None:
    ended = callgate(folder, *words.split(" "))
    assert (ended.returncode, ended.stdout) == (status, b"")
    assert ended.stderr.startswith(told)


def test_the_configuration_names_the_audit(folder: Path) -> None:
    (folder / "p.yaml").write_text("default: allow\ntools: {}\n")
    (folder / "callgate.yaml").write_text(
        "servers: {git: {command: [/bin/true], policy: p.yaml}}\naudit: a.jsonl\n"
    )
    assert len(data(folder, "calls", "tail", "-c", "callgate.yaml")["calls"]) == 8
    (folder / "none.yaml").write_text("servers: {git: {command: [/bin/true], policy: p.yaml}}\n")
    without = callgate(folder, "calls", "stats", "-c", "none.yaml")
    assert (without.returncode, b"USE030" in without.stderr) == (2, True)


@pytest.mark.parametrize(
    "words", ["calls tail a.jsonl", "calls stats a.jsonl", "calls show a0-1 a.jsonl", "status a.jsonl"]
)
def test_a_reader_of_calls_that_goes_away_is_nobodys_fault(folder: Path, words: str) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "callgate", *words.split(" ")],
        cwd=folder,
        env=surroundings(),
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert ended.stderr == b""


def test_since_counts_only_what_is_young_enough(tmp_path: Path) -> None:
    old = decided("o", ago(7300)), ended("o", ago(7300))
    new = decided("n", ago(60)), ended("n", ago(59))
    (tmp_path / "a.jsonl").write_bytes(lines([*old, *new]))
    assert data(tmp_path, "calls", "stats", "--since", "1h", "a.jsonl")["calls"] == 1
    assert data(tmp_path, "calls", "stats", "--since", "1d", "a.jsonl")["calls"] == 2


def test_the_calls_of_an_execution_are_found_by_its_id(tmp_path: Path) -> None:
    execution = "0f6b1c9e-7a39-4c55-9a52-0c1d8a1f5b11"
    (tmp_path / "a.jsonl").write_bytes(
        lines(
            [
                decided("x-1", at(1), "read", parent=execution),
                ended("x-1", at(2)),
                decided("x-2", at(3), "write"),
                decided("x-3", at(4), "rm", code="DEN001", parent=execution),
            ]
        )
    )
    tail = data(tmp_path, "calls", "tail", "--parent", execution, "a.jsonl")["calls"]
    assert [call["id"] for call in tail] == ["x-1", "x-3"]
    counted = data(tmp_path, "calls", "stats", "--parent", execution, "a.jsonl")
    assert (counted["calls"], counted["denied"]) == (2, 1)
    shown = data(tmp_path, "calls", "show", execution, "a.jsonl")
    assert shown["decisions"] == []
    assert [call["id"] for call in shown["children"]] == ["x-1", "x-3"]
    text = callgate(tmp_path, "calls", "show", execution, "a.jsonl", "--format", "plain").stdout.decode()
    assert f"execution: {execution}" in text
    assert "child: x-3" in text
    assert "none in this file" not in text
    assert f"parent: {execution}" in callgate(tmp_path, "calls", "show", "x-3", "a.jsonl").stdout.decode()
