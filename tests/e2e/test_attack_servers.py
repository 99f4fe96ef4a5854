"""A hostile server cannot make the gate fail, hang, or let a call through that the policy forbids."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.gate_process import GateProcess, denial

HOSTILE = str(Path(__file__).resolve().parent.parent / "support/hostile_server.py")
OPEN = "default: deny\ntools:\n  echo: {rules: []}\n"
VALIDATED = "default: deny\ntools:\n  echo: {rules: [{validate: {schema: true}}]}\n"


def gate(folder: Path, behaviour: str, policy: str = OPEN) -> GateProcess:
    path = folder / "policy.yaml"
    path.write_text(policy)
    server = [sys.executable, HOSTILE, behaviour, str(folder / "log.jsonl")]
    return GateProcess(path, server, "--audit", str(folder / "audit.jsonl"), "--audit-sync", "none")


def ran(folder: Path) -> list[dict[str, Any]]:
    log = folder / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def outcomes_of(folder: Path) -> list[dict[str, Any]]:
    """What the audit says became of the calls that were let through; fails if the audit does not verify."""
    path = folder / "audit.jsonl"
    command = [sys.executable, "-m", "callgate", "audit", "verify", str(path)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [one for one in records if one["kind"] == "outcome" and one["status"] != "denied"]


def test_a_second_answer_settles_nothing_twice(tmp_path: Path) -> None:
    with gate(tmp_path, "answers_twice") as agent:
        agent.initialize()
        assert agent.call("echo")["result"]["content"]
        assert agent.call("echo", request_id=2)["result"]["content"]
    outcomes = [outcome["id"] for outcome in outcomes_of(tmp_path)]
    assert len(outcomes) == len(set(outcomes)) == 2


@pytest.mark.parametrize("behaviour", ["answers_unknown_ids", "answers_under_other_types"])
def test_answers_under_strange_ids_do_not_take_the_place_of_the_right_one(
    behaviour: str, tmp_path: Path
) -> None:
    with gate(tmp_path, behaviour) as agent:
        agent.initialize()
        assert agent.call("echo", request_id=5)["result"]["content"][0]["text"] == "echo"
        assert agent.call("echo", request_id=6)["result"]["content"][0]["text"] == "echo"
    outcomes = outcomes_of(tmp_path)
    assert [outcome["status"] for outcome in outcomes] == ["ok", "ok"]


@pytest.mark.parametrize(
    "behaviour",
    [
        "duplicate_tools",
        "no_list",
        "odd_tools",
        "many_tools",
        "schema_is_a_list",
        "recursive_schema",
        "giant_schema",
        "deep_schema",
        "remote_schema",
    ],
)
def test_a_schema_that_cannot_be_trusted_validates_nothing(behaviour: str, tmp_path: Path) -> None:
    with gate(tmp_path, behaviour, VALIDATED) as agent:
        agent.initialize()
        for request_id in (1, 2):
            answer = agent.call("echo", {"text": 5, "p1": 5}, request_id=request_id)
            assert denial(answer)["code"] in ("DEN005", "DEN008", "DEN009"), answer
        assert "result" in agent.ask("ping", request_id=3)
    assert ran(tmp_path) == []


def test_a_catastrophic_pattern_in_a_schema_takes_no_time(tmp_path: Path) -> None:
    with gate(tmp_path, "catastrophic_schema", VALIDATED) as agent:
        agent.initialize()
        answer = agent.call("echo", {"text": "a" * 5000 + "!"})
        assert denial(answer)["code"] == "DEN005"
    assert ran(tmp_path) == []


def test_a_server_whose_tools_change_all_the_time_is_still_asked_for_the_schema(tmp_path: Path) -> None:
    with gate(tmp_path, "storm", VALIDATED) as agent:
        agent.initialize()
        assert agent.call("echo", {"text": "right"})["result"]["content"]
        assert denial(agent.call("echo", {"text": "too long"}, request_id=2))["code"] == "DEN005"
    assert [call["arguments"] for call in ran(tmp_path)] == [{"text": "right"}]


def test_a_message_hidden_between_carriage_returns_becomes_one_line(tmp_path: Path) -> None:
    with gate(tmp_path, "carriage_returns") as agent:
        agent.initialize()
        agent.send({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "echo"}})
        line = agent.receive_line()
        assert b"\r" not in line
        assert json.loads(line)["id"] == 5
        assert "result" in agent.ask("ping", request_id=6)


def test_garbage_hides_no_answer(tmp_path: Path) -> None:
    with gate(tmp_path, "garbage") as agent:
        agent.initialize()
        agent.send({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "echo"}})
        lines: list[bytes] = []
        while not (lines and b'"text": "echo"' in lines[-1]):
            lines.append(agent.receive_line())
        assert json.loads(lines[-1])["id"] == 5
        # What could be two answers at once, or an answer to nobody knows what, does not pass.
        assert not any(line.startswith((b"[", b'{"jsonrpc":"2.0"}')) for line in lines)
        agent.send({"jsonrpc": "2.0", "id": 6, "method": "ping"})
        while not agent.receive_line().startswith(b'{"jsonrpc": "2.0", "id": 6'):
            pass


def test_a_line_too_long_to_pass_is_answered_in_the_servers_place(tmp_path: Path) -> None:
    with gate(tmp_path, "huge_line") as agent:
        agent.initialize()
        answer = agent.call("echo", request_id=5)
        assert answer["error"]["data"]["code"] == "WIR053"
        assert "result" in agent.ask("ping", request_id=6)
    (outcome,) = outcomes_of(tmp_path)
    assert outcome["status"] == "unknown"


@pytest.mark.parametrize(("behaviour", "status"), [("exits", 7), ("closes_stdout", None)])
def test_a_call_is_answered_although_the_server_goes_away(
    behaviour: str, status: int | None, tmp_path: Path
) -> None:
    with gate(tmp_path, behaviour) as agent:
        agent.initialize()
        assert agent.call("echo", request_id=5)["error"]["data"]["code"] == "UPS003"
        assert agent.receive_line() == b""
        assert agent.wait() == (status if status is not None else -15)
    (outcome,) = outcomes_of(tmp_path)
    assert outcome["status"] == "unknown"


def test_calls_are_answered_although_the_server_closed_its_input(tmp_path: Path) -> None:
    with gate(tmp_path, "closes_stdin") as agent:
        agent.initialize()
        assert agent.call("echo", request_id=5)["result"]["content"]
        assert agent.call("echo", request_id=6)["error"]["data"]["code"] == "UPS003"
        assert agent.receive_line() == b""
    assert len(ran(tmp_path)) == 1


def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    with gate(tmp_path, "no_newline") as agent:
        agent.initialize()
        assert agent.call("echo", request_id=5)["result"]["content"]
        assert agent.wait() == 0


def test_the_gate_ends_with_a_server_that_ends_at_once(tmp_path: Path) -> None:
    with gate(tmp_path, "exits_at_once") as agent:
        assert agent.receive_line() == b""
        assert agent.wait() == 7


def test_what_a_server_says_before_it_is_asked_passes(tmp_path: Path) -> None:
    with gate(tmp_path, "writes_first") as agent:
        said = [agent.receive() for _ in range(5)]
        assert said[3]["method"] == "roots/list"
        agent.initialize()
        assert agent.call("echo", request_id=1)["result"]["content"][0]["text"] == "echo"
