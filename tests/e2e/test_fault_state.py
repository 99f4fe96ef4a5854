"""A limit store that is locked, broken or gone denies, says so, and works again when the cause is gone."""

import sqlite3
import sys
from pathlib import Path

from tests.support.gate_process import GateProcess, denial

RECORDING = [sys.executable, str(Path(__file__).resolve().parent.parent / "support/recording_server.py")]
POLICY = "default: deny\ntools:\n  echo: {rules: [{rate_limit: {max: 3, window: 1h, scope: identity}}]}\n"


def gate(folder: Path) -> GateProcess:
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    server = [*RECORDING, str(folder / "log.jsonl")]
    return GateProcess(policy, server, "--state", f"sqlite://{folder / 'state.db'}")


def ran(folder: Path) -> int:
    log = folder / "log.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_locked_store_denies_until_it_is_free(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        assert "isError" not in agent.call("echo", request_id=1)["result"]
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert denial(agent.call("echo", request_id=2))["code"] == "DEN030"
        assert ran(tmp_path) == 1
        other.execute("ROLLBACK")
        other.close()
        assert "isError" not in agent.call("echo", request_id=3)["result"]
    assert ran(tmp_path) == 2


def test_a_store_that_is_overwritten_never_opens_the_gate(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        for number in range(3):
            assert "isError" not in agent.call("echo", request_id=number)["result"]
        for path in tmp_path.glob("state.db*"):
            path.write_bytes(b"this is no database " * 1000)
        assert denial(agent.call("echo", request_id=9))["code"] in ("DEN020", "DEN030")
    assert ran(tmp_path) == 3
    with gate(tmp_path) as agent:
        assert agent.receive_line() == b""
        assert agent.wait() == 5
    assert ran(tmp_path) == 3


def test_a_store_that_is_deleted_does_not_open_the_gate_to_more_than_the_limit_a_file(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        assert "isError" not in agent.call("echo", request_id=1)["result"]
        for path in tmp_path.glob("state.db*"):
            path.unlink()
        answers = [agent.call("echo", request_id=number)["result"] for number in range(2, 9)]
        assert sum("isError" not in answer for answer in answers) <= 3
        assert "result" in agent.ask("ping", request_id="ping")
