"""Servers are told who calls and under which session limits are counted, and no agent has a word in that."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.support.gate_process import GateProcess
from tests.support.raw_agent import RawAgent, Reply
from tests.support.recording_http_server import RecordingHttpServer
from tests.support.serve_process import ServeProcess

from callgate.identity import local_identity

SERVER = str(Path(__file__).resolve().parent.parent / "support/telling_server.py")
CHOSEN = {"CALLGATE_IDENTITY": "key:root", "CALLGATE_SESSION": "another's"}
FORGED = (("Callgate-Identity", "key:root"), ("Callgate-Session", "another's"), ("callgate-identity", "x"))
pytestmark = pytest.mark.xdist_group("caller-told")


def _recorded(audit: Path) -> list[tuple[str, str]]:
    """Identity and session of every call to `who` or `echo` that the audit holds."""
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    return [
        (each["identity"], each["session"])
        for each in records
        if each["kind"] == "decision" and each["tool"] in ("who", "echo")
    ]


def _told(answer: dict[str, Any]) -> dict[str, str]:
    told: dict[str, str] = answer["result"]["structuredContent"]
    return told


def test_a_server_that_run_starts_is_told_the_local_user_and_the_session(tmp_path: Path) -> None:
    policy, audit = tmp_path / "p.yaml", tmp_path / "a.jsonl"
    policy.write_text("default: allow\n")
    environment = {**CHOSEN, "FROM_OUTSIDE": "kept"}
    sessions = set()
    for options in ((), (), ("--session", "nightly job")):
        command = (policy, [sys.executable, SERVER], "--audit", str(audit), *options)
        with GateProcess(*command, env=environment) as gate:
            gate.initialize()
            told = _told(gate.call("who"))
        assert told["CALLGATE_IDENTITY"] == local_identity()
        assert told["FROM_OUTSIDE"] == "kept"
        assert told["HOME"] == os.environ["HOME"]
        assert _recorded(audit)[-1] == (told["CALLGATE_IDENTITY"], told["CALLGATE_SESSION"])
        sessions.add(told["CALLGATE_SESSION"])
    assert len(sessions) == 3
    assert "nightly job" in sessions


def _new_key(identity: str) -> tuple[str, dict[str, Any]]:
    command = [sys.executable, "-m", "callgate", "key", "new", "--identity", identity, "--format", "json"]
    made = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return made["key"], made["entry"]


class Guarded:
    """A child and two servers over HTTP, of which one is told who calls, behind a gate that knows Ann and Bob."""

    def __init__(self, folder: Path, recording: RecordingHttpServer) -> None:
        self.recording = recording
        keys = {name: _new_key(name) for name in ("ann", "bob")}
        url = {"url": recording.url, "policy": "p.yaml"}
        self.gate = ServeProcess(
            folder,
            {
                "child": {"command": [sys.executable, SERVER], "policy": "p.yaml"},
                "told": {**url, "forward_identity": True},
                "plain": url,
            },
            settings={"state": "memory://", "auth": {"keys": "keys.yaml"}, "audit": "a.jsonl"},
            policies={
                "p.yaml": "default: allow\n",
                "keys.yaml": json.dumps({"keys": [entry for _, entry in keys.values()]}),
            },
            env=CHOSEN,
        )
        self.keys = {name: key for name, (key, _) in keys.items()}
        self.audit = folder / "a.jsonl"

    def agent(self, name: str, server: str) -> RawAgent:
        return RawAgent(self.gate.port, f"/{server}/mcp", self.keys[name])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with RecordingHttpServer("echo") as recording:
        gated = Guarded(tmp_path_factory.mktemp("told"), recording)
        with gated.gate:
            yield gated


def _call(agent: RawAgent, tool: str, era: str) -> Reply:
    """One call with headers that claim to be from the gate."""
    if era == "modern":
        return agent.modern_call(tool, {"text": "hi"}, 1, *FORGED)
    agent.initialize(*FORGED)
    return agent.call(tool, {"text": "hi"}, 1, *FORGED)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_child_is_told_the_proven_identity_and_the_session_that_is_recorded(
    guarded: Guarded, era: str
) -> None:
    found = []
    for name in ("ann", "bob"):
        told = _told(_call(guarded.agent(name, "child"), "who", era).frame)
        assert told["CALLGATE_IDENTITY"] == f"key:{name}"
        assert _recorded(guarded.audit)[-1] == (told["CALLGATE_IDENTITY"], told["CALLGATE_SESSION"])
        found.append(told["CALLGATE_SESSION"])
    assert len(set(found)) == 2


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_server_over_http_is_told_if_the_operator_wants_it_and_never_by_the_agent(
    guarded: Guarded, era: str
) -> None:
    guarded.recording.take()
    _call(guarded.agent("ann", "told"), "echo", era)
    arrived = guarded.recording.take()
    assert arrived
    for request in arrived:
        identity, session = request.header("callgate-identity"), request.header("callgate-session")
        assert identity == "key%3Aann"
        assert session is not None
        if request.frame["method"] == "tools/call":
            assert _recorded(guarded.audit)[-1] == (unquote(identity), unquote(session))
    _call(guarded.agent("ann", "plain"), "echo", era)
    for request in guarded.recording.take():
        assert not [name for name, _ in request.headers if name.lower().startswith("callgate-")]
