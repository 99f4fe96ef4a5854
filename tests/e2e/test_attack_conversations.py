"""Attacks that take more than one frame: ids used again, cancellations, strange timing, half frames."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.gate_process import GateProcess, denial

RECORDING = [sys.executable, str(Path(__file__).resolve().parent.parent / "support/recording_server.py")]
OPEN = "default: deny\ntools:\n  echo: {rules: []}\n"
VALIDATED = "default: deny\ntools:\n  echo: {rules: [{validate: {schema: true}}]}\n"


def gate(folder: Path, policy: str = OPEN) -> GateProcess:
    path = folder / "policy.yaml"
    path.write_text(policy)
    return GateProcess(path, [*RECORDING, str(folder / "log.jsonl")], "--audit", str(folder / "audit.jsonl"))


def ran(folder: Path) -> list[dict[str, Any]]:
    log = folder / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def verifies(folder: Path) -> bool:
    command = [sys.executable, "-m", "callgate", "audit", "verify", str(folder / "audit.jsonl")]
    return subprocess.run(command, capture_output=True).returncode == 0


def call(request_id: object, text: str, tool: str = "echo") -> bytes:
    params = {"name": tool, "arguments": {"text": text}}
    frame = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
    return json.dumps(frame).encode() + b"\n"


def cancel(request_id: object) -> bytes:
    params = {"requestId": request_id}
    return (
        json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).encode() + b"\n"
    )


def test_an_id_in_flight_is_not_given_to_a_second_call(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        # In one piece, so that the gate reads both before the server can answer.
        agent.send_raw(call(5, "first") + call(5, "second") + call("5", "third"))
        answers = [agent.receive() for _ in range(3)]
    refused = [answer for answer in answers if "error" in answer]
    assert [answer["error"]["data"]["code"] for answer in refused] == ["WIR051"]
    assert [one["arguments"]["text"] for one in ran(tmp_path)] == ["first", "third"]
    assert verifies(tmp_path)


def test_the_id_of_a_cancelled_call_is_not_given_to_another(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        agent.send_raw(call(5, "first") + cancel(5) + call(5, "second"))
        assert agent.receive()["error"]["data"]["code"] == "WIR051"
        assert agent.call("echo", {"text": "after"}, request_id=6)["result"]
    assert [one["arguments"]["text"] for one in ran(tmp_path)] == ["first", "after"]
    assert verifies(tmp_path)
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    kinds = [record["kind"] for record in records if record.get("id", "").endswith("-2")]
    assert kinds == ["decision", "outcome"]


def test_a_parked_call_that_is_cancelled_never_runs(tmp_path: Path) -> None:
    with gate(tmp_path, VALIDATED) as agent:
        agent.initialize()
        agent.send_raw(call(5, "parked") + cancel(5) + call(6, "stays"))
        assert agent.answer_to(6)["result"]["content"]
    assert [one["arguments"]["text"] for one in ran(tmp_path)] == ["stays"]


@pytest.mark.parametrize("odd", [5.0, True, None, [5], {"id": 5}, "5"])
def test_a_cancellation_under_an_odd_id_lets_no_other_answer_go(tmp_path: Path, odd: object) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        agent.send_raw(call(5, "first") + cancel(odd))
        assert agent.answer_to(5)["result"]["content"]
        assert agent.call("echo", request_id=5)["result"]["content"]


def test_answers_to_questions_that_were_never_asked_do_no_harm(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        for request_id in (1, "callgate-1", "initialize", -1, ""):
            agent.send({"jsonrpc": "2.0", "id": request_id, "result": {"tools": [{"name": "rm"}]}})
            agent.send({"jsonrpc": "2.0", "id": request_id, "error": {"code": 1, "message": "no"}})
        assert denial(agent.call("rm"))["code"] == "DEN011"
        assert agent.call("echo", request_id=2)["result"]["content"]
    assert len(ran(tmp_path)) == 1


def test_a_call_that_comes_byte_by_byte_is_judged_as_any_other(tmp_path: Path) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        for data in (call(5, "slow", "rm"), call(6, "slow")):
            for position in range(len(data)):
                agent.send_raw(data[position : position + 1])
        assert denial(agent.answer_to(5))["code"] == "DEN011"
        assert agent.answer_to(6)["result"]["content"]
    assert [one["name"] for one in ran(tmp_path)] == ["echo"]


@pytest.mark.parametrize(
    ("data", "code"),
    [(call(5, "x", "rm")[:-1], "DEN011"), (call(5, "x", "rm")[:-4], "WIR001"), (call(5, "x")[:-9], "WIR001")],
    ids=["without its newline", "cut off", "allowed and cut off"],
)
def test_a_last_frame_that_is_cut_off_is_answered_and_not_run(tmp_path: Path, data: bytes, code: str) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        agent.send_raw(data)
        agent.close_input()
        answer = agent.receive()
        found = answer["error"]["data"] if "error" in answer else answer["result"]["structuredContent"]
        assert found["code"] == code
        assert agent.wait() == 0
    assert ran(tmp_path) == []
    assert verifies(tmp_path)


LOOKALIKES = [
    "RM",
    "Rm",
    "\uff52\uff4d",
    "\u24e1\u24dc",
    "r\u034fm",
    "rm\ufe0f",
    "\u3164rm",
    "rm ",
    " rm",
    "r m",
]


@pytest.mark.parametrize("name", LOOKALIKES)
def test_where_all_is_allowed_a_denied_tool_is_not_reached_under_another_spelling(
    tmp_path: Path, name: str
) -> None:
    policy = "default: allow\ntools:\n  rm: {rules: [{action: deny, reason: never}]}\n"
    with gate(tmp_path, policy) as agent:
        agent.initialize()
        answer = agent.call(name)
        assert "error" in answer or denial(answer)["code"] == "DEN012"
        assert agent.call("echo", request_id=2)["result"]["content"]
    assert [one["name"] for one in ran(tmp_path)] == ["echo"]


@pytest.mark.parametrize("name", ["rm", *LOOKALIKES])
def test_a_hidden_tool_is_reached_under_no_spelling_and_answers_as_an_unknown_one(
    tmp_path: Path, name: str
) -> None:
    with gate(tmp_path, "default: allow\nhide: [rm]\n") as agent:
        agent.initialize()
        hidden = agent.call(name, {"text": "secret"})
        unknown = agent.call("nothing", {"text": "secret"})
        if name == "rm":
            assert "structuredContent" not in hidden["result"]
            assert set(hidden["result"]) == set(unknown["result"])
    assert [one["name"].startswith("unknown-") for one in ran(tmp_path)[:-1]] in ([True], [])
    assert "secret" not in json.dumps(ran(tmp_path)[:-1])
