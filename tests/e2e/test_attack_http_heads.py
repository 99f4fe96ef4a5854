"""Requests whose head lies, and bytes that hide a second request: none of them reaches a server behind a real gate."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks import Target
from tests.attacks.http_framing import FRAMING, Smuggled
from tests.attacks.http_heads import HEADS, ROUTED, HeadAttack, legacy_body, modern_body
from tests.support.raw_agent import JSON, RawAgent, code_of
from tests.support.recording_http_server import RecordingHttpServer
from tests.support.serve_process import ServeProcess

TARGET = Target("rm", {"text": "forbidden"}, "echo", {"text": "hello"})
POLICY = "default: allow\ntools:\n  rm: {rules: [{action: deny}]}\n"
pytestmark = pytest.mark.xdist_group("attacks-heads")


class Guarded:
    """A gate in front of one recording server."""

    def __init__(self, folder: Path, recording: RecordingHttpServer) -> None:
        self.recording = recording
        self.gate = ServeProcess(
            folder,
            {"srv": {"url": recording.url, "policy": "p.yaml"}},
            "--log-level",
            "error",
            settings={"state": "memory://"},
            policies={"p.yaml": POLICY},
        )
        self.agent = RawAgent(self.gate.port, "/srv/mcp")

    def serves(self) -> None:
        assert self.agent.call("echo", {"text": "after"}).code == "result"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One gate for all: each attack must leave it able to serve."""
    with RecordingHttpServer("echo", "rm") as recording:
        gated = Guarded(tmp_path_factory.mktemp("heads"), recording)
        with gated.gate:
            yield gated
    assert gated.gate.process.returncode == 0


@pytest.mark.parametrize("attack", HEADS, ids=lambda attack: attack.name)
def test_a_head_that_lies_reaches_no_server(guarded: Guarded, attack: HeadAttack) -> None:
    guarded.recording.take()
    answer = guarded.agent.request("POST", attack.headers, attack.body(TARGET))
    arrived = guarded.recording.take()
    # The gate itself may ask for the tools' schemas, and for nothing else.
    assert [one.frame["method"] for one in arrived if one.frame["method"] != "tools/list"] == []
    status, code = attack.answer
    assert answer.status == status, answer
    if code is not None:
        assert code_of(answer.frame) == code
    for name, value in attack.headers:
        if "evil" in value:
            assert value.encode() not in answer.body, name
    guarded.serves()


@pytest.mark.parametrize("body", [legacy_body, modern_body()], ids=["older", "modern"])
def test_the_same_bodies_reach_the_server_under_heads_that_are_true(guarded: Guarded, body: object) -> None:
    guarded.recording.take()
    headers = ROUTED if body is not legacy_body else [*JSON, ("MCP-Protocol-Version", "2025-11-25")]
    answer = guarded.agent.request("POST", headers, body(TARGET))  # type: ignore[operator]
    assert answer.code == "result"
    assert len(guarded.recording.take()) == 1


@pytest.mark.parametrize("tool", ["echo", "rm"])
@pytest.mark.parametrize("attack", FRAMING, ids=lambda attack: attack.name)
def test_a_request_that_is_hidden_in_another_reaches_nobody(
    guarded: Guarded, attack: Smuggled, tool: str
) -> None:
    target = Target("rm", {"text": "smuggled"}, "echo", {"text": "smuggled"})
    hidden = target.allowed() if tool == "echo" else target.forbidden()
    lines = f"POST /srv/mcp HTTP/1.1\r\nHost: 127.0.0.1:{guarded.gate.port}\r\n"
    lines += "".join(f"{name}: {value}\r\n" for name, value in JSON)
    inner = f"{lines}Content-Length: {len(hidden)}\r\n\r\n".encode() + hidden
    guarded.recording.take()
    received = guarded.agent.exchange(attack.build(lines.encode(), inner))
    # One refusal, and the connection is over.
    assert received.startswith(b"HTTP/1.1 4"), received
    assert received.count(b"HTTP/1.1 ") == 1, received
    assert b"smuggled" not in received
    guarded.serves()
    assert all(b"smuggled" not in one.body for one in guarded.recording.take())
