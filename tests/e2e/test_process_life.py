"""The gate is no more in the way than a pipe: status, signals, stderr, environment; and it leaves nothing behind."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.gate_process import GateProcess

HERE = Path(__file__).resolve().parent.parent
RECORDING = [sys.executable, str(HERE / "support/recording_server.py")]
FILESYSTEM = HERE / "servers/node_modules/.bin/mcp-server-filesystem"
READY = 'import os, signal, sys\nos.write(1, b\'{"jsonrpc":"2.0","method":"notifications/message"}\\n\')\n'
# Answers nothing, ignores polite signals, and has a child that left its session.
STUBBORN = """
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
if os.fork() == 0: os.setsid()
while True: signal.pause()
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("default: deny\ntools:\n  echo: {rules: []}\n")
    return path


def python(code: str) -> list[str]:
    """A server that says that it is ready and then runs `code`."""
    return [sys.executable, "-c", READY + code]


class Alive:
    """A pipe that every process below the gate inherits: its end of file proves that all of them are gone."""

    def __init__(self) -> None:
        self._read, self.fd = os.pipe()

    def close(self) -> None:
        os.close(self.fd)

    def all_gone(self) -> bool:
        ready, _, _ = select.select([self._read], [], [], 20)
        gone = bool(ready) and os.read(self._read, 1) == b""
        os.close(self._read)
        return gone


def test_the_exit_status_is_the_servers(policy: Path) -> None:
    with GateProcess(policy, python("sys.stdin.read(); sys.exit(7)")) as gate:
        gate.receive_line()
        gate.close_input()
        assert gate.wait() == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_server_ended_by_a_signal_ends_the_gate_in_the_same_way(policy: Path, number: int) -> None:
    with GateProcess(policy, python(f"os.kill(os.getpid(), {int(number)})")) as gate:
        assert gate.wait() in (-number, 128 + number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_to_the_gate_reaches_the_server(policy: Path, number: int) -> None:
    code = f"import signal, sys\nsignal.signal({int(number)}, lambda *_: sys.exit(9))\n" + READY
    with GateProcess(policy, [sys.executable, "-c", code + "signal.pause()"]) as gate:
        gate.receive_line()
        gate.process.send_signal(number)
        assert gate.wait() == 9


def test_stderr_environment_and_working_directory_are_the_servers(policy: Path, tmp_path: Path) -> None:
    code = "sys.stderr.buffer.write(b'\\xff raw\\x1b[31m\\n'); sys.stderr.flush()\n"
    code += "sys.stderr.write(os.environ['MARK'] + os.getcwd() + '\\n')"
    with GateProcess(policy, python(code), "--log-level", "error", env={"MARK": "marked "}) as gate:
        assert gate.wait() == 0
    written = next(policy.parent.glob("stderr-*")).read_bytes()
    assert b"\xff raw\x1b[31m\n" in written
    assert b"marked " + os.getcwd().encode() in written


def test_a_server_that_is_not_there_is_an_error_of_its_own(policy: Path, tmp_path: Path) -> None:
    with GateProcess(policy, [str(tmp_path / "nothing")]) as gate:
        assert gate.receive_line() == b""
        assert gate.wait() == 4
    assert "UPS001" in gate.stderr


@pytest.mark.parametrize("end", ["input", "output", "both"])
def test_nothing_is_left_when_the_agent_goes_away(policy: Path, end: str) -> None:
    alive = Alive()
    with GateProcess(policy, python(STUBBORN), pass_fds=(alive.fd,)) as gate:
        alive.close()
        gate.receive_line()
        assert gate.process.stdin is not None
        assert gate.process.stdout is not None
        if end != "input":
            gate.process.stdout.close()
        if end != "output":
            gate.close_input()
        assert gate.wait() in (-signal.SIGKILL, 137)
    assert alive.all_gone()


def test_nothing_is_left_when_the_gate_is_killed(policy: Path) -> None:
    alive = Alive()
    with GateProcess(policy, python(STUBBORN), pass_fds=(alive.fd,)) as gate:
        alive.close()
        gate.receive_line()
        gate.process.kill()
    assert alive.all_gone()


def test_nothing_is_left_when_the_gate_is_told_to_end_and_the_server_does_not(policy: Path) -> None:
    alive = Alive()
    with GateProcess(policy, python(STUBBORN), pass_fds=(alive.fd,)) as gate:
        alive.close()
        gate.receive_line()
        gate.process.terminate()
        gate.close_input()
        gate.wait()
    assert alive.all_gone()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_nothing_is_left_when_the_keeper_is_killed(policy: Path, tmp_path: Path) -> None:
    alive, audit = Alive(), tmp_path / "audit.jsonl"
    with GateProcess(policy, python(STUBBORN), "--audit", str(audit), pass_fds=(alive.fd,)) as gate:
        alive.close()
        gate.receive_line()
        # In its first quiet moment the gate writes the record of a refused call and gets ready for this death.
        gate.call("rm", request_id=1)
        while '"tool":"rm"' not in audit.read_text():
            select.select([], [], [], 0.002)
        gate.call("rm", request_id=2)
        (keeper,) = [child for child in children(gate.process.pid) if children(child)]
        os.kill(keeper, signal.SIGKILL)
        assert gate.wait() in (-signal.SIGKILL, 137)
    assert alive.all_gone()


def test_a_killed_server_ends_its_open_calls_and_the_gate(policy: Path, tmp_path: Path) -> None:
    code = "import json\nfor line in sys.stdin: os.kill(os.getpid(), signal.SIGKILL)"
    with GateProcess(policy, python(code)) as gate:
        gate.receive_line()
        answer = gate.call("echo")
        assert answer["error"]["data"]["code"] == "UPS003"
        assert gate.wait() in (-signal.SIGKILL, 137)


@pytest.mark.parametrize("how", ["kill", "close"])
def test_a_server_started_by_npx_leaves_nothing_behind(policy: Path, tmp_path: Path, how: str) -> None:
    alive = Alive()
    command = [
        "npx",
        "--no-install",
        "--prefix",
        str(HERE / "servers"),
        "mcp-server-filesystem",
        str(tmp_path),
    ]
    assert FILESYSTEM.exists(), "run scripts/setup"
    with GateProcess(policy, command, pass_fds=(alive.fd,)) as gate:
        alive.close()
        assert gate.initialize()["result"]["serverInfo"]
        assert len(children(gate.process.pid)) >= 1
        if how == "kill":
            gate.process.kill()
        else:
            gate.close_input()
        gate.wait()
    assert alive.all_gone()


def test_a_gate_killed_under_load_recorded_every_call_that_ran(policy: Path, tmp_path: Path) -> None:
    audit, log = tmp_path / "audit.jsonl", tmp_path / "log.jsonl"
    frame = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%d"}}}\n'
    sent = 0
    for round_number in range(20):
        options = ("--audit", str(audit), "--audit-arguments", "full", "--log-level", "error")
        with GateProcess(policy, [*RECORDING, str(log)], *options) as gate:
            first = sent
            gate.send_raw(b"".join(frame % (number, number) for number in range(first, first + 200)))
            sent += 200
            for _ in range(round_number * 7 % 60 + 1):
                gate.receive_line()
            gate.process.kill()
    with GateProcess(policy, [*RECORDING, str(log)], "--audit", str(audit)) as gate:
        assert gate.call("echo")["result"]
    verify = subprocess.run(
        [sys.executable, "-m", "callgate", "audit", "verify", str(audit)], capture_output=True, text=True
    )
    assert verify.returncode == 0, verify.stdout + verify.stderr
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    decided = [one["request"] for one in records if one["kind"] == "decision" and one["effect"] == "allow"]
    ran = [json.loads(line)["arguments"].get("text") for line in log.read_text().splitlines()]
    executed = [int(text) for text in ran if text is not None]
    assert len(executed) > 100
    assert set(executed) <= set(decided)
    assert len(executed) == len(set(executed))


# Its list comes only after the end of its input, or after a while without one.
LISTS_LATE = """
import json, select
for line in iter(sys.stdin.readline, ""):
    message = json.loads(line)
    if message["method"] == "tools/list":
        select.select([sys.stdin], [], [], 0.5)
    tools = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": tools}
    sys.stdout.write(json.dumps(answer) + "\\n")
    sys.stdout.flush()
"""


def test_a_call_that_waits_for_a_schema_is_not_lost_when_the_agent_ends_its_input(policy: Path) -> None:
    policy.write_text("tools: {echo: {rules: [{validate: {required_args: true}}]}}\n")
    with GateProcess(policy, python(LISTS_LATE)) as gate:
        gate.receive_line()
        gate.ask("initialize", {}, request_id=1)
        gate.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo"}})
        gate.close_input()
        answer = json.loads(gate.receive_line())
        assert (answer["id"], "result" in answer) == (2, True)
        assert gate.wait() == 0
