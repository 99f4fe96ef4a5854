"""What surrounds the gate (closed descriptors, a scarce system, a hostile working directory) does not open it."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.gate_process import GateProcess, denial

from callgate.audit.verify import lines_of, verify

SERVER = str(Path(__file__).resolve().parents[1] / "support/recording_server.py")
POLICY = "tools: {rm: {rules: [{action: deny, reason: Never}]}}\n"


def frames() -> bytes:
    calls = [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": {}}}
        for number, name in enumerate(["echo", "rm", "echo"])
    ]
    return b"".join(json.dumps(call).encode() + b"\n" for call in calls)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_descriptor_that_was_closed_at_the_start_never_becomes_the_audit(
    tmp_path: Path, closed: str
) -> None:
    policy, audit, ran = tmp_path / "p.yaml", tmp_path / "audit.jsonl", tmp_path / "ran.jsonl"
    policy.write_text(POLICY)
    command = f'exec "$0" -m callgate run -c {policy} --audit {audit} -- "$0" {SERVER} {ran} {closed}'
    ended = subprocess.run(
        ["sh", "-c", command, sys.executable], input=frames(), capture_output=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    with open(audit, "rb") as file:
        report = verify(lines_of(file))
    assert report.intact
    if "<&-" not in closed:
        assert report.decisions == 4
        assert [json.loads(line)["name"] for line in ran.read_text().splitlines()] == ["echo", "echo"]


def test_a_reload_without_a_free_descriptor_leaves_the_old_policy_and_is_made_up_for(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(POLICY)
    with GateProcess(policy, [sys.executable, SERVER, str(tmp_path / "ran")]) as gate:
        gate.initialize()
        assert denial(gate.call("rm"))["reason"] == "Never"
        before = resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (8, before[1]))
        policy.write_text(POLICY.replace("Never", "Not now"))
        assert denial(gate.call("rm"))["reason"] == "Never"
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, before)
        while denial(gate.call("rm"))["reason"] == "Never":
            continue
        assert denial(gate.call("rm"))["reason"] == "Not now"
    assert gate.wait() == 0


def test_modules_in_the_working_directory_are_not_the_gates(tmp_path: Path) -> None:
    policy, trace = tmp_path / "p.yaml", tmp_path / "imported"
    policy.write_text(POLICY)
    for module in ("unicodedata", "json", "yaml", "callgate_extra"):
        (tmp_path / f"{module}.py").write_text(f"open({str(trace)!r}, 'a').write('{module}')\n")
    odd = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "rm", "arguments": {"\u00e9": 1}},
    }
    ended = subprocess.run(
        [sys.executable, "-m", "callgate", "run", "-c", str(policy), "--", "cat"],
        input=json.dumps(odd, ensure_ascii=True).encode() + b"\n",
        capture_output=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        timeout=60,
    )
    assert b"denied by policy" in ended.stdout
    assert not trace.exists()


@pytest.mark.parametrize("limits", ["-t 10", "-v 1500000", "-t 10 -v 1500000"])
def test_limits_that_are_lower_than_the_gates_own_do_not_keep_it_from_starting(
    tmp_path: Path, limits: str
) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(POLICY)
    command = f'ulimit {limits}; exec "$0" -m callgate run -c {policy} -- "$0" {SERVER} {tmp_path / "ran"}'
    ended = subprocess.run(
        ["bash", "-c", command, sys.executable], input=frames(), capture_output=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert b"Never" in ended.stdout
