"""Whoever reads too slowly holds up the other side, not the gate's memory; and nobody waits for ever."""

import json
import os
import select
import sys
import threading
from pathlib import Path

import pytest
from tests.support.gate_process import GateProcess, denial

SUPPORT = Path(__file__).resolve().parent.parent / "support"
HOSTILE = [sys.executable, str(SUPPORT / "hostile_server.py")]
RECORDING = [sys.executable, str(SUPPORT / "recording_server.py")]
MIB = 1 << 20


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("default: deny\ntools:\n  echo: {rules: []}\n")
    return path


def memory(gate: GateProcess) -> int:
    """The gate's resident memory in bytes."""
    status = Path(f"/proc/{gate.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def call(number: int, text: str = "") -> bytes:
    params = {"name": "echo", "arguments": {"text": text}}
    return (
        json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
        + b"\n"
    )


def write_until_full(gate: GateProcess, data: bytes) -> int:
    """Write `data` again and again until the pipe has been full for a while; how many bytes went in."""
    assert gate.process.stdin is not None
    fd = gate.process.stdin.fileno()
    os.set_blocking(fd, False)
    written = 0
    while select.select([], [fd], [], 0.5)[1]:
        written += os.write(fd, data)
        assert written < 64 * MIB, "the gate takes everything"
    return written


def test_a_server_that_never_reads_holds_up_the_agent(policy: Path) -> None:
    with GateProcess(policy, [*HOSTILE, "never_reads"], "--log-level", "error") as gate:
        gate.initialize()
        before = memory(gate)
        ping = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"x":"%b"}}\n' % (b"x" * 10_000)
        gate.send_raw(call(1))
        assert write_until_full(gate, ping) < 4 * MIB
        assert memory(gate) - before < 8 * MIB
        gate.process.kill()


def test_an_agent_that_never_reads_holds_up_the_server(policy: Path) -> None:
    with GateProcess(policy, [*HOSTILE, "floods"], "--log-level", "error") as gate:
        gate.initialize()
        before = memory(gate)
        gate.send_raw(call(1))
        # Once the gate takes no more from the agent either, everything is full.
        write_until_full(gate, call(2) + b"1\n" * 100)
        assert memory(gate) - before < 24 * MIB
        gate.process.kill()


def test_ten_thousand_refused_frames_are_all_answered_to_an_agent_that_reads_late(policy: Path) -> None:
    with GateProcess(policy, [*RECORDING, "/dev/null"], "--log-level", "error") as gate:
        frames = b"".join(
            b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"rm"}}\n' % number
            if number % 2
            else b'{"jsonrpc":"2.0","id":%d,"method":"tools/execute"}\n' % number
            for number in range(10_000)
        )
        writer = threading.Thread(target=gate.send_raw, args=(frames,))
        writer.start()
        answered = [gate.receive()["id"] for _ in range(10_000)]
        writer.join()
        assert answered == list(range(10_000))
        assert gate.call("echo", request_id="after")["result"]


def test_64_large_calls_in_flight_do_not_block_each_other(policy: Path) -> None:
    with GateProcess(policy, [*RECORDING, "/dev/null"], "--log-level", "error") as gate:
        frames = b"".join(call(number, "x" * 10_000) for number in range(64))
        writer = threading.Thread(target=gate.send_raw, args=(frames,))
        writer.start()
        assert sorted(gate.receive()["id"] for _ in range(64)) == list(range(64))
        writer.join()


def test_a_list_of_tools_without_end_does_not_fill_the_memory(policy: Path) -> None:
    policy.write_text("default: deny\ntools:\n  echo: {rules: [{validate: {schema: true}}]}\n")
    with GateProcess(policy, [*HOSTILE, "endless_list"], "--log-level", "error") as gate:
        gate.initialize()
        before = memory(gate)
        assert denial(gate.call("echo"))["code"] == "DEN008"
        assert memory(gate) - before < 64 * MIB
