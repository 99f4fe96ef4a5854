"""`callgate status`: what the end of an audit says, and what a gate that runs says of itself."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from recorded_calls import ago, callgate, decided, ended, lines

from callgate.audit.record import EventRecord, Record
from callgate.telemetry.health import ALIVE, Status, readiness


def started(seconds: float, detail: str = "callgate 1.0") -> EventRecord:
    return EventRecord(ago(seconds), "gate_started", detail=detail, server="git", policy="abc")


def status_of(tmp_path: Path, records: list[Record]) -> tuple[int, dict[str, Any]]:
    (tmp_path / "a.jsonl").write_bytes(lines(records))
    ended = callgate(tmp_path, "status", "a.jsonl", "--format", "json")
    assert ended.stderr == b""
    return ended.returncode, json.loads(ended.stdout)


def test_the_last_hour_is_counted_and_no_more(tmp_path: Path) -> None:
    records: list[Record] = [started(9000), decided("old", ago(8000)), ended("old", ago(8000))]
    records += [decided("a", ago(100)), ended("a", ago(100))]
    records += [decided("b", ago(90), code="DEN001"), ended("b", ago(90), "denied")]
    records += [decided("c", ago(80)), ended("c", ago(79), "rpc_error")]
    status, told = status_of(tmp_path, records)
    assert status == 0
    assert told["last_hour"] == {"allow": 1, "deny": 1, "hold": 0, "error": 1}
    assert told["started"] == records[0].time
    assert told["policies"] == {"git": "abc", "github": "3f9c1a2"}
    assert told["failing"] == {}


def test_what_failed_in_the_last_hour_is_told_and_is_exit_status_1(tmp_path: Path) -> None:
    records: list[Record] = [
        started(9000),
        EventRecord(ago(8000), "policy_refused", code="POL001", detail="old"),
        EventRecord(ago(60), "store_failed", code="STA001", detail="gone"),
        EventRecord(ago(50), "store_failed", code="STA001", detail="still gone"),
    ]
    status, told = status_of(tmp_path, records)
    assert (status, told["failing"]) == (1, {"store_failed": 2})
    shown = callgate(tmp_path, "status", "a.jsonl")
    assert shown.returncode == 1
    assert b"failing: store failed, 2 in the last hour\n" in shown.stdout
    assert b"STA001: still gone" in shown.stdout


FAILED: dict[str, EventRecord] = {
    event: EventRecord(ago(60), event, detail="x")
    for event in (
        "store_failed",
        "policy_refused",
        "records_not_written",
        "torn_line_removed",
        "records_missing",
    )
}
LATER: dict[str, list[Record]] = {
    "a gate that started": [EventRecord(ago(50), "gate_started")],
    "a policy that was taken up": [EventRecord(ago(50), "policy_reloaded")],
    "a call that was charged": [decided("a", ago(50)), ended("a", ago(50))],
    "a call that was denied": [decided("a", ago(50), code="DEN001"), ended("a", ago(50), "denied")],
    "nothing": [],
}
RECOVERED = {
    "store_failed": ("a gate that started", "a call that was charged"),
    "policy_refused": ("a gate that started", "a policy that was taken up"),
    "records_not_written": ("a gate that started", "a call that was charged", "a call that was denied"),
    "torn_line_removed": ("a gate that started", "a call that was charged", "a call that was denied"),
    "records_missing": (),
}


@pytest.mark.parametrize("event", FAILED)
@pytest.mark.parametrize("later", LATER)
def test_what_failed_and_works_again_is_told_with_exit_status_0(
    tmp_path: Path, event: str, later: str
) -> None:
    recovered = later in RECOVERED[event]
    status, told = status_of(tmp_path, [started(100), FAILED[event], FAILED[event], *LATER[later]])
    assert (status, told["recovered" if recovered else "failing"]) == (0 if recovered else 1, {event: 2})
    assert told["failing" if recovered else "recovered"] == {}
    shown = callgate(tmp_path, "status", "a.jsonl").stdout.decode()
    assert ("failed, since recovered: " if recovered else "failing: ") + event.replace("_", " ") in shown


def test_what_fails_anew_has_not_recovered(tmp_path: Path) -> None:
    again = EventRecord(ago(40), "store_failed", detail="x")
    records = [started(100), FAILED["store_failed"], *LATER["a call that was charged"], again]
    assert status_of(tmp_path, records)[1]["failing"] == {"store_failed": 2}


def test_the_gates_own_name_is_not_among_the_servers_and_a_server_of_that_name_is(tmp_path: Path) -> None:
    own = EventRecord(ago(9), "gate_started", session="serve-1", server="callgate", policy="abc")
    assert status_of(tmp_path, [own, decided("a", ago(5))])[1]["policies"] == {"github": "3f9c1a2"}
    called_so = decided("a", ago(5), server="callgate")
    assert status_of(tmp_path, [own, called_so])[1]["policies"] == {"callgate": "3f9c1a2"}
    run = EventRecord(ago(9), "gate_started", session="s", server="callgate", policy="abc")
    assert status_of(tmp_path, [run])[1]["policies"] == {"callgate": "abc"}


def test_a_gate_that_was_stopped_is_told_apart_from_one_that_was_started_again(tmp_path: Path) -> None:
    stop = EventRecord(ago(50), "gate_stopped", detail="end of input")
    assert status_of(tmp_path, [started(100), stop])[1]["stopped"] == stop.time
    assert status_of(tmp_path, [started(100), stop, started(10)])[1]["stopped"] is None


def test_an_empty_audit_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    ended = callgate(tmp_path, "status", "a.jsonl")
    assert (ended.returncode, ended.stdout) == (0, b"no records\n")


@contextmanager
def gate(answers: dict[str, tuple[int, bytes]]) -> Iterator[str]:
    """A listener with the answers of a gate."""

    class _Gate(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), _Gate) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_gate_that_is_ready_is_exit_status_0_and_shows_its_servers(tmp_path: Path) -> None:
    ready = readiness(Status(phase="serving", upstreams={"git": "up", "docs": "down"}))
    with gate({"/healthz": ALIVE, "/readyz": ready}) as url:
        ended = callgate(tmp_path, "status", "--url", url)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == b"ready\n  warning: server down\n  down  docs\n  up  git\n"


def test_a_gate_that_is_not_ready_is_exit_status_1_with_the_reasons(tmp_path: Path) -> None:
    with gate({"/healthz": ALIVE, "/readyz": readiness(Status(phase="draining", audit_failing=True))}) as url:
        ended = callgate(tmp_path, "status", "--url", url, "--format", "json")
    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert (told["schema"], told["alive"]) == ("callgate/gate-status@1", True)
    assert told["readiness"]["reasons"] == ["draining", "audit failing"]


def test_nobody_there_is_exit_status_1(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ended = callgate(tmp_path, "status", "--url", f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert (ended.returncode, ended.stdout) == (1, b"not reachable: connection refused\n")


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"/healthz": ALIVE},
        {"/healthz": ALIVE, "/readyz": (200, b"<html>\x1b[2J")},
        {"/healthz": ALIVE, "/readyz": (200, b"[" * 100_000)},
        {
            "/healthz": ALIVE,
            "/readyz": (200, b'{"status": "\\u001b[2J\\u202e", "servers": {"\\u001b[2J": "\\u0007"}}'),
        },
        {"/healthz": (200, b"x" * 1_000_000), "/readyz": (200, b"x" * 1_000_000)},
    ],
)
def test_whatever_answers_there_cannot_steer_the_terminal(
    tmp_path: Path, answers: dict[str, tuple[int, bytes]]
) -> None:
    with gate(answers) as url:
        ended = callgate(tmp_path, "status", "--url", url)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert all(line.isprintable() for line in ended.stdout.decode().splitlines())
