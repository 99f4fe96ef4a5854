"""`callgate audit verify`: exit status, what is printed, in which form."""

import json
from pathlib import Path

import pytest
from audit_samples import calls, chain, decision

from callgate.cli.main import main


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(chain(calls(3))))
    return path


def test_an_intact_file_is_0_and_says_its_head_and_what_is_not_proved(
    audit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", str(audit)]) == 0
    output = capsys.readouterr().out
    assert "intact" in output
    assert f"head {audit.read_bytes()[-67:-3].decode()}" in output
    assert output.count("not proved") == 2


def test_a_finding_is_1_and_names_file_line_and_code(audit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = audit.read_bytes().splitlines(keepends=True)
    audit.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert main(["audit", "verify", str(audit), "--format", "plain"]) == 1
    assert f"{audit}:3: error[AUD102]: 1 record missing before record 4\n" in capsys.readouterr().out


def test_an_unreadable_file_is_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(tmp_path / "missing")]) == 5
    assert main(["audit", "verify", str(tmp_path)]) == 5
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error[AUD010]") == 2


def test_a_noted_hash_proves_the_end_or_finds_the_cut(
    audit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = audit.read_bytes().splitlines(keepends=True)
    head = lines[-1][-67:-3].decode()
    assert main(["audit", "verify", str(audit), "--head", head]) == 0
    assert "not proved" not in capsys.readouterr().out
    audit.write_bytes(b"".join(lines[:-1]))
    assert main(["audit", "verify", str(audit), "--head", head]) == 1
    assert "AUD108" in capsys.readouterr().out


def test_a_head_that_is_no_hash_is_2(audit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(audit), "--head", "abc"]) == 2
    assert "error[AUD009]" in capsys.readouterr().err


def test_json_says_the_same(audit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(audit), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["intact"], report["records"]) == ("callgate/audit-verify@1", True, 7)
    audit.write_bytes(b"nonsense\n" + audit.read_bytes())
    assert main(["audit", "verify", str(audit), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in report["findings"]] == ["AUD106", "AUD105", "AUD104"]


def test_text_of_the_file_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\x1b[31m.jsonl"
    line = chain([decision()])[1].replace(b"2026-03-01T", "\x9b31m\u202e".encode())
    path.write_bytes(chain([])[0] + line)
    assert main(["audit", "verify", str(path)]) == 1
    output = capsys.readouterr().out
    assert all(text.isprintable() for text in output.splitlines())
    assert "\\x9b31m" in output
