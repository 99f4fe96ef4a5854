"""`callgate config check` and `callgate config schema`: what a person sees, a program reads, and the exit status."""

import io
import json
import sys
from pathlib import Path

import pytest

from callgate.cli.main import main
from callgate.config.schema import config_schema

GOOD = "servers: {git: {command: [sh], policy: git.yaml}}\n"
BAD = "servers:\n  git: {comand: [a], policy: git.yaml}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("git.yaml").write_text("tools: {a: {rules: []}}\n")
    Path("callgate.yaml").write_text(GOOD)
    Path("bad.yaml").write_text(BAD)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main(["config", "check", *words])
    out, err = capsys.readouterr()
    assert err == ""
    return status, out


def test_a_good_file_is_ok_in_one_line_that_says_where_it_listens(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = (0, "callgate.yaml: ok, 1 server at http://127.0.0.1:8722\n")
    assert check(capsys, "callgate.yaml") == wanted
    assert check(capsys) == wanted
    assert check(capsys, "-c", "callgate.yaml") == wanted


def test_a_mistake_is_shown_with_its_line_a_caret_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = check(capsys, "--format", "human", "bad.yaml")
    assert status == 3
    assert out.endswith(
        "error[CFG001]: unknown key `comand` in server `git`\n"
        "  --> bad.yaml:2:9\n"
        "   |\n"
        " 2 |   git: {comand: [a], policy: git.yaml}\n"
        "   |         ^^^^^^\n"
        "   = help: did you mean `command`?\n"
        "2 errors\n"
    )


def test_what_is_wrong_with_a_policy_is_told_under_its_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    Path("git.yaml").write_text("tols: {}\n")
    status, out = check(capsys, "callgate.yaml")
    assert status == 3
    assert out.startswith("git.yaml:1:1: error POL001: unknown key `tols`")


def test_json_names_every_file_and_finding(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = check(capsys, "--format", "json", "callgate.yaml", "bad.yaml")
    data = json.loads(out)
    assert status == 3
    assert data["schema"] == "callgate/diagnostics@1"
    assert [(file["file"], file["valid"], file["servers"]) for file in data["files"]] == [
        ("callgate.yaml", True, ["git"]),
        ("bad.yaml", False, None),
    ]
    assert [(each["code"], each["line"]) for each in data["diagnostics"]] == [("CFG030", 2), ("CFG001", 2)]


def test_warnings_do_not_fail_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("callgate.yaml").write_text(f"{GOOD}on_state_failure: allow\n")
    Path("git.yaml").write_text("default: deny\n")
    status, out = check(capsys)
    assert status == 0
    assert "CFG103" in out
    assert "POL110" in out
    assert out.endswith("ok, 1 server at http://127.0.0.1:8722\n")


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        ("command: [mcp-none]", "there is no program `mcp-none` on the PATH here"),
        ("command: [sh], env: {PATH: /none}", "there is no program `sh` on the PATH here"),
        ("command: [./mcp-none]", "/mcp-none` that can be run here"),
        ("command: [./git.yaml]", "/git.yaml` that can be run here"),
        ("command: [sh], env: {PATH: {env: ELSEWHERE}}", None),
        ("command: [./server]", None),
    ],
)
def test_a_program_that_is_not_here_is_a_warning(
    capsys: pytest.CaptureFixture[str], server: str, wanted: str | None
) -> None:
    Path("server").touch(mode=0o700)
    Path("callgate.yaml").write_text(f"servers: {{git: {{{server}, policy: git.yaml}}}}\n")
    status, out = check(capsys)
    assert status == 0
    assert ("CFG106" in out) is (wanted is not None)
    if wanted:
        assert "server `git` of `callgate.yaml`" in out
        assert wanted in out


def test_the_file_can_come_from_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    status, out = check(capsys, "-")
    assert status == 3
    assert "stdin:2:9: error CFG001" in out
    assert main(["config", "check", "-", "-"]) == 2


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(config_schema()))
