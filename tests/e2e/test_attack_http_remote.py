"""Every attack of the corpus from an agent on stdio through `callgate run --upstream` to a sloppy server over HTTP.

The witness is every byte that reached that server, read as carelessly as anybody may.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attacks import CORPUS, Attack, Target
from tests.attacks.http_answers import ANSWERS, HostileAnswer
from tests.support.gate_process import GateProcess
from tests.support.raw_agent import META, code_of
from tests.support.recording_http_server import Received, RecordingHttpServer

TARGET = Target("rm", {"text": "forbidden"}, "echo", {"text": "hello"})
POLICY = "default: deny\ntools:\n  echo: {rules: []}\n"
ERAS = pytest.mark.parametrize("guarded", ["legacy", "modern"], indirect=True)
pytestmark = pytest.mark.xdist_group("attacks-remote")


class Guarded:
    """A gate for one agent in front of a recording server."""

    def __init__(
        self, era: str, folder: Path, recording: RecordingHttpServer, policy_text: str = POLICY
    ) -> None:
        self.recording = recording
        self.audit = folder / "audit.jsonl"
        policy = folder / "policy.yaml"
        policy.write_text(policy_text)
        options = ["--audit", str(self.audit), "--audit-sync", "none", "--log-level", "error"]
        self.gate = GateProcess(policy, [], *options, "--state", "memory://", "--upstream", recording.url)
        # What the agent says first is what the era is of.
        self.meta: dict[str, Any] = {"_meta": META} if era == "modern" else {}
        if era == "legacy":
            self.gate.initialize()
        self.count = 0

    def attack(self, data: bytes) -> list[dict[str, Any]]:
        """Write the attack, wait until it is dealt with, and see that an ordinary call is still served."""
        assert "rm" not in self.recording.called
        self.recording.take()
        self.count += 1
        params = {"name": "echo", "arguments": {"text": f"ordinary {self.count}"}, **self.meta}
        id = f"ordinary {self.count}"
        frame = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
        self.gate.send_raw(data + b"\n" + json.dumps(frame).encode() + b"\n")
        answers: list[dict[str, Any]] = []
        while (answer := self.gate.receive()).get("id") != id:
            answers.append(answer)
        assert json.loads(answer["result"]["content"][0]["text"]) == params["arguments"]
        return answers


@pytest.fixture(scope="module")
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One gate for all attacks. Its audit must verify at the end."""
    with RecordingHttpServer() as recording:
        gated = Guarded(request.param, tmp_path_factory.mktemp("remote"), recording)
        with gated.gate:
            yield gated
        assert gated.gate.wait() == 0
    verify = [sys.executable, "-m", "callgate", "audit", "verify", str(gated.audit)]
    assert subprocess.run(verify, capture_output=True, text=True).returncode == 0


@ERAS
@pytest.mark.parametrize("attack", [attack for attack in CORPUS if not attack.heavy], ids=lambda a: a.name)
def test_nothing_forbidden_reaches_a_server_behind_an_upstream_url(guarded: Guarded, attack: Attack) -> None:
    answers = guarded.attack(attack.build(TARGET))
    assert "rm" not in guarded.recording.called
    frames = [one.frame for one in guarded.recording.take() if one.body]
    calls = [frame["params"] for frame in frames if frame.get("method") == "tools/call"]
    # Each goes its own way: they may arrive in any order.
    ordinary = [call for call in calls if call["arguments"]["text"] == f"ordinary {guarded.count}"]
    assert len(ordinary) == 1
    assert [call for call in calls if call not in ordinary] == list(attack.passes(TARGET))
    found = [(answer["id"], code_of(answer)) for answer in answers]
    wanted = attack.answers
    if guarded.meta:
        # Methods that the other era has may be unknown to this one.
        found = [(id, code if code.startswith(("WIR", "DEN")) else "result") for id, code in found]
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))


HIDING = "default: allow\nhide: [rm]\n"


@pytest.fixture(scope="module", params=["legacy", "modern"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A gate in front of a server that can turn hostile."""
    with RecordingHttpServer() as recording:
        recording.closes = True
        gated = Guarded(request.param, tmp_path_factory.mktemp("hostile"), recording, HIDING)
        with gated.gate:
            yield gated


@pytest.mark.parametrize("attack", ANSWERS, ids=lambda attack: attack.name)
def test_a_hostile_answer_shows_the_agent_one_message_a_line_and_no_hidden_tool(
    hostile: Guarded, attack: HostileAnswer
) -> None:
    hostile.count += 1
    id = f"attack {hostile.count}"

    def replies(request: Received) -> bytes | None:
        wanted = request.method == "POST" and request.frame.get("id") == id
        return attack.build(json.dumps(id).encode()) if wanted else None

    hostile.recording.replies = replies
    params = {"name": "echo", "arguments": {}} if attack.to == "tools/call" else {}
    hostile.gate.send({"jsonrpc": "2.0", "id": id, "method": attack.to, "params": {**params, **hostile.meta}})
    # Every request is answered, whatever the server does; what else comes is looked at too.
    told: list[dict[str, Any]] = []
    while not any("method" not in frame and frame.get("id") == id for frame in told):
        line = hostile.gate.receive_line()
        assert line
        assert not {b"\r", b"\n"} & {line[at : at + 1] for at in range(len(line))}
        told.append(json.loads(line))
    for frame in told:
        assert isinstance(frame, dict)
        if not (attack.to == "tools/call" and frame.get("id") == id):
            assert b'"rm"' not in json.dumps(frame).encode(), frame
        assert "evil.example" not in json.dumps(frame)
    hostile.recording.replies = lambda _: None
    codes = []
    for attempt in range(2):
        # A connection that the server ended without a word may be met once.
        call = {"name": "echo", "arguments": {"text": "after"}, **hostile.meta}
        answer = hostile.gate.ask("tools/call", call, f"after {hostile.count} {attempt}")
        codes.append(code_of(answer))
        if codes[-1] == "UPS029":
            # A 404 ends a session: the agent has to begin another.
            hostile.gate.initialize()
    assert codes[-1] == "result", codes
