"""Several callers before one gate: nobody gets at what is another's, and nothing of a caller's own goes further."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.raw_agent import JSON, LEGACY, RawAgent, Reply
from tests.support.recording_http_server import Received, RecordingHttpServer, http, sse
from tests.support.serve_process import ServeProcess

SUPPORT = Path(__file__).resolve().parent.parent / "support"
POLICY = "default: allow\nhide: [secret]\n"
TOKEN = "the-gates-own-credential"  # noqa: S105
pytestmark = pytest.mark.xdist_group("attacks-callers")


def new_key(identity: str) -> tuple[str, dict[str, Any]]:
    """A key and its entry for the key file."""
    command = [sys.executable, "-m", "callgate", "key", "new", "--identity", identity, "--format", "json"]
    made = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return made["key"], made["entry"]


class Guarded:
    """Two servers behind one gate that knows Ann and Bob."""

    def __init__(self, folder: Path, recording: RecordingHttpServer) -> None:
        self.recording = recording
        keys = {name: new_key(name) for name in ("ann", "bob")}
        entries = json.dumps({"keys": [entry for _, entry in keys.values()]})
        http_server = {
            "url": recording.url,
            "policy": "p.yaml",
            "headers": {"Authorization": f"Bearer {TOKEN}"},
        }
        log = str(folder / "child.jsonl")
        self.gate = ServeProcess(
            folder,
            {
                "one": http_server,
                "two": http_server,
                "child": {
                    "command": [sys.executable, str(SUPPORT / "recording_server.py"), log],
                    "policy": "p.yaml",
                },
                "modern": {
                    "command": [sys.executable, str(SUPPORT / "modern_server.py")],
                    "policy": "p.yaml",
                },
            },
            "--log-level",
            "debug",
            settings={"state": "memory://", "auth": {"keys": "keys.yaml"}},
            policies={"p.yaml": POLICY, "keys.yaml": entries},
        )
        self.keys = {name: key for name, (key, _) in keys.items()}

    def agent(self, name: str, server: str = "one") -> RawAgent:
        return RawAgent(self.gate.port, f"/{server}/mcp", self.keys.get(name))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with RecordingHttpServer("echo", "secret") as recording:
        gated = Guarded(tmp_path_factory.mktemp("callers"), recording)
        with gated.gate:
            yield gated
    assert gated.gate.process.returncode == 0
    for key in gated.keys.values():
        assert key not in gated.gate.stderr
    assert TOKEN not in gated.gate.stderr


@pytest.fixture(autouse=True)
def _ordinary(guarded: Guarded) -> Iterator[None]:
    yield
    guarded.recording.replies = lambda _: None
    guarded.recording.take()


def answering(method: str, answer: Callable[[Received], bytes]) -> Callable[[Received], bytes | None]:
    return lambda request: (
        answer(request) if request.method == "POST" and request.frame.get("method") == method else None
    )


def test_nobody_unknown_reaches_a_server(guarded: Guarded) -> None:
    for key in (None, "cg_x_y", guarded.keys["ann"][:-1], guarded.keys["ann"].upper(), TOKEN):
        agent = RawAgent(guarded.gate.port, "/one/mcp", key)
        for told in (agent.call("echo"), agent.modern_call("echo"), agent.request("GET", agent.key)):
            assert told.status == 401
            assert told.header("www-authenticate") is not None
    assert guarded.recording.take() == []


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_nothing_of_the_callers_own_arrives_at_the_server(guarded: Guarded, era: str) -> None:
    agent = guarded.agent("ann")
    own = [
        ("Cookie", "caller=1"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Host", "caller.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=192.0.2.7"),
        ("X-Real-IP", "192.0.2.7"),
        ("Via", "1.1 caller"),
        ("User-Agent", "caller/1"),
        ("X-Api-Key", "caller"),
        ("Proxy-Authorization", "Basic caller"),
        ("Referer", "http://localhost/caller"),
        ("X-Caller", "caller"),
        ("Mcp-Param-Caller", "caller"),
        ("Range", "bytes=0-1"),
        ("Accept-Encoding", "br"),
        ("Accept-Language", "caller"),
    ]
    if era == "legacy":
        agent.initialize(*own)
        assert agent.call("echo", {"text": "x"}, 1, *own).code == "result"
    else:
        assert agent.modern_call("echo", {"text": "x"}, 1, *own).code == "result"
    arrived = guarded.recording.take()
    assert arrived
    for request in arrived:
        told = " ".join(f"{name}: {value}" for name, value in request.headers)
        words = set(re.split(r"[\s/.:=]+", told.lower()))
        assert not {"caller", "192", "https", "bytes", "br"} & words, told
        assert guarded.keys["ann"] not in told
        assert request.header("authorization") == f"Bearer {TOKEN}"
        assert request.header("accept-encoding") == "identity"


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_the_gate_does_not_send_its_callers_away(
    guarded: Guarded, era: str, status: int
) -> None:
    evil = 'WWW-Authenticate: Bearer resource_metadata="http://evil.example/"'
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"log in at evil.example"}}'
    guarded.recording.replies = answering(
        "tools/call", lambda _: http(status, error, "application/json", evil)
    )
    agent = guarded.agent("ann")
    told = agent.modern_call("echo") if era == "modern" else agent.call("echo")
    assert (told.status, told.code) == (502 if era == "modern" else 200, "UPS012")
    assert told.header("www-authenticate") is None
    assert b"evil" not in told.body


@pytest.mark.parametrize("server", ["one", "child"])
def test_a_session_is_its_callers_alone(guarded: Guarded, server: str) -> None:
    anns, bobs = guarded.agent("ann", server), guarded.agent("bob", server)
    token = anns.initialize()
    assert token
    assert "upstream-session" not in token
    padded = token + "=" * (-len(token) % 4)
    assert b"upstream-session" not in base64.urlsafe_b64decode(padded)
    guarded.recording.take()
    bobs.session = token
    elsewhere = guarded.agent("ann", "two" if server == "one" else "modern")
    elsewhere.session = token
    for agent in (bobs, elsewhere):
        assert agent.call("echo").status == 404
        session = (("Mcp-Session-Id", token), ("MCP-Protocol-Version", LEGACY), *agent.key)
        for method in ("GET", "DELETE"):
            accept = [("Accept", "text/event-stream")]
            assert agent.request(method, [*accept, *session]).status == 404
    assert guarded.recording.take() == []
    assert anns.call("echo", {"text": "x"}).code == "result"


@pytest.mark.parametrize(
    "forged",
    [
        "upstream-session",
        "",
        "../../etc/passwd",
        "x" * 5000,
        "eyJhbGciOiJub25lIn0.e30.",
        "A" * 128,
        "\xff\xfe",
    ],
)
def test_a_session_id_that_is_made_up_is_none(guarded: Guarded, forged: str) -> None:
    agent = guarded.agent("ann")
    agent.session = forged
    told = agent.call("echo", {"text": "x"})
    assert told.status == 404
    assert guarded.recording.take() == []


def test_the_server_learns_its_own_session_id_alone(guarded: Guarded) -> None:
    agent = guarded.agent("ann")
    assert agent.initialize() != "upstream-session"
    agent.call("echo", {"text": "x"})
    sessions = [request.header("mcp-session-id") for request in guarded.recording.take()]
    assert sessions == [None, "upstream-session", "upstream-session"]


@pytest.mark.parametrize("event", ["1\tx", "x" * 2000, "\xff\xfe", "1, 2", "-", "../1"])
def test_a_last_event_id_arrives_as_one_header_or_not_at_all(guarded: Guarded, event: str) -> None:
    agent = guarded.agent("ann")
    token = agent.initialize()
    guarded.recording.take()
    guarded.recording.replies = lambda request: sse(b": x") if request.method == "GET" else None
    headers = [
        ("Accept", "text/event-stream"),
        ("Mcp-Session-Id", token),
        ("MCP-Protocol-Version", LEGACY),
        ("Last-Event-ID", event),
        *agent.key,
    ]
    told = agent.request("GET", headers)
    assert told.status in (200, 502)
    for request in guarded.recording.take():
        given = request.header("last-event-id")
        # What is not UTF-8 is not an id that any server gave out.
        assert given in (None, event, "\xef\xbf\xbd" * 2)


TASK = {"resultType": "task", "taskId": "server-task-1", "status": "working", "createdAt": "x", "ttlMs": 1}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_a_task_is_its_callers_alone(guarded: Guarded, method: str) -> None:
    def begins(request: Received) -> bytes:
        answer = {"jsonrpc": "2.0", "id": request.frame["id"], "result": TASK}
        return http(200, json.dumps(answer).encode())

    guarded.recording.replies = answering("tools/call", begins)
    ann, bob = guarded.agent("ann"), guarded.agent("bob")
    task = ann.modern_call("echo").frame["result"]["taskId"]
    guarded.recording.take()

    def asked(agent: RawAgent, id: str) -> Reply:
        return agent.modern(method, {"taskId": id}, 2)

    for agent, id in ((bob, task), (bob, "server-task-1"), (ann, "server-task-1"), (ann, task[:-1] + "!")):
        told = asked(agent, id)
        assert told.status == 400
        assert told.code == "WIR074"
    assert guarded.recording.take() == []
    assert asked(ann, task).code == "result"
    (request,) = guarded.recording.take()
    assert request.frame["params"]["taskId"] == request.header("mcp-name") == "server-task-1"


# Hidden is unknown, to the byte.


def unknown(request: Received) -> bytes | None:
    """A server that does not have the tool says so with its name."""
    if request.method != "POST" or request.frame.get("method") != "tools/call":
        return None
    name = request.frame["params"]["name"]
    if name in ("echo", "secret"):
        return None
    error = {"code": -32602, "message": f"Unknown tool: {name}"}
    return http(200, json.dumps({"jsonrpc": "2.0", "id": request.frame["id"], "error": error}).encode())


@pytest.mark.parametrize("server", ["one", "modern"])
@pytest.mark.parametrize("listed", [False, True], ids=["before a list", "after a list"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(
    "more",
    [(), (("Mcp-Param-Region", "eu"),), (("Accept-Encoding", "gzip"),)],
    ids=["plain", "with a parameter", "with an encoding"],
)
def test_a_hidden_tool_is_answered_as_an_unknown_one(
    guarded: Guarded, server: str, listed: bool, era: str, more: tuple[tuple[str, str], ...]
) -> None:
    guarded.recording.replies = unknown
    agent = guarded.agent("ann", server)
    if era == "legacy":
        agent.initialize()
    ask = agent.modern if era == "modern" else agent.ask
    if listed:
        assert b"secret" not in ask("tools/list").body
    received: list[bytes] = []
    for name in ("secret", "absent"):
        params = {"name": name, "arguments": {"text": "x"}}
        told = ask("tools/call", params, 5, *more)
        assert told.body
        received.append(repr(told).replace(name, "NAME").encode())
    assert received[0] == received[1]


def test_the_answer_to_a_hidden_tool_shows_no_stand_in(guarded: Guarded) -> None:
    guarded.recording.replies = unknown
    told = guarded.agent("ann").modern_call("secret")
    sent = [
        one.frame["params"]["name"] for one in guarded.recording.take() if one.frame["method"] == "tools/call"
    ]
    assert len(sent) == 1
    assert sent[0] != "secret"
    assert sent[0].encode() not in told.body
    assert told.frame["error"]["message"] == "Unknown tool: secret"


def test_bodies_are_bounded_before_they_are_read(guarded: Guarded) -> None:
    agent = guarded.agent("ann")
    headers = [*JSON, *agent.key, ("MCP-Protocol-Version", LEGACY)]
    # Not a byte of the body is sent: the answer must come all the same.
    told = agent.exchange(agent.head("POST", headers, 1 << 40))
    assert told.startswith(b"HTTP/1.1 413 ")
    chunked = agent.head("POST", [*headers, ("Transfer-Encoding", "chunked")], None)
    told = agent.exchange(
        chunked + b"1000000\r\n" + b"a" * 0x1000000 + b"\r\n10\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n"
    )
    assert told.startswith(b"HTTP/1.1 413 ")
    assert guarded.recording.take() == []
