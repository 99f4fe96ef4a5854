"""Children come from a small process of their own, and none outlives the gate, its keeper or the nursery."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.transports.environment import child_environment
from callgate.transports.nursery import decode_order, encode_order
from callgate.transports.spawner import ChildPipes, Spawner, fork_nursery

# Ignores every polite signal, has a child of its own, and a grandchild that daemonised. Says its keeper's pid.
STUBBORN = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        for fd in (0, 1): os.close(fd)
    signal.pause()
os.write(1, b"%d\\n" % os.getppid())
while True:
    signal.pause()
"""
ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    before = open_descriptors()
    spawner = fork_nursery()
    yield spawner
    spawner.close()
    assert open_descriptors() == before


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def links(pid: int) -> list[str]:
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def ended(fd: int, seconds: float = 20) -> bool:
    """Whether nobody holds the other end of the pipe any more."""
    while select.select([fd], [], [], seconds)[0]:
        if not os.read(fd, 4096):
            return True
    return False


def line(fd: int) -> bytes:
    assert select.select([fd], [], [], 20)[0], "nothing came"
    return os.read(fd, 4096)


def close(pipes: ChildPipes) -> None:
    for fd in (pipes.control, pipes.report, pipes.stdin, pipes.stdout, pipes.stderr):
        os.close(fd)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_child_runs_with_the_given_environment_and_directory_and_nothing_else(
    spawner: Spawner, tmp_path: Path
) -> None:
    code = (
        "import os, sys; print(sorted(os.environ), os.getcwd(), os.listdir('/proc/self/fd'), file=sys.stderr)"
    )
    # Python adds LC_CTYPE itself where there is no locale.
    pipes = spawner.start(python(code), {**ENV, "A": "1=2", "LC_ALL": "C.UTF-8"}, str(tmp_path))
    assert line(pipes.report).startswith(b"started ")
    assert (
        line(pipes.stderr).decode() == f"['A', 'LC_ALL', 'PATH'] {tmp_path} ['0', '1', '2', '3']\n"
    )  # 3 is listdir's own
    assert line(pipes.report) == b"exited 0\n"
    assert ended(pipes.report)
    close(pipes)


def test_what_was_written_before_the_child_runs_is_what_it_reads_first(spawner: Spawner) -> None:
    pipes = spawner.start(python("print(input())"), ENV, None)
    os.write(pipes.stdin, b"hello\n")
    assert line(pipes.stdout) == b"hello\n"
    close(pipes)


@pytest.mark.parametrize(
    ("command", "cwd", "errno"), [("/nothing", None, 2), ("/etc/passwd", None, 13), ("sh", "/nothing", 2)]
)
def test_a_child_that_cannot_be_started_is_reported(
    spawner: Spawner, command: str, cwd: str | None, errno: int
) -> None:
    pipes = spawner.start([command], ENV, cwd)
    assert line(pipes.report) == b"failed %d\n" % errno
    assert ended(pipes.report)
    close(pipes)


def test_the_end_of_the_control_pipe_ends_a_child_and_all_it_started(spawner: Spawner) -> None:
    pipes = spawner.start(python(STUBBORN), ENV, None)
    line(pipes.stdout)
    os.close(pipes.control)
    assert ended(pipes.report)
    assert ended(pipes.stderr)
    pipes.control = os.dup(0)
    close(pipes)


def test_what_a_killed_keeper_leaves_behind_is_ended_by_the_nursery_and_other_children_live_on(
    spawner: Spawner,
) -> None:
    other = spawner.start(["cat"], ENV, None)
    pipes = spawner.start(python(STUBBORN), ENV, None)
    os.kill(int(line(pipes.stdout)), signal.SIGKILL)
    assert ended(pipes.report)
    assert ended(pipes.stderr)
    os.write(other.stdin, b"still here\n")
    assert line(other.stdout) == b"still here\n"
    close(pipes)
    close(other)


def test_a_killed_gate_leaves_no_process_behind_however_many_children_it_had(tmp_path: Path) -> None:
    # Every process of every child holds its write end open.
    os.mkfifo(tmp_path / "alive")
    alive_r = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    code = f"import os\nos.open({str(tmp_path / 'alive')!r}, os.O_WRONLY)\n" + STUBBORN
    ready_r, ready_w = os.pipe()
    gate = os.fork()
    if gate == 0:
        try:
            spawner = fork_nursery()
            children = [spawner.start(python(code), ENV, None) for _ in range(3)]
            for pipes in children:
                line(pipes.stdout)
            os.write(ready_w, b"ready")
            signal.pause()
        finally:
            os._exit(1)
    os.close(ready_w)
    assert line(ready_r) == b"ready"
    os.kill(gate, signal.SIGKILL)
    os.waitpid(gate, 0)
    assert ended(alive_r)
    os.close(alive_r)
    os.close(ready_r)


def test_children_survive_a_killed_nursery_and_the_next_order_gets_a_new_one(spawner: Spawner) -> None:
    old = spawner.start(["cat"], ENV, None)
    os.write(old.stdin, b"1\n")
    assert line(old.stdout) == b"1\n"
    first = spawner.pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    new = spawner.start(["cat"], ENV, None)
    assert spawner.pid != first
    for pipes in (old, new):
        os.write(pipes.stdin, b"2\n")
        assert line(pipes.stdout) == b"2\n"
    os.close(old.control)
    assert ended(old.report)
    old.control = os.dup(0)
    close(old)
    close(new)


def test_many_orders_at_once_all_arrive_and_each_has_its_own_pipes(spawner: Spawner) -> None:
    # More than the socket holds: the rest waits.
    big = {**ENV, "BIG": "x" * 60_000}
    children = [spawner.start(["sh", "-c", f"echo {number}"], big, None) for number in range(12)]
    while spawner.backlog:
        select.select([], [spawner], [], 20)
        spawner.flush()
    assert [line(pipes.stdout) for pipes in children] == [b"%d\n" % number for number in range(12)]
    for pipes in children:
        close(pipes)


def test_the_nursery_holds_no_descriptor_of_a_child(spawner: Spawner) -> None:
    children = [spawner.start(["cat"], ENV, None) for _ in range(5)]
    for pipes in children:
        line(pipes.report)
    end = time.monotonic() + 20
    # It closes them in the moment after the last child's keeper was forked. Two are its own.
    while sum(target.startswith("pipe:") for target in links(spawner.pid)) > 2:
        assert time.monotonic() < end
        os.sched_yield()
    for pipes in children:
        close(pipes)


def test_an_order_is_read_as_it_was_written() -> None:
    order = ["a", "", "b c", "ü\udcff"], {"X": "", "Y": "=\n"}, "/tmp"
    assert decode_order(encode_order(*order)[4:]) == order


@pytest.mark.parametrize(
    ("command", "env"),
    [((), {}), (("a\0b",), {}), (("a",), {"x": "\0"}), (("a",), {"x=": ""}), (("a",), {"": ""})],
)
def test_an_order_that_no_process_can_be_given_is_refused(
    command: tuple[str, ...], env: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"NUL|command|name"):
        encode_order(command, env, None)


def test_only_the_named_part_of_the_own_environment_reaches_a_child() -> None:
    own = {
        "PATH": "/bin",
        "LC_TIME": "C",
        "AWS_SECRET_ACCESS_KEY": "s",
        "HTTPS_PROXY": "http://u:p@h",
        "HOME": "/a",
    }
    assert child_environment(own, {"TOKEN": "t", "HOME": "/b"}) == {
        "PATH": "/bin",
        "LC_TIME": "C",
        "HOME": "/b",
        "TOKEN": "t",
    }


def test_a_nursery_of_a_process_with_an_event_loop_works_too() -> None:
    # libuv closes and opens descriptors by number in every forked process.
    code = """
import os, select, uvloop
loop = uvloop.new_event_loop()
from callgate.transports.spawner import fork_nursery
spawner = fork_nursery()
children = [spawner.start(["sh", "-c", f"echo {n}"], {**os.environ, "BIG": "x" * 60_000}, None) for n in range(6)]
while spawner.backlog:
    select.select([], [spawner], [], 20)
    spawner.flush()
for pipes in children:
    assert select.select([pipes.stdout], [], [], 20)[0]
    print(os.read(pipes.stdout, 10).decode(), end="")
loop.close()
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout == b"0\n1\n2\n3\n4\n5\n"
