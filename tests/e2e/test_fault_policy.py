"""The policy file changes, breaks and vanishes while the gate runs: it is never open for lack of a policy."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.gate_process import GateProcess, denial

RECORDING = [sys.executable, str(Path(__file__).resolve().parent.parent / "support/recording_server.py")]
FIRST = "default: deny\ntools:\n  echo: {rules: [{rate_limit: 3/hour}]}\n"
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
CHANGED = "notifications/tools/list_changed"


def gate(folder: Path, text: str = FIRST) -> GateProcess:
    policy = folder / "policy.yaml"
    policy.write_text(text)
    return GateProcess(policy, [*RECORDING, str(folder / "log.jsonl"), "echo", "rm"])


def denied(answer: dict[str, Any]) -> bool:
    return answer["result"].get("isError") is True


def replace(path: Path, text: str) -> None:
    """As editors do: a new file in the place of the old."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@pytest.mark.parametrize("write", [Path.write_text, replace], ids=["written", "replaced"])
def test_an_edit_holds_for_the_next_call_and_counters_survive_it(tmp_path: Path, write: Any) -> None:
    with gate(tmp_path) as agent:
        agent.initialize()
        assert not denied(agent.call("echo", request_id=1))
        assert denied(agent.call("rm", request_id=2))
        write(tmp_path / "policy.yaml", FIRST + "  rm: {rules: []}\n")
        assert not denied(agent.call("rm", request_id=3))
        assert not denied(agent.call("echo", request_id=4))
        assert not denied(agent.call("echo", request_id=5))
        assert denial(agent.call("echo", request_id=6))["code"] == "DEN020"
        write(tmp_path / "policy.yaml", "default: deny\ntools: {}\n")
        assert denied(agent.call("rm", request_id=7))


def broken(path: Path) -> None:
    path.write_text("default: [")


def unknown_key(path: Path) -> None:
    path.write_text("defualt: allow\n")


def deleted(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 100)


def too_large(path: Path) -> None:
    path.write_text("default: allow\n" + "# padding\n" * 2_000_000)


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "spoil",
    [broken, unknown_key, deleted, emptied, a_directory, a_fifo, binary, too_large, a_dangling_link],
    ids=lambda spoil: spoil.__name__,
)
def test_a_policy_that_went_bad_leaves_the_old_one_in_force_and_says_so(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "policy.yaml"
    with gate(tmp_path) as agent:
        agent.initialize()
        spoil(path)
        assert denied(agent.call("rm", request_id=1))
        assert not denied(agent.call("echo", request_id=2))
        assert "the old one stays" in agent.stderr
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_text("default: deny\ntools:\n  rm: {rules: []}\n")
        assert not denied(agent.call("rm", request_id=3))
        assert denied(agent.call("echo", request_id=4))


def test_a_policy_without_permission_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    # Root reads every file; then the change of mode is a reload of the same policy, which must change nothing.
    path = tmp_path / "policy.yaml"
    with gate(tmp_path) as agent:
        agent.initialize()
        path.chmod(0)
        assert denied(agent.call("rm", request_id=1))
        assert not denied(agent.call("echo", request_id=2))


def test_a_policy_written_in_two_halves_never_opens_the_gate(tmp_path: Path) -> None:
    first_half, second_half = "default: allow\n", "tools:\n  rm: {rules: [{action: deny}]}\n"
    path = tmp_path / "policy.yaml"
    with gate(tmp_path, first_half + second_half) as agent:
        agent.initialize()
        for number in range(5):
            with open(path, "w") as file:
                file.write(first_half)
                file.flush()
                # The call is on its way while half of the file is there, and by itself that half allows it.
                agent.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "rm"}})
                file.write(second_half)
            assert denied(agent.answer_to(number))
    log = tmp_path / "log.jsonl"
    assert not log.exists()


def notified(agent: GateProcess, request_id: object) -> list[dict[str, Any]]:
    """Ask for an answer; the notifications of a changed list that came before it."""
    agent.send({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {"name": "echo"}})
    found = []
    while (message := agent.receive()).get("id") != request_id:
        if message.get("method") == CHANGED:
            found.append(message)
    return found


def test_the_agent_is_told_if_and_only_if_it_now_sees_other_tools(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    with gate(tmp_path) as agent:
        agent.initialize()
        assert len(agent.ask("tools/list", {}, "list")["result"]["tools"]) == 2
        path.write_text(FIRST + "  rm: {rules: []}\n")
        assert notified(agent, 1) == []
        path.write_text("hide: [absent]\n" + FIRST)
        assert notified(agent, 2) == []
        path.write_text("hide: [rm]\n" + FIRST)
        assert notified(agent, 3) == [{"jsonrpc": "2.0", "method": CHANGED}]
        assert len(agent.ask("tools/list", {}, "list")["result"]["tools"]) == 1
        path.write_text("hide: [" + FIRST)
        assert notified(agent, 4) == []


def test_in_the_modern_era_only_the_streams_that_asked_are_told(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    # A server that acknowledges the streams and keeps them open.
    code = "import json, sys\nfor line in sys.stdin:\n m = json.loads(line)\n"
    code += " r = {'resultType': 'complete', 'tools': [{'name': n} for n in ('echo', 'rm')]}\n"
    code += " a = {'jsonrpc': '2.0', 'id': m['id'], 'result': r}\n"
    code += " b = {'jsonrpc': '2.0', 'method': 'notifications/subscriptions/acknowledged', 'params': {}}\n"
    code += " print(json.dumps(b if m['method'] == 'subscriptions/listen' else a), flush=True)\n"
    path.write_text(FIRST)
    with GateProcess(path, [sys.executable, "-c", code]) as agent:
        agent.ask("tools/list", {"_meta": MODERN}, "list")
        for name, wanted in (("with", True), ("without", False)):
            params = {"notifications": {"toolsListChanged": wanted}, "_meta": MODERN}
            agent.send({"jsonrpc": "2.0", "id": name, "method": "subscriptions/listen", "params": params})
            assert agent.receive()["method"] == "notifications/subscriptions/acknowledged"
        path.write_text("hide: [rm]\n" + FIRST)
        (told,) = notified(agent, 1)
        assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "with"}


def test_a_gate_whose_policy_does_not_deny_refuses_to_run(tmp_path: Path) -> None:
    policy, started = tmp_path / "policy.yaml", tmp_path / "started"
    policy.write_text(FIRST)
    (tmp_path / "sitecustomize.py").write_text(
        "from callgate.decision import Decision, Effect\n"
        "from callgate.policy import compile as compiled\n"
        "compiled.Policy.decide = lambda self, request: Decision(Effect.ALLOW)\n"
    )
    server = [sys.executable, "-S", "-c", f"open({str(started)!r}, 'w')"]
    with GateProcess(policy, server, env={"PYTHONPATH": str(tmp_path)}) as agent:
        assert agent.receive_line() == b""
        assert agent.wait() == 70
    assert "SELF001" in agent.stderr
    assert not started.exists()
