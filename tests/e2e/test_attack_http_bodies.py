"""Bodies that come strangely: over many lines, in many pieces, slowly, too long; and children that answer in kind."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.raw_agent import JSON, LEGACY, RawAgent, reply
from tests.support.serve_process import ServeProcess

SUPPORT = Path(__file__).resolve().parent.parent / "support"
POLICY = "default: allow\nhide: [secret]\ntools:\n  rm: {rules: [{action: deny}]}\n"
READERS = {
    "python": [sys.executable, str(SUPPORT / "recording_server.py")],
    "splitlines": [sys.executable, str(SUPPORT / "recording_server.py")],
    "readline": ["node", str(SUPPORT / "recording_server.mjs"), "readline"],
    "buffer": ["node", str(SUPPORT / "recording_server.mjs"), "buffer"],
}
HOSTILE = ("carriage_returns", "answers_twice", "answers_unknown_ids", "garbage", "smuggles_events")
pytestmark = pytest.mark.xdist_group("attacks-bodies")


class Guarded:
    """A gate in front of children that read, or answer, in their own ways."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        servers: dict[str, dict[str, Any]] = {}
        for name, command in READERS.items():
            env = {"RECORDING_SPLITLINES": "1"} if name == "splitlines" else {}
            servers[name] = {"command": [*command, str(self.log(name))], "policy": "p.yaml", "env": env}
        for name in HOSTILE:
            command = [sys.executable, str(SUPPORT / "hostile_server.py"), name, str(self.log(name))]
            servers[name.replace("_", "-")] = {"command": command, "policy": "p.yaml"}
        self.gate = ServeProcess(
            folder,
            servers,
            "--log-level",
            "error",
            settings={"state": "memory://"},
            policies={"p.yaml": POLICY},
        )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def agent(self, name: str) -> RawAgent:
        agent = RawAgent(self.gate.port, f"/{name.replace('_', '-')}/mcp")
        agent.initialize()
        return agent

    def ran(self, name: str) -> list[str]:
        """The tools that a child has run."""
        log = self.log(name)
        return [json.loads(line)["name"] for line in log.read_text().split("\n")[:-1]] if log.exists() else []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    gated = Guarded(tmp_path_factory.mktemp("bodies"))
    with gated.gate:
        yield gated
    assert gated.gate.process.returncode == 0


CALL = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "tools/call",
    "params": {"name": "rm", "arguments": {"text": "x"}},
}
INNER = json.dumps(CALL)
LINES = {
    "printed prettily around a call": json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "CALL"}}, indent=1
    ).replace('"CALL"', f"\n{INNER}\n"),
    "with CRLF around a call": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":\r\n'
    + INNER
    + "\r\n}}",
    "with CR around a call": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":\r' + INNER + "\r}}",
    "with a call in a string behind an escaped line feed": json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": f"\n{INNER}\n"}}
    ),
    "with a call in a string behind an escaped CR": json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": f"\r{INNER}\r"}}
    ),
    **{
        f"with a call in a string behind U+{ord(end):04X}": json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": f"{end}{INNER}{end}"}},
            ensure_ascii=False,
        )
        for end in "\u2028\u2029\u0085"
    },
    "with a call as a key behind U+2028": json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {f"\u2028{INNER}\u2028": 1}},
        ensure_ascii=False,
    ),
    "with a call in the id behind U+2028": json.dumps(
        {"jsonrpc": "2.0", "id": f"\u2028{INNER}\u2028", "method": "ping"}, ensure_ascii=False
    ),
}


@pytest.mark.parametrize("body", LINES.values(), ids=LINES)
@pytest.mark.parametrize("reader", READERS)
def test_no_line_of_a_body_becomes_a_frame_of_its_own(guarded: Guarded, reader: str, body: str) -> None:
    agent = guarded.agent(reader)
    told = agent.post(body.encode())
    assert told.status in (200, 400)
    assert len(told.frames) == 1
    # A child answers in its order: once this is answered, it has read what came before.
    assert agent.call("echo", {"text": "after"}, 8).code == "result"
    assert "rm" not in guarded.ran(reader)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("tool", ["rm", "echo"])
def test_a_body_in_many_chunks_is_one_body(guarded: Guarded, tool: str, size: int) -> None:
    agent = guarded.agent("python")
    before = guarded.ran("python").count("echo")
    body = json.dumps({**CALL, "params": {"name": tool, "arguments": {"text": "x"}}}, indent=1).encode()
    session = [("Mcp-Session-Id", agent.session or ""), ("MCP-Protocol-Version", LEGACY)]
    head = agent.head("POST", [*JSON, *session, ("Transfer-Encoding", "chunked")], None)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    told = reply(agent.exchange(head + chunks + b"0\r\n\r\n"))
    if tool == "rm":
        assert told.frame["result"]["isError"] is True
        assert guarded.ran("python").count("echo") == before
    else:
        assert told.code == "result"
    assert "rm" not in guarded.ran("python")


def test_a_body_that_comes_byte_by_byte_is_judged_as_any_other(guarded: Guarded) -> None:
    agent = guarded.agent("python")
    headers = [*JSON, ("Mcp-Session-Id", agent.session or ""), ("MCP-Protocol-Version", LEGACY)]
    body = INNER.encode()
    with socket.create_connection(("127.0.0.1", agent.port), 30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in agent.head("POST", headers, len(body)) + body:
            sock.sendall(bytes([byte]))
        received = b""
        while piece := sock.recv(65536):
            received += piece
    assert reply(received).frame["result"]["isError"] is True
    assert "rm" not in guarded.ran("python")


@pytest.mark.parametrize("cut", [1, 40, 80])
def test_half_a_body_is_none(guarded: Guarded, cut: int) -> None:
    agent = guarded.agent("python")
    headers = [*JSON, ("Mcp-Session-Id", agent.session or ""), ("MCP-Protocol-Version", LEGACY)]
    body = json.dumps({**CALL, "params": {"name": "echo", "arguments": {"text": "half"}}}).encode()
    before = guarded.ran("python")
    with socket.create_connection(("127.0.0.1", agent.port), 30) as sock:
        sock.sendall(agent.head("POST", headers, len(body)) + body[:-cut])
    assert agent.call("echo", {"text": "after"}, 8).code == "result"
    assert guarded.ran("python") == [*before, "echo"]


@pytest.mark.parametrize("behaviour", HOSTILE)
def test_a_hostile_child_makes_no_event_that_is_not_a_message(guarded: Guarded, behaviour: str) -> None:
    agent = guarded.agent(behaviour)
    told = agent.call("echo", {"text": "x"}, 7)
    if told.header("content-type") == "text/event-stream":
        for event in told.events:
            fields = [line.partition(b":")[0] for line in event.split(b"\n")]
            assert set(fields) <= {b"event", b"data", b"id"}
            assert fields.count(b"data") == 1
    answers = [frame for frame in told.frames if frame.get("id") == 7 and type(frame["id"]) is int]
    assert len(answers) == 1
    assert not any(frame.get("method") == "notifications/smuggled" for frame in told.frames)
    assert agent.ask("ping", {}, 8).status == 200
