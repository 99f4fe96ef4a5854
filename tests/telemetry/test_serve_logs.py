"""The log of a gate that serves, as it leaves through a real pipe."""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from callgate.clock import ManualClock
from callgate.proxy.state import Log as SessionLog
from callgate.telemetry.logs import MAX_WAITING, Format, Log

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        with contextlib.suppress(OSError):
            os.close(fd)


def said(pipe: Pipe, log: Log) -> list[str]:
    """Every line that was written, after the log is closed."""
    log.close(timeout=30)
    os.close(pipe[1])
    with open(pipe[0], "rb", closefd=False) as file:
        return file.read().decode().splitlines()


def new(pipe: Pipe, format: Format = "json", level: str = "info", **more: Any) -> Log:
    return Log(level, format, ManualClock(), fd=pipe[1], **more)


def test_a_line_is_json_with_the_fields_that_it_has(pipe: Pipe) -> None:
    log = new(pipe)
    log(
        "warning",
        "the server cannot be reached",
        event="upstream_failed",
        server="git",
        tool="read",
        identity="alice",
        session="0123456789abcdef",
        decision="d-1",
        code="UPS004",
        seconds=0.25,
    )
    (line,) = said(pipe, log)
    assert json.loads(line) == {
        "time": "2026-09-21T14:13:20.000Z",
        "level": "warning",
        "message": "the server cannot be reached",
        "event": "upstream_failed",
        "server": "git",
        "tool": "read",
        "identity": "alice",
        "session": "01234567…",
        "decision": "d-1",
        "code": "UPS004",
        "seconds": 0.25,
    }


def test_for_people_a_line_begins_with_the_time_and_how_grave_it_is(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new(pipe, "text")
    log("banner", "callgate 1.0  → git")
    log("error", "the audit fails", code="AUD004", server="git")
    log("info", "draining")
    banner, error, info = said(pipe, log)
    assert banner == "callgate 1.0  → git"
    assert re.fullmatch(r"\d\d:\d\d:\d\d  error    the audit fails  server=git code=AUD004", error)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  info     draining", info)


def test_only_the_line_that_a_gate_begins_with_has_no_time_for_people(pipe: Pipe) -> None:
    log = new(pipe, "text", level="error")
    log("notice", "policy 1234567 of git is in force now")
    (line,) = said(pipe, log)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  info     policy 1234567 of git is in force now", line)


def test_a_line_for_people_says_nothing_twice(pipe: Pipe) -> None:
    log = new(pipe, "text")
    log("warning", "git: connection refused [UPS020]", server="git", code="UPS020", tool="read")
    log("info", "denied: too many", server="git", code="DEN020", decision="a-1")
    first, second = said(pipe, log)
    assert first.endswith("warning  git: connection refused [UPS020]  tool=read")
    assert second.endswith("info     denied: too many  server=git decision=a-1 code=DEN020")


def test_it_is_a_sessions_log_as_well(pipe: Pipe) -> None:
    log = new(pipe)
    session_log: SessionLog = log
    session_log("info", "x")
    assert json.loads(said(pipe, log)[0])["message"] == "x"


def test_lines_below_the_level_are_not_written(pipe: Pipe) -> None:
    log = new(pipe, level="warning")
    for level in ("debug", "info", "warning", "error", "notice", "banner"):
        log(level, level)
    assert [json.loads(line)["message"] for line in said(pipe, log)] == [
        "warning",
        "error",
        "notice",
        "banner",
    ]


@pytest.mark.parametrize("format", ["json", "text"])
def test_hostile_text_is_one_printable_line(pipe: Pipe, format: Format) -> None:
    log = new(pipe, format)
    evil = 'a\n{"level":"error"}\x1b[2J\u202e\ud800\x85'
    log("info", evil, server=evil, tool=evil * 1000, identity=evil, session=evil, decision=evil)
    (line,) = said(pipe, log)
    assert line.isprintable()
    assert len(line) < 6000


def test_a_reader_that_does_not_read_holds_up_nobody_and_what_is_lost_is_counted(pipe: Pipe) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    dropped: list[int] = []
    log = new(pipe, on_drop=dropped.append)
    total = MAX_WAITING + 1000
    for number in range(total):
        log("info", f"line {number}")
    assert sum(dropped) > 0
    # The reader comes back; one more line finds room, and tells of those that did not.
    written = b""
    while written.count(b"\n") < total - sum(dropped):
        written += os.read(pipe[0], 65536)
    log("info", "last")
    text = written.decode() + "\n".join(said(pipe, log))
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[-1]["message"] == "last"
    # The writer may have found room in between, so what was lost may be told in parts.
    told = [int(line["message"].split()[0]) for line in lines if line.get("event") == "log_dropped"]
    assert sum(told) == sum(dropped)


def test_lines_are_whole_and_in_order_over_a_pipe_that_does_not_block(pipe: Pipe) -> None:
    os.set_blocking(pipe[1], False)
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    log = new(pipe)
    for number in range(1000):
        log("info", f"line {number}")
    written = b""
    while written.count(b"\n") < 1000:
        written += os.read(pipe[0], 65536)
    assert [json.loads(line)["message"] for line in written.splitlines()] == [
        f"line {n}" for n in range(1000)
    ]
    assert said(pipe, log) == []


def test_a_reader_that_is_gone_ends_nothing(pipe: Pipe) -> None:
    log = new(pipe)
    os.close(pipe[0])
    log("error", "x")
    log.close(timeout=30)
    log("error", "y")
    log.close(timeout=30)
