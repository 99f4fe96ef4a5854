"""Every attack of the corpus against the real gate, in front of servers that read in different ways.

The server's own log is the witness: it must hold the allowed calls and nothing else, call by call.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attacks import CORPUS, Attack, Target
from tests.support.gate_process import GateProcess

SUPPORT = Path(__file__).resolve().parent.parent / "support"
TARGET = Target("rm", {"text": "forbidden"}, "echo", {"text": "hello"})
POLICY = "default: deny\ntools:\n  echo: {rules: []}\n"
SERVERS = {
    "python": [sys.executable, str(SUPPORT / "recording_server.py")],
    "splitlines": [sys.executable, str(SUPPORT / "recording_server.py")],
    "readline": ["node", str(SUPPORT / "recording_server.mjs"), "readline"],
    "buffer": ["node", str(SUPPORT / "recording_server.mjs"), "buffer"],
}
pytestmark = pytest.mark.xdist_group("attacks")


def environment(reader: str) -> dict[str, str]:
    return {"RECORDING_SPLITLINES": "1"} if reader == "splitlines" else {}


class Log:
    """What the server says that it ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = 0

    def new(self) -> list[dict[str, Any]]:
        """The params of the calls since the last look."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().split("\n")[:-1]
        fresh, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line) for line in fresh]


class Guarded:
    """A gate in front of one recording server, with its log and its audit."""

    def __init__(self, reader: str, folder: Path) -> None:
        policy = folder / "policy.yaml"
        policy.write_text(POLICY)
        self.reader = reader
        self.log = Log(folder / "log.jsonl")
        self.audit = folder / "audit.jsonl"
        command = [*SERVERS[reader], str(self.log.path)]
        self.gate = GateProcess(
            policy,
            command,
            "--audit",
            str(self.audit),
            "--audit-sync",
            "none",
            "--log-level",
            "error",
            env=environment(reader),
        )
        self.gate.initialize()
        self.count = 0

    def attack(self, data: bytes) -> list[dict[str, Any]]:
        """Write the attack and an ordinary call behind it; what came back before the answer to that."""
        self.count += 1
        ordinary = {"name": "echo", "arguments": {"text": f"ordinary {self.count}"}}
        frame = {"jsonrpc": "2.0", "id": f"ordinary {self.count}", "method": "tools/call", "params": ordinary}
        self.gate.send_raw(data + b"\n" + json.dumps(frame).encode() + b"\n")
        answers: list[dict[str, Any]] = []
        while (answer := self.gate.receive()).get("id") != frame["id"]:
            answers.append(answer)
        assert answer["result"]["content"][0]["text"], answer
        return answers

    def ran(self) -> list[dict[str, Any]]:
        """What was run since the last attack, without the ordinary call behind it, which must be there."""
        calls = self.log.new()
        assert calls[-1:] == [{"name": "echo", "arguments": {"text": f"ordinary {self.count}"}}]
        return calls[:-1]


@pytest.fixture(scope="module", params=SERVERS)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One gate for all attacks: each must leave it able to serve the next. Its audit must verify at the end."""
    gated = Guarded(request.param, tmp_path_factory.mktemp(request.param))
    try:
        yield gated
    finally:
        gated.gate.__exit__(None, None, None)
    assert gated.gate.wait() == 0
    verify = [sys.executable, "-m", "callgate", "audit", "verify", str(gated.audit)]
    assert subprocess.run(verify, capture_output=True, text=True).returncode == 0


def code_of(answer: dict[str, Any]) -> str:
    """The code in an answer: of a refused frame, of a denied call, or "result"."""
    if "error" in answer:
        return str(answer["error"].get("data", {}).get("code", "error"))
    content = answer["result"].get("structuredContent", {})
    return str(content.get("code", "result"))


def check(guarded: Guarded, attack: Attack) -> None:
    answers = guarded.attack(attack.build(TARGET))
    assert guarded.ran() == list(attack.passes(TARGET))
    found = [(answer["id"], code_of(answer)) for answer in answers]
    # As text, so that an id keeps its type: 1, 1.0, "1" and true are four ids.
    assert sorted(map(repr, found)) == sorted(map(repr, attack.answers))


@pytest.mark.parametrize("attack", [attack for attack in CORPUS if not attack.heavy], ids=lambda a: a.name)
def test_nothing_forbidden_runs_and_every_refused_request_is_answered(
    guarded: Guarded, attack: Attack
) -> None:
    check(guarded, attack)


@pytest.mark.parametrize("guarded", ["python"], indirect=True)
@pytest.mark.parametrize("attack", [attack for attack in CORPUS if attack.heavy], ids=lambda a: a.name)
def test_a_large_frame_is_judged_or_refused_with_an_answer(guarded: Guarded, attack: Attack) -> None:
    # None of them reaches a server, so one server is witness enough.
    check(guarded, attack)


@pytest.mark.parametrize("reader", SERVERS)
def test_the_same_bytes_do_run_the_forbidden_tool_on_a_server_without_a_gate(
    reader: str, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log.jsonl")
    server = subprocess.Popen(
        [*SERVERS[reader], str(log.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment(reader)},
    )
    harmless = []
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        for attack in CORPUS:
            if reader not in attack.works_on:
                continue
            ping = b'{"jsonrpc":"2.0","id":"done","method":"ping"}\n'
            server.stdin.write(attack.build(TARGET) + b"\n" + ping)
            server.stdin.flush()
            while b'"done"' not in server.stdout.readline():
                pass
            if "rm" not in [call.get("name") for call in log.new()]:
                harmless.append(attack.name)
        server.stdin.close()
    assert harmless == []


def test_the_names_of_the_attacks_are_all_different() -> None:
    assert len({attack.name for attack in CORPUS}) == len(CORPUS)
