"""A hostile server over HTTP can show an agent nothing but messages, and no tool that the policy hides."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attacks.http_answers import ANSWERS, HostileAnswer
from tests.support.raw_agent import LEGACY, RawAgent, Reply, reply
from tests.support.recording_http_server import Received, RecordingHttpServer
from tests.support.serve_process import ServeProcess

POLICY = "default: allow\nhide: [rm]\n"
OWN_HEADERS = {
    "x-content-type-options",
    "content-type",
    "content-length",
    "cache-control",
    "connection",
    "transfer-encoding",
    "x-accel-buffering",
    "retry-after",
}
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])
pytestmark = pytest.mark.xdist_group("attacks-answers")


class Guarded:
    """A gate in front of a server that can turn hostile."""

    def __init__(self, folder: Path, recording: RecordingHttpServer) -> None:
        self.recording = recording
        recording.closes = True
        self.gate = ServeProcess(
            folder,
            {"srv": {"url": recording.url, "policy": "p.yaml", "max_response": "2 MiB", "timeout": "5s"}},
            "--log-level",
            "error",
            settings={"state": "memory://"},
            policies={"p.yaml": POLICY},
        )
        self.agent = RawAgent(self.gate.port, "/srv/mcp")

    def turns(self, attack: HostileAnswer, to: str) -> None:
        """From now on, `to` is answered with the attack."""

        def replies(request: Received) -> bytes | None:
            if request.method == "GET":
                return attack.build(b"7") if to == "GET" else None
            frame = request.frame
            hostile = frame["method"] == to and frame["id"] == 7
            return attack.build(json.dumps(frame["id"]).encode()) if hostile else None

        self.recording.replies = replies

    def serves(self) -> None:
        self.recording.replies = lambda _: None
        # A connection that the server ended without a word may be met once.
        codes = [self.agent.call("echo", {"text": "after"}).code for _ in range(2)]
        assert codes[-1] == "result", codes


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One gate for all: each attack must leave it able to serve."""
    with RecordingHttpServer() as recording:
        gated = Guarded(tmp_path_factory.mktemp("answers"), recording)
        with gated.gate:
            yield gated
    assert gated.gate.process.returncode == 0


def check(raw: bytes, method: str, *, call: bool) -> Reply:
    """One answer of HTTP, headers of the gate alone, events that are messages alone, and no hidden tool."""
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"evil" not in head.lower(), head
    answer = reply(raw, method)
    assert {name.lower() for name, _ in answer.headers} <= OWN_HEADERS, answer.headers
    assert answer.status not in (401, 403, 407), answer
    assert 200 <= answer.status < 600
    assert not 300 <= answer.status < 400, answer
    if answer.header("content-type") == "text/event-stream":
        for event in answer.events:
            fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n"))
            assert set(fields) <= {b"event", b"data", b"id", b"retry"}, event
            assert fields.get(b"event", b"message") == b"message", event
    for frame in answer.frames:
        assert frame["jsonrpc"] == "2.0", frame
        # What a call is answered with is the server's to say; anything else may be taken for a list.
        if not (call and frame.get("id") == 7):
            assert "rm" not in names(frame), frame
    return answer


def names(value: Any) -> set[str]:
    """Every `name` in it."""
    if isinstance(value, list):
        return {name for one in value for name in names(one)}
    if not isinstance(value, dict):
        return set()
    own = {value["name"]} if isinstance(value.get("name"), str) else set()
    return own | {name for one in value.values() for name in names(one)}


@ERAS
@pytest.mark.parametrize("attack", ANSWERS, ids=lambda attack: attack.name)
def test_a_hostile_answer_shows_nothing_that_is_not_the_agents_to_see(
    guarded: Guarded, attack: HostileAnswer, era: str
) -> None:
    guarded.turns(attack, attack.to)
    params = {"name": "echo", "arguments": {"text": "x"}} if attack.to == "tools/call" else {}
    ask = guarded.agent.modern if era == "modern" else guarded.agent.ask
    received: list[bytes] = []
    exchange = guarded.agent.exchange
    guarded.agent.exchange = lambda data: received.append(exchange(data)) or received[-1]  # type: ignore[func-returns-value, method-assign]
    try:
        ask(attack.to, params, 7)
    finally:
        guarded.agent.exchange = exchange  # type: ignore[method-assign]
    answer = check(received[0], "POST", call=attack.to == "tools/call")
    # Every request is answered, once: with a message, or with a stream that ends as the server's did.
    answers = [frame for frame in answer.frames if frame.get("id") == 7 and "method" not in frame]
    if answer.header("content-type") == "application/json":
        assert len(answer.frames) == 1
        assert answer.frame["id"] in (7, 99)
    else:
        assert len(answers) <= 1000
    guarded.serves()


@pytest.mark.parametrize(
    "attack", [attack for attack in ANSWERS if attack.streams], ids=lambda attack: attack.name
)
def test_a_hostile_listening_stream_shows_no_more(guarded: Guarded, attack: HostileAnswer) -> None:
    guarded.turns(attack, "GET")
    headers = [("Accept", "text/event-stream"), ("MCP-Protocol-Version", LEGACY)]
    received = guarded.agent.exchange(guarded.agent.head("GET", headers, None))
    check(received, "GET", call=False)
    guarded.serves()


def test_a_redirection_is_followed_nowhere(guarded: Guarded) -> None:
    with RecordingHttpServer() as elsewhere:
        location = f"Location: {elsewhere.url}\r\n".encode()
        for status in (b"301", b"302", b"303", b"307", b"308"):
            answer = b"HTTP/1.1 %b X\r\n%bContent-Length: 0\r\n\r\n" % (status, location)
            guarded.turns(HostileAnswer("redirection", lambda _, answer=answer: answer), "tools/call")  # type: ignore[misc]
            told = guarded.agent.modern_call("echo", {"text": "x"}, 7)
            assert (told.status, told.code) == (502, "UPS028")
        assert elsewhere.received == []
    guarded.serves()
