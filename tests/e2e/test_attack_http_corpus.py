"""Every attack of the corpus as the body of a POST to a real `callgate serve`, in front of servers that read sloppily.

The servers are the witnesses: over HTTP by every byte that reached them, read as carelessly as anybody may; children
by their log of what they ran. Every refused request is answered, and the gate serves on.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attacks import CORPUS, Attack, Target
from tests.attacks.attack import ID, Answer
from tests.support.lenient_reader import called_tools
from tests.support.raw_agent import JSON, META, MODERN, RawAgent, Reply
from tests.support.recording_http_server import RecordingHttpServer
from tests.support.serve_process import ServeProcess

SUPPORT = Path(__file__).resolve().parent.parent / "support"
TARGET = Target("rm", {"text": "forbidden"}, "echo", {"text": "hello"})
POLICY = "default: deny\ntools:\n  echo: {rules: []}\n"
CHILDREN = {
    "python": [sys.executable, str(SUPPORT / "recording_server.py")],
    "splitlines": [sys.executable, str(SUPPORT / "recording_server.py")],
    "readline": ["node", str(SUPPORT / "recording_server.mjs"), "readline"],
    "buffer": ["node", str(SUPPORT / "recording_server.mjs"), "buffer"],
}
LIGHT = [attack for attack in CORPUS if not attack.heavy]
pytestmark = pytest.mark.xdist_group("attacks-http")

# A body is one frame: what is a line end between frames on a pipe is white space in it, or no JSON.
ONE_FRAME: dict[str, tuple[Answer, ...]] = {
    "a call in a ping between line feeds": ((1, "result"),),
    "a call behind CR and LF": ((None, "WIR001"),),
    "a call in the framing of the language server protocol": ((None, "WIR001"),),
    # Era by header and era by body must agree.
    "_meta claims the modern era": ((ID, "WIR070"),),
    "_meta claims an era to come": ((ID, "WIR070"),),
    "_meta has a version that is no string": ((ID, "WIR070"),),
}


BEFORE_JUDGING = {"WIR004", "WIR005", "WIR009", "WIR070", "WIR072", "WIR075"}
"""In the modern era there is a `_meta` already, and headers that may name something else than the body does."""


class ModernTarget(Target, frozen=True):
    """The same calls as they are in 2026-07-28."""

    @property
    def forbidden_params(self) -> bytes:
        return super().forbidden_params[:-1] + b',"_meta":' + json.dumps(META).encode() + b"}"

    @property
    def allowed_params(self) -> dict[str, Any]:
        return {**super().allowed_params, "_meta": META}


MODERN_TARGET = ModernTarget("rm", {"text": "forbidden"}, "echo", {"text": "hello"})


class Guarded:
    """One gate in front of all of the servers."""

    def __init__(self, folder: Path, recording: RecordingHttpServer) -> None:
        self.recording = recording
        self.folder = folder
        self.audit = folder / "audit.jsonl"
        servers: dict[str, dict[str, Any]] = {"http": {"url": recording.url, "policy": "echo.yaml"}}
        for name, command in CHILDREN.items():
            env = {"RECORDING_SPLITLINES": "1"} if name == "splitlines" else {}
            log = str(self.log(name))
            servers[name] = {"command": [*command, log], "policy": "echo.yaml", "env": env}
        self.gate = ServeProcess(
            folder,
            servers,
            "--audit",
            str(self.audit),
            "--audit-sync",
            "none",
            "--log-level",
            "error",
            settings={"state": "memory://"},
            policies={"echo.yaml": POLICY},
        )
        self.agents = {name: RawAgent(self.gate.port, f"/{name}/mcp") for name in servers}
        self._seen = dict.fromkeys(servers, 0)
        self.count = 0

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def agent(self, name: str) -> RawAgent:
        """The agent of one server, in a session."""
        agent = self.agents[name]
        if agent.session is None:
            agent.initialize()
        return agent

    def serves(self, name: str) -> None:
        """An ordinary call must still be served."""
        self.count += 1
        arguments = {"text": f"ordinary {self.count}"}
        answer = self.agent(name).call("echo", arguments, self.count)
        assert answer.status == 200, answer
        assert json.loads(answer.frame["result"]["content"][0]["text"]) == arguments

    def ran(self, name: str) -> list[dict[str, Any]]:
        """What a child has run since the last look, without the ordinary call behind it, which must be there."""
        lines = self.log(name).read_text().split("\n")[:-1]
        calls = [json.loads(line) for line in lines[self._seen[name] :]]
        self._seen[name] = len(lines)
        assert calls[-1:] == [{"name": "echo", "arguments": {"text": f"ordinary {self.count}"}}]
        return calls[:-1]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One gate for all attacks: each must leave it able to serve the next. Its audit must verify at the end."""
    with RecordingHttpServer() as recording:
        gated = Guarded(tmp_path_factory.mktemp("corpus"), recording)
        with gated.gate:
            yield gated
    assert gated.gate.process.returncode == 0
    verify = [sys.executable, "-m", "callgate", "audit", "verify", str(gated.audit)]
    assert subprocess.run(verify, capture_output=True, text=True).returncode == 0


def expected(attack: Attack) -> tuple[Answer, ...]:
    return ONE_FRAME.get(attack.name, attack.answers)


def check_answer(reply: Reply, wanted: tuple[Answer, ...]) -> None:
    """Answered, as it must be, and with a status that goes with it."""
    assert sorted(map(repr, reply.codes)) == sorted(map(repr, wanted))
    for _, code in wanted:
        fine = code == "result" or code.startswith("DEN") or code == "WIR050"
        assert reply.status == (200 if fine else 400), reply


@pytest.mark.parametrize("attack", LIGHT, ids=lambda attack: attack.name)
def test_nothing_forbidden_reaches_a_server_over_http(guarded: Guarded, attack: Attack) -> None:
    agent = guarded.agent("http")
    guarded.recording.take()
    reply = agent.post(attack.build(TARGET))
    assert "rm" not in guarded.recording.called
    passed = [one.frame for one in guarded.recording.take() if b'"tools/call"' in one.body]
    runs = () if attack.name in ONE_FRAME else attack.passes(TARGET)
    assert [frame["params"] for frame in passed if frame.get("method") == "tools/call"] == list(runs)
    check_answer(reply, expected(attack))
    guarded.serves("http")


@pytest.mark.parametrize("attack", LIGHT, ids=lambda attack: attack.name)
@pytest.mark.parametrize("server", CHILDREN)
def test_nothing_forbidden_runs_on_a_child_however_it_reads(
    guarded: Guarded, server: str, attack: Attack
) -> None:
    reply = guarded.agent(server).post(attack.build(TARGET))
    guarded.serves(server)
    assert guarded.ran(server) == ([] if attack.name in ONE_FRAME else list(attack.passes(TARGET)))
    check_answer(reply, expected(attack))


@pytest.mark.parametrize("name", ["rm", "echo"])
@pytest.mark.parametrize("attack", LIGHT, ids=lambda attack: attack.name)
def test_nothing_forbidden_reaches_a_server_in_the_modern_era(
    guarded: Guarded, attack: Attack, name: str
) -> None:
    headers = [*JSON, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", "tools/call"), ("Mcp-Name", name)]
    guarded.recording.take()
    reply = guarded.agent("http").request("POST", headers, attack.build(MODERN_TARGET))
    assert "rm" not in guarded.recording.called
    guarded.recording.take()
    if reply.body:
        ((id, code),) = reply.codes
        wanted = expected(attack)
        assert code in {*BEFORE_JUDGING, *(code for _, code in wanted)}, reply
        assert id in {None, 1, *(id for id, _ in wanted)}
    else:
        assert not attack.answers
        assert reply.status in (202, 400)
    guarded.serves("http")


@pytest.mark.parametrize("attack", [attack for attack in CORPUS if attack.heavy], ids=lambda a: a.name)
def test_a_large_body_is_refused_by_its_length_or_judged(guarded: Guarded, attack: Attack) -> None:
    body = attack.build(TARGET)
    guarded.recording.take()
    reply = guarded.agent("http").post(body)
    assert "rm" not in guarded.recording.called if len(body) < 1 << 20 else not guarded.recording.received
    if len(body) > 16 << 20:
        assert reply.status == 413
    else:
        check_answer(reply, expected(attack))
    guarded.serves("http")


def test_the_witness_does_find_what_careless_readers_find() -> None:
    for attack in LIGHT:
        if attack.works_on:
            assert "rm" in called_tools(attack.build(TARGET)), attack.name
    assert called_tools(TARGET.allowed()) == {"echo"}
