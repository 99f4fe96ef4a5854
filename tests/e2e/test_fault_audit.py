"""While the audit cannot be written nothing is forwarded; when it can be again, nothing has to be restarted."""

import os
import resource
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gate_process import GateProcess, denial
from tests.support.small_disk import small_disk

RECORDING = [sys.executable, str(Path(__file__).resolve().parent.parent / "support/recording_server.py")]
POLICY = "default: deny\ntools:\n  echo: {rules: [{rate_limit: 60/hour}]}\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    with small_disk(tmp_path / "small", "64k") as folder:
        yield folder


def gate(folder: Path, audit: Path, *options: str) -> GateProcess:
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    return GateProcess(policy, [*RECORDING, str(folder / "log.jsonl")], "--audit", str(audit), *options)


def ran(folder: Path) -> int:
    log = folder / "log.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


def verifies(path: Path) -> bool:
    command = [sys.executable, "-m", "callgate", "audit", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done.returncode == 0


def fill(folder: Path) -> Path:
    """Use up the space."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return filler


def wake_ups(gate: GateProcess) -> int:
    """How often the gate has gone to sleep."""
    status = Path(f"/proc/{gate.process.pid}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def test_a_full_disk_denies_every_call_until_there_is_room_again(tmp_path: Path, disk: Path) -> None:
    audit = disk / "audit.jsonl"
    with gate(tmp_path, audit) as agent:
        agent.initialize()
        assert agent.call("echo", request_id=1)["result"]["content"]
        filler = fill(disk)
        # The rest of the last block holds a few records more.
        allowed = 1
        while "isError" not in (answer := agent.call("echo", request_id=f"a{allowed}"))["result"]:
            allowed += 1
        assert denial(answer)["code"] == "DEN031"
        for number in range(5):
            assert denial(agent.call("echo", request_id=f"b{number}"))["code"] == "DEN031"
        assert ran(tmp_path) == allowed < 30
        assert "result" in agent.ask("ping", request_id="ping")
        filler.unlink()
        # What was refused for want of an audit has spent nothing of the limit.
        for number in range(allowed, 60):
            assert "isError" not in agent.call("echo", request_id=f"c{number}")["result"]
        assert denial(agent.call("echo", request_id="last"))["code"] == "DEN020"
        assert ran(tmp_path) == 60
    assert verifies(audit)
    assert "records_not_written" in audit.read_text()


def test_an_outcome_that_cannot_be_written_does_not_keep_the_gate_busy(tmp_path: Path) -> None:
    policy, running, go = tmp_path / "policy.yaml", tmp_path / "running", tmp_path / "go"
    policy.write_text(POLICY)
    os.mkfifo(go)
    code = f"import sys\nsys.stdin.readline()\nopen({str(running)!r}, 'w')\nopen({str(go)!r})\n"
    code += 'print(\'{"jsonrpc":"2.0","id":1,"result":{}}\', flush=True)\nsys.stdin.read()'
    audit = tmp_path / "audit.jsonl"
    with GateProcess(policy, [sys.executable, "-c", code], "--audit", str(audit)) as agent:
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}})
        while not running.exists():
            select.select([], [], [], 0.005)
        # The file cannot grow any more.
        resource.prlimit(
            agent.process.pid, resource.RLIMIT_FSIZE, (audit.stat().st_size, resource.RLIM_INFINITY)
        )
        go.write_text("")
        agent.answer_to(1)
        assert denial(agent.call("echo", request_id=2))["code"] == "DEN031"
        before = wake_ups(agent)
        select.select([], [], [], 0.5)
        assert wake_ups(agent) - before < 50


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_an_audit_file_that_goes_away_is_begun_anew(tmp_path: Path, how: str) -> None:
    audit, old = tmp_path / "audit.jsonl", tmp_path / "old.jsonl"
    with gate(tmp_path, audit) as agent:
        agent.initialize()
        assert agent.call("echo")["result"]["content"]
        audit.rename(old)
        if how == "deleted":
            old.unlink()
        number = 0
        while not audit.exists():
            number += 1
            assert agent.call("echo", request_id=f"n{number}")["result"]["content"]
            select.select([], [], [], 0.02)
    assert verifies(audit)
    assert how == "deleted" or verifies(old)


def test_an_audit_that_cannot_be_opened_starts_no_server(tmp_path: Path) -> None:
    with gate(tmp_path, tmp_path / "nowhere" / "audit.jsonl") as agent:
        assert agent.receive_line() == b""
        assert agent.wait() == 5
    assert "AUD001" in agent.stderr
