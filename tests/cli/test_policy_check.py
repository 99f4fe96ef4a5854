"""`callgate policy check`: what a person sees, what a program reads, and what the exit status says."""

import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from callgate.cli.main import main

GOOD = "default: deny\ntools:\n  a: {rules: []}\n  b: {rules: [{rate_limit: 5/s}, {action: deny, when: {args.x: 1}}]}\n"
BAD = """\
tools:
  create_issue:
    rules:
      - name: a
        action: allow

        rate_limt: 5/hour
"""


@pytest.fixture
def good(tmp_path: Path) -> str:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return str(file)


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(BAD)
    return "policy.yaml"


def test_a_good_file_is_ok_in_one_line(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", good]) == 0
    out, err = capsys.readouterr()
    assert out == f"{good}: ok, 2 rules for 2 tools, default deny\n"
    assert err == ""


def test_a_mistake_is_shown_with_its_line_a_caret_and_help(
    bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "check", "--format", "human", bad]) == 3
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        "error[POL001]: unknown key `rate_limt` in a rule of `create_issue`\n"
        "  --> policy.yaml:7:9\n"
        "   |\n"
        " 7 |         rate_limt: 5/hour\n"
        "   |         ^^^^^^^^^\n"
        "   = help: did you mean `rate_limit`?\n"
        "1 error\n"
    )


def test_plain_is_one_line_for_each_finding_and_the_look_off_a_terminal(
    bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "check", bad]) == 3
    assert capsys.readouterr().out == (
        "policy.yaml:7:9: error POL001: unknown key `rate_limt` in a rule of `create_issue` "
        "(help: did you mean `rate_limit`?)\n"
    )


def test_colour_is_added_only_when_asked_for(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", "--color", "always", "--format", "human", bad]) == 3
    coloured = capsys.readouterr().out
    assert "\x1b[31;1merror[POL001]\x1b[0m" in coloured
    assert main(["policy", "check", "--color", "never", "--format", "human", bad]) == 3
    assert "\x1b" not in capsys.readouterr().out


def test_json_names_every_file_and_finding(good: str, bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", "--format", "json", good, bad]) == 3
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert err == ""
    assert data["schema"] == "callgate/diagnostics@1"
    assert [(file["file"], file["valid"], file["form"]) for file in data["files"]] == [
        (good, True, "native"),
        (bad, False, None),
    ]
    assert data["diagnostics"] == [
        {
            "severity": "error",
            "code": "POL001",
            "message": "unknown key `rate_limt` in a rule of `create_issue`",
            "file": "policy.yaml",
            "line": 7,
            "column": 9,
            "length": 9,
            "help": "did you mean `rate_limit`?",
        }
    ]


def test_one_bad_file_among_good_ones_fails_and_all_are_told(
    good: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "check", bad, good]) == 3
    out, err = capsys.readouterr()
    assert f"{good}: ok" in out
    assert "POL001" in out
    assert err == ""


def test_warnings_do_not_fail_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "warned.yaml"
    file.write_text("default: deny\n")
    assert main(["policy", "check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("ok, 0 rules for 0 tools, default deny\n")
    assert "warning POL110" in out
    assert err == ""


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert main(["policy", "check", "-"]) == 0
    assert capsys.readouterr().out == "stdin: ok, 2 rules for 2 tools, default deny\n"


def test_stdin_has_one_name_in_the_answer_and_in_its_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"default: deny\n")))
    main(["policy", "check", "--format", "json", "-"])
    data = json.loads(capsys.readouterr().out)
    assert (data["files"][0]["file"], data["diagnostics"][0]["file"]) == ("stdin", "stdin")


def test_findings_leave_stdout_to_the_normalized_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "warned.yaml"
    file.write_text("default: deny\n")
    assert main(["policy", "check", "--normalized", str(file)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["default"] == "deny"
    assert "POL110" in err


def test_stdin_cannot_be_read_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", "-", "-"]) == 2
    assert "error[USE003]" in capsys.readouterr().err


def test_a_missing_file_and_a_directory_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "check", str(tmp_path / "none.yaml"), str(tmp_path)]) == 3
    first, second = capsys.readouterr().out.splitlines()
    assert "POL010" in first
    assert "no such file" in first
    assert "is a directory" in second


def test_a_file_that_is_too_large_is_not_read_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 33)
    assert main(["policy", "check", str(file)]) == 3
    assert "POL011" in capsys.readouterr().out


def test_hostile_text_in_a_file_is_escaped_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_text('tools: {t: {rules: [{"a\\e[2J\\u202e": 1}]}} # \u202e\n')
    assert main(["policy", "check", "--format", "human", str(file)]) == 3
    shown = capsys.readouterr().out
    assert "`a\\x1b[2J\\u202e`" in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_a_very_long_line_is_cut_around_its_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "long.yaml"
    file.write_text("hide: [" + "a, " * 1000 + "'', b" + ", c" * 1000 + "]\n")
    main(["policy", "check", "--format", "human", str(file)])
    lines = capsys.readouterr().out.splitlines()
    number = next(index for index, line in enumerate(lines) if line.startswith("error[POL005]"))
    excerpt, caret = lines[number + 3], lines[number + 4]
    assert len(excerpt) < 180
    assert excerpt[caret.index("^") :].startswith("''")


def test_the_caret_stands_under_wide_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wide.yaml"
    file.write_text("tools: {中文: {rulez: []}}\n")
    main(["policy", "check", "--format", "human", str(file)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == " 1 | tools: {中文: {rulez: []}}"
    assert lines[4] == "   | " + " " * 15 + "^^^^^"


def test_the_normalized_form_is_exact_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "tools: {t: {rules: [{rate_limit: {max: 0.30, window: 0.5, cost: args.a}}, "
        "{action: deny, when: {args.n: 123456789012345678901234567890.10}}]}}"
    )
    assert main(["policy", "check", "--normalized", str(file)]) == 0
    data = json.loads(capsys.readouterr().out, parse_float=Decimal)
    limited, denied = data["tools"][0]["rules"]
    assert data["schema"] == "callgate/policy@1"
    assert limited == {
        "action": "allow",
        "rate_limit": [
            {"max": Decimal("0.3"), "window": Decimal("0.5"), "scope": "session", "cost": "args.a"}
        ],
    }
    assert str(denied["when"][0]["value"]) == "123456789012345678901234567890.1"


def test_the_schema_command_prints_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "http://json-schema.org/draft-07/schema#"
