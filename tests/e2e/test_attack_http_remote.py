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
from tests.support.gate_process import GateProcess
from tests.support.raw_agent import META, code_of
from tests.support.recording_http_server import RecordingHttpServer

TARGET = Target("rm", {"text": "forbidden"}, "echo", {"text": "hello"})
POLICY = "default: deny\ntools:\n  echo: {rules: []}\n"
ERAS = pytest.mark.parametrize("guarded", ["legacy", "modern"], indirect=True)
pytestmark = pytest.mark.xdist_group("attacks-remote")


class Guarded:
    """A gate for one agent in front of a recording server."""

    def __init__(self, era: str, folder: Path, recording: RecordingHttpServer) -> None:
        self.recording = recording
        self.audit = folder / "audit.jsonl"
        policy = folder / "policy.yaml"
        policy.write_text(POLICY)
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
