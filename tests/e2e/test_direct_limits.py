"""Limits as agents meet them: real gates in real processes, one store, restarts, and the published forms of policy."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.gate_process import GateProcess, denial

SERVER = Path(__file__).parents[1] / "support" / "recording_server.py"


def server(log: Path, *tools: str) -> list[str]:
    return [sys.executable, str(SERVER), str(log), *tools]


def written(folder: Path, policy: str, name: str = "policy.yaml") -> Path:
    path = folder / name
    path.write_text(policy)
    return path


def ran(log: Path) -> list[dict[str, Any]]:
    """What the server executed."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def allowed(answers: Sequence[dict[str, Any]]) -> int:
    return sum("structuredContent" not in answer["result"] for answer in answers)


def test_eight_gates_on_one_file_admit_exactly_what_the_limit_says(tmp_path: Path) -> None:
    policy = written(tmp_path, "tools: {echo: {rules: [{rate_limit: {max: 25, window: 1h, scope: global}}]}}")
    gates = [
        GateProcess(
            policy,
            server(tmp_path / f"log-{number}"),
            "--state",
            f"sqlite:///{tmp_path}/state.db",
            stderr=tmp_path / f"stderr-{number}",
        )
        for number in range(8)
    ]

    def hammer(gate: GateProcess) -> int:
        with gate:
            gate.initialize()
            frames = [
                {
                    "jsonrpc": "2.0",
                    "id": n,
                    "method": "tools/call",
                    "params": {"name": "echo", "arguments": {}},
                }
                for n in range(10)
            ]
            gate.send(*frames)
            return allowed([gate.receive() for _ in frames])

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(hammer, gates))
    assert sum(admitted) == 25
    assert sum(len(ran(tmp_path / f"log-{number}")) for number in range(8)) == 25


def test_a_session_limit_is_counted_for_each_gate_apart(tmp_path: Path) -> None:
    policy = written(tmp_path, "tools: {echo: {rules: [{rate_limit: {max: 2, window: 1h}}]}}")
    for number in range(2):
        with GateProcess(
            policy, server(tmp_path / f"log-{number}"), "--state", f"sqlite:///{tmp_path}/s.db"
        ) as gate:
            gate.initialize()
            assert allowed([gate.call("echo", {}, n) for n in range(4)]) == 2


def test_a_named_session_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    policy = written(tmp_path, "tools: {echo: {rules: [{rate_limit: {max: 3, window: 1h}}]}}")
    counts = []
    for session in ("alpha", "alpha", "beta"):
        options = ("--state", f"sqlite:///{tmp_path}/s.db", "--session", session)
        with GateProcess(policy, server(tmp_path / "log"), *options) as gate:
            gate.initialize()
            counts.append(allowed([gate.call("echo", {}, n) for n in range(2)]))
    assert counts == [2, 1, 2]


def test_what_has_to_outlive_the_process_is_kept_under_the_users_state_directory(tmp_path: Path) -> None:
    policy = written(
        tmp_path, "tools: {echo: {rules: [{rate_limit: {max: 1, window: 1h, scope: identity}}]}}"
    )
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    counts = []
    for _ in range(2):
        with GateProcess(policy, server(tmp_path / "log"), env=environment) as gate:
            gate.initialize()
            counts.append(allowed([gate.call("echo", {})]))
    assert counts == [1, 0]
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_the_published_example_denies_the_eleventh_call_within_a_minute(tmp_path: Path) -> None:
    policy = written(
        tmp_path,
        """\
tools:
  asyncExecuteCode:
    rules:
      - action: allow
        rate_limit:
          max: 10
          window: 60
        validate:
          required_args: true
""",
    )
    with GateProcess(policy, server(tmp_path / "log", "asyncExecuteCode")) as gate:
        gate.initialize()
        missing = denial(gate.call("asyncExecuteCode", {"language": "python"}, "missing"))
        assert missing["code"] == "DEN004"
        assert "`text`" in missing["reason"]
        for number in range(10):
            answer = gate.call("asyncExecuteCode", {"text": "print(1)"}, number)
            assert "structuredContent" not in answer["result"], answer
        answer = gate.call("asyncExecuteCode", {"text": "print(1)"}, "eleventh")
        refused = denial(answer)
        assert refused["code"] == "DEN020"
        assert 1 <= refused["retry_after"] <= 60
        assert answer["result"]["content"][0]["text"] == (
            "denied by policy: rate limit 10 in 60 s reached for `asyncExecuteCode`; "
            f"try again in {refused['retry_after']} s"
        )
    assert len(ran(tmp_path / "log")) == 10


def test_a_call_of_which_not_every_limit_has_room_takes_from_none(tmp_path: Path) -> None:
    policy = written(
        tmp_path,
        """
tools:
  pay:
    rules:
      - rate_limit: [{max: 3, window: 1h}, {max: 100.00, window: 1d, cost: args.amount, per: [args.currency]}]
""",
    )
    with GateProcess(policy, server(tmp_path / "log", "pay")) as gate:
        gate.initialize()

        def pay(amount: Any, currency: str, number: int) -> bool:
            answer = gate.call("pay", {"amount": amount, "currency": currency}, number)
            return "structuredContent" not in answer["result"]

        assert pay(99.99, "eur", 1)
        assert not pay(0.02, "eur", 2)
        assert not pay(-5, "eur", 3)
        assert not pay("5", "eur", 4)
        assert pay(0.01, "eur", 5)
        assert pay(100, "usd", 6)
        assert not pay(1, "chf", 7)


INTERCEPT = """\
version: "1"
description: Refunds within bounds
default: deny
hide: [drop_all]
tools:
  refund:
    rules:
      - name: cap
        conditions:
          - {path: args.amount, op: lte, value: 50}
          - {path: args.currency, op: in, value: [usd, eur]}
        on_deny: Too much, or in a strange currency.
      - name: daily
        conditions:
          - {path: state.refund.spent, op: lte, value: 70}
        on_deny: Enough for today.
        state: {counter: spent, window: day, increment_from: args.amount}
  list: {}
  wipe:
    rules:
      - {name: never, action: deny, on_deny: Nobody wipes.}
  "*":
    rules:
      - {name: all, rate_limit: 100/hour}
"""


def test_an_intercept_file_holds_as_it_is_written(tmp_path: Path) -> None:
    policy = written(tmp_path, INTERCEPT)
    with GateProcess(
        policy,
        server(tmp_path / "log", "refund", "list", "wipe", "drop_all"),
        "--state",
        f"sqlite:///{tmp_path}/s.db",
    ) as gate:
        gate.initialize()
        listed = [tool["name"] for tool in gate.ask("tools/list", {}, "l")["result"]["tools"]]
        assert listed == ["refund", "list", "wipe"]
        assert (
            allowed([gate.call("list", {}, 1), gate.call("refund", {"amount": 40, "currency": "usd"}, 2)])
            == 2
        )
        capped = denial(gate.call("refund", {"amount": 50.01, "currency": "usd"}, 3))
        assert capped["reason"] == "Too much, or in a strange currency."
        assert denial(gate.call("refund", {"amount": 31, "currency": "eur"}, 4))["reason"] == (
            "Enough for today (this call would exceed the limit of 70 of args.amount per day for `refund`)"
        )
        assert allowed([gate.call("refund", {"amount": 30, "currency": "eur"}, 5)]) == 1
        assert denial(gate.call("refund", {"amount": -30, "currency": "eur"}, 6))
        assert denial(gate.call("wipe", {}, 7))["reason"] == "Nobody wipes."
        assert denial(gate.call("else", {}, 8))["code"] == "DEN011"
        hidden, unknown = gate.call("drop_all", {}, 9), gate.call("drop_ill", {}, 9)
        assert json.dumps(hidden).replace("drop_all", "drop_ill") == json.dumps(unknown)
    assert [call["name"] for call in ran(tmp_path / "log")] == ["list", "refund", "refund"]


HOSTED = {
    "version": "1",
    "default": "deny",
    "hide": ["secret"],
    "all_tools": {"limits": [{"counter": "all", "window": "hour", "max": 50, "scope": "grant"}]},
    "tools": {
        "send": {
            "require": [
                {
                    "conditions": [{"path": "args.to", "op": "regex", "value": "@example\\.org$"}],
                    "on_deny": "Own",
                }
            ],
            "deny_if": [
                {"conditions": [{"path": "args.cc", "op": "exists", "value": True}], "on_deny": "No copies"}
            ],
            "limits": [{"counter": "mails", "window": "day", "max": 2, "scope": "grant"}],
        },
        "read": {},
        "never": {"deny_if": [{"conditions": [], "on_deny": "Off"}]},
    },
}


def test_a_hosted_file_holds_as_it_is_written(tmp_path: Path) -> None:
    policy = written(tmp_path, json.dumps(HOSTED), "policy.json")
    with GateProcess(
        policy, server(tmp_path / "log", "send", "read", "never", "secret"), "--state", "memory://"
    ) as gate:
        gate.initialize()
        ann = {"to": "ann@example.org"}
        assert allowed([gate.call("read", {}, 1), gate.call("send", ann, 2)]) == 2
        assert denial(gate.call("send", {"to": "x@example.com"}, 3))["reason"] == "Own"
        assert denial(gate.call("send", {**ann, "cc": "x"}, 4))["reason"] == "No copies"
        assert allowed([gate.call("send", ann, 5)]) == 1
        limited = denial(gate.call("send", ann, 6))
        assert limited["code"] == "DEN020"
        assert 1 <= limited["retry_after"] <= 86_400
        assert denial(gate.call("never", {}, 7))["reason"] == "Off"
        assert denial(gate.call("other", {}, 8))["code"] == "DEN011"
    assert [call["name"] for call in ran(tmp_path / "log")] == ["read", "send", "send"]


@pytest.mark.parametrize(
    "state", ["sqlite:///FILE/below/state.db", "sqlite:///FILE", "postgres://x", "sqlite://"]
)
def test_a_store_that_cannot_be_used_ends_the_gate_before_the_server_starts(
    tmp_path: Path, state: str
) -> None:
    policy = written(tmp_path, "tools: {echo: {rules: [{rate_limit: {max: 1, window: 1h, scope: global}}]}}")
    file = written(tmp_path, "no database, and no folder either; long enough to have a header " * 50, "file")
    marker = tmp_path / "started"
    command = [sys.executable, "-c", f"open({str(marker)!r}, 'w')"]
    with GateProcess(policy, command, "--state", state.replace("FILE", str(file))) as gate:
        assert gate.wait() in (2, 5)
        assert gate.stderr.startswith("error[")
    assert not marker.exists()
