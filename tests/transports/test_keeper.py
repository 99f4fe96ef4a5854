"""Nothing that a server started outlives the gate, the keeper or the server: whichever of them is killed."""

import os
import select
import signal
import sys
from pathlib import Path

import pytest

from callgate.transports.keeper import START, KeeperPipes, fork_keeper

# Ignores every polite signal, has a child of its own, and a grandchild that daemonised.
STUBBORN = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        for fd in (0, 1): os.close(fd)
    signal.pause()
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


def run_keeper_in_a_process(code: str) -> tuple[int, int, KeeperPipes]:
    """Fork a stand-in for the gate that runs `code` under a keeper.

    Returns its pid, the read end of a pipe that every process below holds open, and the stand-in's pipes.
    """
    alive_r, alive_w = os.pipe()
    ready_r, ready_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(alive_r)
            os.set_inheritable(alive_w, True)
            pipes = fork_keeper([sys.executable, "-c", code])
            os.write(pipes.control, START)
            os.read(pipes.report, 100)
            assert os.read(pipes.server_out, 100) == b"ready\n"
            os.write(ready_w, b"%d" % pipes.pid)
            signal.pause()
        finally:
            os._exit(1)
    os.close(alive_w)
    os.close(ready_w)
    keeper = int(os.read(ready_r, 20))
    os.close(ready_r)
    return pid, alive_r, KeeperPipes(keeper, -1, -1, -1, -1)


def everybody_is_gone(alive: int) -> bool:
    """Whether no process holds the other end of the pipe any more: its end of file is the proof."""
    ready, _, _ = select.select([alive], [], [], 20)
    gone = bool(ready) and os.read(alive, 1) == b""
    os.close(alive)
    return gone


def test_a_killed_gate_leaves_no_process_behind_however_stubborn_the_server() -> None:
    gate, alive, _ = run_keeper_in_a_process(STUBBORN)
    os.kill(gate, signal.SIGKILL)
    os.waitpid(gate, 0)
    assert everybody_is_gone(alive)


def test_the_server_dies_with_a_killed_keeper() -> None:
    simple = "import signal, os\nos.write(1, b'ready\\n')\nsignal.pause()"
    gate, alive, pipes = run_keeper_in_a_process(simple)
    os.kill(pipes.pid, signal.SIGKILL)
    os.kill(gate, signal.SIGKILL)
    os.waitpid(gate, 0)
    assert everybody_is_gone(alive)


def test_what_a_server_leaves_behind_when_it_ends_is_ended_too() -> None:
    code = STUBBORN.replace("while True:\n    signal.pause()", "sys.stdin.read()\nsys.exit(7)")
    alive_r, alive_w = os.pipe()
    os.set_inheritable(alive_w, True)
    pipes = fork_keeper([sys.executable, "-c", code])
    os.close(alive_w)
    os.write(pipes.control, START)
    assert os.read(pipes.report, 100).startswith(b"started ")
    assert os.read(pipes.server_out, 100) == b"ready\n"
    os.close(pipes.server_in)
    report = os.read(pipes.report, 100)
    assert report == b"exited %d\n" % (7 << 8)
    assert everybody_is_gone(alive_r)
    os.waitpid(pipes.pid, 0)
    for fd in (pipes.control, pipes.report, pipes.server_out):
        os.close(fd)


def test_a_command_that_does_not_exist_is_reported_and_nothing_runs(tmp_path: Path) -> None:
    pipes = fork_keeper([str(tmp_path / "nothing")])
    os.write(pipes.control, START)
    assert os.read(pipes.report, 100) == b"failed 2\n"
    os.waitpid(pipes.pid, 0)
    for fd in (pipes.control, pipes.report, pipes.server_in, pipes.server_out):
        os.close(fd)


def test_no_server_runs_before_the_order_to_start(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    pipes = fork_keeper([sys.executable, "-c", f"open({str(trace)!r}, 'w')"])
    os.close(pipes.control)
    os.waitpid(pipes.pid, 0)
    assert not trace.exists()
    for fd in (pipes.report, pipes.server_in, pipes.server_out):
        os.close(fd)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_for_the_gate_reaches_the_server(number: signal.Signals) -> None:
    code = (
        "import os, signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(9))\n"
        "os.write(1, b'ready\\n')\n"
        "signal.pause()"
    )
    pipes = fork_keeper([sys.executable, "-c", code])
    os.write(pipes.control, START)
    os.read(pipes.report, 100)
    assert os.read(pipes.server_out, 100) == b"ready\n"
    os.write(pipes.control, bytes([number]))
    assert os.read(pipes.report, 100) == b"exited %d\n" % (9 << 8)
    os.waitpid(pipes.pid, 0)
    for fd in (pipes.control, pipes.report, pipes.server_in, pipes.server_out):
        os.close(fd)
