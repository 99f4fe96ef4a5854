"""`callgate run --upstream` against servers that do as the test says: what they are asked, and what the agent hears."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gate_process import GateProcess, denial
from tests.support.scripted_http import (
    CLOSE,
    END,
    STREAM,
    Request,
    Script,
    ScriptedServer,
    event,
    legacy,
    reply,
    result,
    until,
)

MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
ONE_AN_HOUR = "tools: {'*': {rules: [{rate_limit: 1/hour}]}}"
OK = {"content": [{"type": "text", "text": "ok"}]}


def gate(folder: Path, server: ScriptedServer, policy: str = "default: allow", *options: str) -> GateProcess:
    (folder / "policy.yaml").write_text(policy)
    given = [
        "--state",
        "memory://",
        "--audit",
        str(folder / "audit.jsonl"),
        "--upstream",
        server.url,
        *options,
    ]
    return GateProcess(folder / "policy.yaml", [], *given)


def outcomes(folder: Path) -> list[str]:
    records = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    tested, *others = [record["status"] for record in records if record["kind"] == "outcome"]
    assert tested == "denied", "the self-test"
    return others


def error(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["error"]["data"]["code"], answer["error"]["message"]


def always(value: Any) -> Script:
    return lambda request: reply(200, result(request, value))


def test_a_session_is_kept_listened_to_and_ended(tmp_path: Path) -> None:
    with ScriptedServer(legacy(always(OK))) as server:
        with gate(tmp_path, server) as agent:
            assert agent.initialize()["result"]["protocolVersion"] == "2025-06-18"
            assert agent.call("echo")["result"] == OK
            server.wait_for("GET")
        assert agent.wait() == 0
        assert sorted(server.seen) == sorted(
            ["initialize", "notifications/initialized", "GET", "tools/call", "DELETE"]
        )
        first, *others = server.requests
        assert "mcp-session-id" not in first.headers
        assert "mcp-protocol-version" not in first.headers
        for request in others:
            assert request.headers["mcp-session-id"] == "session-1"
            assert request.headers["mcp-protocol-version"] == "2025-06-18"
            assert "mcp-method" not in request.headers
        assert server.seen[-1] == "DELETE"
    assert outcomes(tmp_path) == ["ok"]


def test_what_follows_a_notification_is_sent_when_the_server_has_it(tmp_path: Path) -> None:
    listed = threading.Event()
    early: list[bool] = []

    def script(request: Request) -> Iterator[bytes] | bytes:
        if request.calls == "notifications/initialized":
            # Time enough for a request on another connection, if there were one.
            early.append(listed.wait(0.5))
        elif request.calls == "tools/list":
            listed.set()
        return plain(request)

    plain = legacy(always({"tools": []}))
    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.initialize()
        assert agent.ask("tools/list")["result"] == {"tools": []}
    assert early == [False]


def test_a_modern_frame_goes_with_its_headers_and_no_session(tmp_path: Path) -> None:
    marked = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}

    def script(request: Request) -> bytes:
        tools = {"resultType": "complete", "tools": [{"name": "query", "inputSchema": marked}]}
        return reply(200, result(request, tools if request.calls == "tools/list" else OK))

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.ask("tools/list", MODERN)
        assert agent.call("query", {"region": "e\u00fc"}, **MODERN)["result"] == OK
        agent.close_input()
        assert agent.wait() == 0
        headers = server.requests[1].headers
        assert headers["mcp-protocol-version"] == "2026-07-28"
        assert headers["mcp-method"] == "tools/call"
        assert headers["mcp-name"] == "query"
        assert headers["mcp-param-region"] == "=?base64?ZcO8?="
        assert server.seen == ["tools/list", "tools/call"]


def test_a_hidden_tool_stands_in_no_header(tmp_path: Path) -> None:
    with ScriptedServer(always(OK)) as server, gate(tmp_path, server, "hide: [secret]") as agent:
        agent.call("secret", {"a": 1}, **MODERN)
        (request,) = server.requests
        assert "secret" not in str(request.headers) + request.body.decode()
        assert request.headers["mcp-name"] == request.message["params"]["name"]


def test_cancelling_a_modern_request_closes_its_stream(tmp_path: Path) -> None:
    never = threading.Event()

    def script(request: Request) -> Iterator[bytes]:
        yield STREAM
        yield event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        yield from until(never)

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", **MODERN}})
        assert agent.receive()["method"] == "notifications/progress"
        agent.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        assert server.gone.get(timeout=30).calls == "tools/call"
        agent.close_input()
        assert agent.wait() == 0
        assert server.seen == ["tools/call"]
    assert outcomes(tmp_path) == ["cancelled"]


def test_cancelling_a_legacy_request_is_told_and_closes_nothing(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def call(request: Request) -> Iterator[bytes]:
        yield STREAM
        yield from until(cancelled)
        yield event(result(request, OK)) + END

    def script(request: Request) -> Iterator[bytes] | bytes:
        if request.calls == "notifications/cancelled":
            cancelled.set()
        return plain(request)

    plain = legacy(call)
    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.initialize()
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow"}})
        server.wait_for("tools/call")
        agent.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        # Late, and passed on: the agent knows that it may come.
        assert agent.answer_to(1)["result"] == OK
        assert server.gone.empty()


def test_a_lost_session_is_said_once_and_only_the_agent_begins_another(tmp_path: Path) -> None:
    known = True

    def script(request: Request) -> Iterator[bytes] | bytes:
        nonlocal known
        if request.calls == "initialize":
            known = True
        if known or request.calls != "tools/call":
            return plain(request)
        return reply(404, {"jsonrpc": "2.0", "id": None, "error": {"code": 1}})

    plain = legacy(always(OK))
    two_an_hour = ONE_AN_HOUR.replace("1/hour", "2/hour")
    with ScriptedServer(script) as server, gate(tmp_path, server, two_an_hour) as agent:
        agent.initialize()
        known = False
        assert error(agent.call("a"))[0] == "UPS029"
        code, text = error(agent.call("a"))
        assert code == "UPS029"
        assert "initialize" in text
        assert server.seen.count("tools/call") == 1
        agent.initialize()
        # The first is charged, as the server has got it. The second never left.
        assert agent.call("a")["result"] == OK
        assert denial(agent.call("a"))["code"]
    assert outcomes(tmp_path) == ["unknown", "not_forwarded", "ok", "denied"]


def test_what_cannot_be_sent_is_given_back(tmp_path: Path) -> None:
    with ScriptedServer(always(OK)) as server:
        pass
    with gate(tmp_path, server, ONE_AN_HOUR) as agent:
        for number in (1, 2):
            code, text = error(agent.call("echo", {}, number, **MODERN))
            assert code == "UPS020"
            assert "refused" in text
    assert agent.wait() == 0
    assert outcomes(tmp_path) == ["not_forwarded", "not_forwarded"]


def test_a_server_that_is_not_there_is_logged_once_by_name_and_address_without_its_query(
    tmp_path: Path,
) -> None:
    with ScriptedServer(always(OK)) as server:
        pass
    server.url += "?api_key=hidden"
    with gate(tmp_path, server) as agent:
        for number in (1, 2):
            assert error(agent.call("echo", {}, number, **MODERN))[0] == "UPS020"
    assert agent.wait() == 0
    told = [line for line in agent.stderr.splitlines() if "[UPS020]" in line]
    assert len(told) == 1, agent.stderr
    assert told[0].startswith("callgate warning: 127.0.0.1 (http://127.0.0.1:")
    assert "refused" in told[0]
    assert "hidden" not in agent.stderr


def test_a_legacy_stream_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    def call(request: Request) -> Iterator[bytes]:
        yield (
            STREAM
            + event(None, "e1", 10)
            + event({"jsonrpc": "2.0", "method": "notifications/progress"}, "e2")
        )
        yield CLOSE

    def listening(request: Request) -> Iterator[bytes] | bytes:
        last = request.headers.get("last-event-id")
        if last is None:
            return reply(405)
        if last == "e2":
            # It breaks again, and is asked for again from where it got to.
            return iter([STREAM, event({"jsonrpc": "2.0", "method": "notifications/progress"}, "e3"), CLOSE])
        answer = {"jsonrpc": "2.0", "id": 7, "result": OK}
        return STREAM + event(answer, "e4") + END

    with ScriptedServer(legacy(call, listening)) as server, gate(tmp_path, server) as agent:
        agent.initialize()
        assert agent.call("slow", {}, 7)["result"] == OK
        assert server.seen.count("tools/call") == 1
        ids = [request.headers.get("last-event-id") for request in server.requests if request.method == "GET"]
        assert [id for id in ids if id] == ["e2", "e3"]
    assert outcomes(tmp_path) == ["ok"]


@pytest.mark.parametrize("modern", [True, False])
def test_a_stream_that_breaks_for_good_is_an_error_and_never_a_second_call(
    tmp_path: Path, modern: bool
) -> None:
    def call(request: Request) -> Iterator[bytes]:
        # A modern stream has no second life, whatever its events say.
        yield STREAM + event({"jsonrpc": "2.0", "method": "notifications/progress"}, "e1" if modern else None)
        yield CLOSE

    with ScriptedServer(call if modern else legacy(call)) as server:
        with gate(tmp_path, server, ONE_AN_HOUR) as agent:
            if not modern:
                agent.initialize()
            code, text = error(agent.call("slow", **(MODERN if modern else {})))
            assert code == "UPS023"
            assert "closed the connection" in text
            assert denial(agent.call("slow", **(MODERN if modern else {})))["code"]
        assert server.seen.count("tools/call") == 1
    assert outcomes(tmp_path) == ["unknown", "denied"]


def test_an_answer_without_a_response_is_said_to_be_none(tmp_path: Path) -> None:
    def script(request: Request) -> bytes:
        return STREAM + END if request.message["id"] == 1 else reply(202)

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        assert error(agent.call("a", {}, 1, **MODERN))[0] == "UPS033"
        assert error(agent.call("a", {}, 2, **MODERN))[0] == "UPS033"


def test_a_stream_of_the_servers_own_messages_is_kept_open(tmp_path: Path) -> None:
    asked: list[str | None] = []
    over = threading.Event()

    def listening(request: Request) -> Iterator[bytes]:
        asked.append(request.headers.get("last-event-id"))
        yield STREAM
        ping = {"jsonrpc": "2.0", "id": f"p{len(asked)}", "method": "ping"}
        yield event(ping, f"e{len(asked)}", 5)
        if len(asked) < 3:
            yield CLOSE
        yield from until(over)

    with ScriptedServer(legacy(always(OK), listening)) as server, gate(tmp_path, server) as agent:
        agent.initialize()
        for number in (1, 2, 3):
            assert agent.receive() == {"jsonrpc": "2.0", "id": f"p{number}", "method": "ping"}
            agent.send({"jsonrpc": "2.0", "id": f"p{number}", "result": {}})
        server.wait_for("answer", "answer", "answer")
        assert asked == [None, "e1", "e2"]
        over.set()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32022, "message": "v"}},
            {"code": -32022, "message": "v"},
        ),
        (
            404,
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "n"}},
            {"code": -32601, "message": "n"},
        ),
        (
            200,
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "p"}},
            {"code": -32700, "message": "p"},
        ),
        (401, b"", "UPS034"),
        (403, b"<html>", "UPS034"),
        (500, {"detail": "oops"}, "UPS034"),
        (400, {"jsonrpc": "2.0", "id": 1, "result": {}}, "UPS034"),
        (502, b"{broken", "UPS034"),
    ],
)
def test_a_status_passes_on_its_error_or_becomes_one(
    tmp_path: Path, status: int, body: Any, expected: Any
) -> None:
    with ScriptedServer(lambda _: reply(status, body)) as server, gate(tmp_path, server) as agent:
        answer = agent.call("echo", **MODERN)
        assert answer["id"] == 1
        if isinstance(expected, dict):
            assert answer["error"] == expected
        else:
            assert error(answer)[0] == expected
            assert f"status {status}" in error(answer)[1]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("as_stream", [True, False])
def test_no_line_end_makes_two_frames_of_one(tmp_path: Path, line_end: bytes, as_stream: bool) -> None:
    inner = b'{"jsonrpc":"2.0","id":2,"result":{"tools":[]}}'
    text = line_end.join([b'{"jsonrpc":"2.0","id":1,"result":', b"{}}"])

    def script(request: Request) -> bytes:
        body = text if request.message["id"] == 1 else line_end.join([inner, inner])
        if as_stream:
            body = b"".join(b"data: %b\n" % line for line in body.split(line_end)) + b"\n"
            return reply(200, body, "text/event-stream")
        return reply(200, body)

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "prompts/list", "params": MODERN})
        assert agent.receive_line() == b'{"jsonrpc":"2.0","id":1,"result":{}}'
        agent.send({"jsonrpc": "2.0", "id": 2, "method": "prompts/list", "params": MODERN})
        assert error(agent.receive())[0] == "UPS024"


def test_a_signal_ends_everything_in_order(tmp_path: Path) -> None:
    never = threading.Event()

    def call(request: Request) -> Iterator[bytes]:
        yield STREAM
        yield from until(never)

    with ScriptedServer(legacy(call)) as server:
        with gate(tmp_path, server) as agent:
            agent.initialize()
            agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow"}})
            server.wait_for("tools/call")
            agent.process.send_signal(signal.SIGTERM)
            assert "signal 15" in agent.answer_to(1)["error"]["message"]
            assert agent.wait() == 0
        assert server.seen[-1] == "DELETE"
    assert outcomes(tmp_path) == ["unknown"]


def test_the_end_of_the_agents_input_waits_for_open_answers(tmp_path: Path) -> None:
    ended = threading.Event()

    def script(request: Request) -> Iterator[bytes]:
        yield STREAM
        yield from until(ended)
        yield event(result(request, OK)) + END

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", **MODERN}})
        server.wait_for("tools/call")
        agent.close_input()
        ended.set()
        assert agent.answer_to(1)["result"] == OK
        assert agent.wait() == 0
    assert outcomes(tmp_path) == ["ok"]


def test_an_agent_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    never = threading.Event()

    def script(request: Request) -> Iterator[bytes]:
        yield STREAM
        yield from until(never)

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", **MODERN}})
        server.wait_for("tools/call")
        assert agent.process.stdout is not None
        agent.close_input()
        agent.process.stdout.close()
        assert agent.wait() == 0
        assert server.gone.get(timeout=30).calls == "tools/call"


def test_a_server_is_read_no_faster_than_the_agent_reads(tmp_path: Path) -> None:
    blocked, note = (
        threading.Event(),
        {"jsonrpc": "2.0", "method": "notifications/message", "params": "x" * 500_000},
    )
    sent = 0

    def script(request: Request) -> Iterator[bytes]:
        nonlocal sent
        yield STREAM
        for _ in range(200):
            watching = threading.Timer(2, blocked.set)
            watching.start()
            yield event(note)
            watching.cancel()
            sent += 1
        yield event(result(request, OK)) + END

    with ScriptedServer(script) as server, gate(tmp_path, server) as agent:
        agent.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "much", **MODERN}})
        assert blocked.wait(30)
        assert sent < 60
        assert agent.answer_to(1)["result"] == OK
        assert sent == 200


def test_credentials_come_from_where_the_command_line_says(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    given = [
        "--header=Authorization: Bearer env:TEST_TOKEN",
        f"--header=X-Key: file:{tmp_path / 'key'}",
        "--header=X-Plain: as it: is",
    ]
    (tmp_path / "policy.yaml").write_text("default: allow")
    with ScriptedServer(always(OK)) as server:
        options = ["--upstream", server.url, "--state=memory://", *given]
        with GateProcess(tmp_path / "policy.yaml", [], *options, env={"TEST_TOKEN": "from-env"}) as agent:
            agent.call("echo", **MODERN)
            headers = server.requests[0].headers
            assert headers["authorization"] == "Bearer from-env"
            assert headers["x-key"] == "from-file"
            assert headers["x-plain"] == "as it: is"
            assert b"from-" not in Path(f"/proc/{agent.process.pid}/cmdline").read_bytes()
        assert "from-" not in agent.stderr


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        (["--upstream", "http://x/", "--header", "secret"], "UPS035", 2),
        (["--upstream", "http://x/", "--header", "Host: secret"], "UPS035", 2),
        (["--upstream", "http://x/", "--header", "Mcp-Session-Id: secret"], "UPS035", 2),
        (["--upstream", "http://x/", "--header", "A: secret", "--header", "a: secret"], "UPS035", 2),
        (["--upstream", "http://x/", "--header", "A: secret\r\nB: c"], "UPS035", 2),
        (["--upstream", "http://x/", "--header", "A: env:NO_SUCH_VARIABLE"], "CFG050", 3),
        (["--upstream", "http://x/", "--timeout", "never"], "USE002", 2),
        (["--upstream", "ftp://u:secret@x/"], "UPS030", 4),
        (["--upstream", "http://u:secret@x/"], "UPS030", 4),
        (["--upstream", "https://x/", "--ca-file", "/no/such/file"], "UPS031", 4),
        (["--upstream", "http://x/", "--", "server"], "USE005", 2),
        ([], "USE003", 2),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    tmp_path: Path, options: list[str], code: str, status: int
) -> None:
    (tmp_path / "policy.yaml").write_text("default: allow")
    with GateProcess(tmp_path / "policy.yaml", [], "--state=memory://", *options) as agent:
        assert agent.wait() == status
        assert code in agent.stderr
        assert "secret" not in agent.stderr


def test_a_changed_policy_is_in_force_for_the_next_call(tmp_path: Path) -> None:
    with ScriptedServer(always(OK)) as server, gate(tmp_path, server) as agent:
        assert agent.call("echo", {}, 1, **MODERN)["result"] == OK
        (tmp_path / "policy.yaml").write_text("tools: {echo: {rules: [{action: deny}]}}")
        assert denial(agent.call("echo", {}, 2, **MODERN))["code"] == "DEN001"
        assert len(server.requests) == 1


def test_input_from_a_file_is_answered_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("default: allow")
    frames = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "echo", **MODERN}}
        for n in range(300)
    ]
    (tmp_path / "input").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    with ScriptedServer(always(OK)) as server, open(tmp_path / "input") as given:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "callgate",
                "run",
                "-c",
                str(tmp_path / "policy.yaml"),
                "--upstream",
                server.url,
            ],
            stdin=given,
            capture_output=True,
            timeout=60,
            check=True,
        )
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert sorted(answer["id"] for answer in answers) == list(range(300))
