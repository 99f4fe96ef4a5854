"""What `callgate serve` exits with when it cannot begin: 2 for its command line, 3 for its files."""

from pathlib import Path

import pytest
from tests.support.serve_process import ServeProcess

SERVERS = {"docs": {"url": "http://127.0.0.1:9/mcp"}}


def ended(folder: Path, *options: str, **settings: object) -> tuple[int, str]:
    """The exit status and what was said on stderr."""
    gate = ServeProcess(
        folder, SERVERS, *options, settings={"state": "memory://", **settings}, log_format=None, wait=False
    )
    with gate:
        status = gate.process.wait(60)
    return status, gate.stderr


def test_a_session_secret_that_is_too_short_is_told_with_its_file_and_help(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    status, said = ended(tmp_path, sessions={"secret": {"file": "secret"}})
    assert status == 3, said
    assert "error[CFG051]" in said
    assert str(tmp_path / "callgate.yaml") in said
    assert "openssl rand" in said


@pytest.mark.parametrize("written", [None, "no certificate"])
def test_bad_tls_files_are_the_fault_of_whoever_named_them(tmp_path: Path, written: str | None) -> None:
    names = [str(tmp_path / name) for name in ("tls.crt", "tls.key")]
    for name in names if written else ():
        Path(name).write_text(written or "")
    code = "HTTP031" if written else "HTTP030"
    listen = {"tls": {"cert": names[0], "key": names[1]}}
    status, said = ended(tmp_path, listen=listen)
    assert (status, f"error[{code}]" in said) == (3, True), said
    status, said = ended(tmp_path, "--tls-cert", names[0], "--tls-key", names[1])
    assert (status, f"error[{code}]" in said) == (2, True), said


def test_a_certificate_without_its_key_is_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    status, said = ended(tmp_path, "--tls-cert", "tls.crt")
    assert status == 2, said
    assert "`--tls-key` is missing" in said
