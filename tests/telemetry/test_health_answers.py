"""Whether the gate says that it can take calls, and what it does not say."""

import json
from typing import Any

import pytest

from callgate.telemetry.health import ALIVE, Status, readiness


def ask(status: Status) -> tuple[int, dict[str, Any]]:
    code, body = readiness(status)
    return code, json.loads(body)


def test_a_process_that_runs_is_alive() -> None:
    assert ALIVE[0] == 200
    assert json.loads(ALIVE[1]) == {"status": "alive"}


def test_a_gate_that_serves_is_ready() -> None:
    status = Status(phase="serving", upstreams={"git": "up", "docs": "unknown"})
    assert ask(status) == (200, {"status": "ready", "servers": {"git": "up", "docs": "unknown"}})


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status(), "starting"),
        (Status(phase="draining"), "draining"),
        (Status(phase="serving", self_test_failed=True), "self-test failed"),
        (Status(phase="serving", audit_failing=True), "audit failing"),
        (Status(phase="serving", store_failing=True), "limit store failing"),
        (Status(phase="serving", upstreams={"git": "down"}, upstreams_required=True), "server down"),
    ],
)
def test_what_keeps_the_gate_from_taking_calls_is_a_503_that_says_so(status: Status, reason: str) -> None:
    code, body = ask(status)
    assert code == 503
    assert body["status"] == "not ready"
    assert body["reasons"] == [reason]


def test_a_server_that_is_down_is_told_and_is_no_reason_by_itself() -> None:
    code, body = ask(Status(phase="serving", upstreams={"git": "down", "docs": "up"}))
    assert (code, body["status"], body["warnings"]) == (200, "ready", ["server down"])
    assert body["servers"]["git"] == "down"


def test_a_store_that_may_fail_open_is_a_warning() -> None:
    code, body = ask(Status(phase="serving", store_failing=True, store_open=True))
    assert (code, body["warnings"]) == (200, ["limit store failing"])


def test_every_reason_is_told() -> None:
    code, body = ask(Status(phase="draining", audit_failing=True, store_failing=True))
    assert (code, body["reasons"]) == (503, ["draining", "audit failing", "limit store failing"])
