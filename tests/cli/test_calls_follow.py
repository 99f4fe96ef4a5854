"""`callgate calls tail -f` beside a gate that writes: rotation, truncation, slow calls, interrupts."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recorded_calls import at, decided, ended, lines, surroundings

from callgate.audit.follow import Follow
from callgate.audit.jsonl import JsonlAudit
from callgate.clock import ManualClock

Tail = subprocess.Popen[bytes]
Start = Callable[..., Tail]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `callgate calls tail -f` on a.jsonl."""
    running: list[Tail] = []

    def tail(*options: str) -> Tail:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "callgate",
                "calls",
                "tail",
                "-f",
                "--format",
                "plain",
                *options,
                "a.jsonl",
            ],
            cwd=tmp_path,
            env=surroundings(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        running.append(child)
        return child

    yield tail
    for child in running:
        child.kill()
        child.communicate()


def audit(tmp_path: Path) -> JsonlAudit:
    return JsonlAudit(str(tmp_path / "a.jsonl"), sync="none", clock=ManualClock())


def next_id(child: Tail) -> str:
    """The id on the next line; fails rather than to wait for ever."""
    return next_line(child).split("\t")[4]


def next_line(child: Tail) -> str:
    """One byte at a time, so that nothing waits in a buffer where `select` does not see it."""
    assert child.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select((child.stdout,), (), (), 60)
        assert ready, "nothing came"
        byte = child.stdout.read(1)
        assert byte, "it ended"
        line += byte
    return line.decode()


def test_calls_that_come_are_shown_when_they_end(tmp_path: Path, start: Start) -> None:
    writer = audit(tmp_path)
    writer.append([decided("d1", at(1)), ended("d1", at(1)), decided("d2", at(2))])
    child = start()
    assert [next_id(child), next_id(child)] == ["d1", "d2"]
    writer.append([decided("d3", at(3)), ended("d3", at(3))])
    assert next_id(child) == "d3"
    # It was shown as one that goes on; now it ends.
    writer.append([ended("d2", at(4))])
    assert next_id(child) == "d2"
    writer.close()


def test_a_call_that_takes_long_is_shown_before_it_ends(tmp_path: Path, start: Start) -> None:
    writer = audit(tmp_path)
    writer.append([decided("d1", at(1)), ended("d1", at(1))])
    child = start("--server", "github")
    # Only now it is known to look on.
    assert next_id(child) == "d1"
    writer.append([decided("slow", at(1))])
    assert next_line(child).rstrip().endswith("no outcome yet")
    writer.append([ended("slow", at(9))])
    assert next_id(child) == "slow"
    writer.close()


def test_a_new_file_is_followed_and_of_the_old_one_nothing_is_lost(tmp_path: Path, start: Start) -> None:
    writer = audit(tmp_path)
    writer.append([decided("d1", at(1)), ended("d1", at(1))])
    child = start()
    assert next_id(child) == "d1"
    os.rename(tmp_path / "a.jsonl", tmp_path / "a.jsonl.1")
    with (tmp_path / "a.jsonl.1").open("ab") as old:
        (tmp_path / "a.jsonl").write_bytes(lines([decided("d3", at(3)), ended("d3", at(3))]))
        old.write(lines([decided("d2", at(2)), ended("d2", at(2))]))
    assert [next_id(child), next_id(child)] == ["d2", "d3"]
    writer.close()


def test_an_interrupt_ends_it_quietly(tmp_path: Path, start: Start) -> None:
    writer = audit(tmp_path)
    writer.append([decided("d1", at(1)), ended("d1", at(1))])
    child = start()
    assert next_id(child) == "d1"
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=30)
    assert (child.returncode, output, errors) == (130, b"", b"")
    writer.close()


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path, start: Start) -> None:
    writer = audit(tmp_path)
    writer.append([decided("d1", at(1)), ended("d1", at(1))])
    child = start()
    assert next_id(child) == "d1"
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    writer.append([decided("d2", at(2)), ended("d2", at(2))])
    assert child.stderr.read() == b""
    assert child.wait(timeout=30) == 0
    writer.close()


def following(path: Path, clock: ManualClock) -> Follow:
    return Follow(str(path), path.open("rb"), 0, clock)


def test_half_a_line_waits_for_the_other_half(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntw")
    follow = following(path, ManualClock())
    assert list(follow.lines()) == [b"one\n"]
    with path.open("ab") as file:
        file.write(b"o\nthr")
    assert list(follow.lines()) == [b"two\n"]
    follow.close()


def test_a_file_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\nth")
    follow = following(path, ManualClock())
    assert len(list(follow.lines())) == 2
    path.write_bytes(b"new\n")
    assert list(follow.lines()) == [b"new\n"]
    follow.close()


def test_the_old_file_is_left_only_after_its_writers_have_noticed(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.jsonl", ManualClock()
    path.write_bytes(b"one\n")
    follow = following(path, clock)
    assert list(follow.lines()) == [b"one\n"]
    path.rename(tmp_path / "old")
    assert list(follow.lines()) == []
    path.write_bytes(b"three\n")
    assert list(follow.lines()) == []
    clock.advance(1.0)
    assert list(follow.lines()) == []
    with (tmp_path / "old").open("ab") as file:
        file.write(b"two\n")
    clock.advance(1.6)
    assert list(follow.lines()) == [b"two\n", b"three\n"]
    follow.close()


def test_lines_without_end_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.audit.follow.MAX_LINE", 1000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 5000)
    follow = following(path, ManualClock())
    assert list(follow.lines()) == []
    with path.open("ab") as file:
        file.write(b"tail\nnext\n")
    assert list(follow.lines())[-1] == b"next\n"
    follow.close()
