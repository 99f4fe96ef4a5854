"""A server over HTTP as an upstream: what it answers, well or badly, and what the sink of a frame gets of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.http_peers import RawServer, on_a_loop

from callgate.clock import ManualClock
from callgate.config.model import ServerConfig
from callgate.errors import UpstreamError
from callgate.upstream.contract import Route, UpstreamFailure
from callgate.upstream.http import HttpUpstream
from callgate.wire.server import read_server_frame
from callgate.wire.strict import read_client_frame

MODERN = Route("lane", "modern", "2026-07-28")
LEGACY = Route("lane", "legacy", "2025-11-25", "abc")
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{}}}'
RESULT = b'{"jsonrpc":"2.0","id":1,"result":{}}'


def http(status: int, body: bytes, kind: str | None = "application/json", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *more]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def stream(*events: bytes) -> bytes:
    return http(200, b"".join(events), "text/event-stream")


class Heard:
    """A sink that takes notes."""

    def __init__(self) -> None:
        self.status = 0
        self.stream = False
        self.session: str | None = None
        self.events: list[tuple[bytes, str | None, int | None]] = []
        self.failure: UpstreamFailure | None = None
        self.ends = 0
        self.arrived = asyncio.Event()
        self._end = asyncio.Event()
        self.on_event: Callable[[], None] = lambda: None

    @property
    def lines(self) -> list[bytes]:
        return [line for line, _, _ in self.events if line]

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:
        assert not self.status
        assert not self.ends
        self.status, self.stream, self.session = status, stream, session

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        assert self.status
        assert not self.ends
        self.events.append((data, id, retry))
        self.arrived.set()
        self.on_event()

    def closed(self) -> None:
        assert self.status
        self.ends += 1
        self._end.set()

    def failed(self, failure: UpstreamFailure) -> None:
        self.failure = failure
        self.ends += 1
        self._end.set()

    async def ended(self) -> "Heard":
        await self._end.wait()
        assert self.ends == 1
        return self


def upstream(port: int, **options: Any) -> HttpUpstream:
    config = ServerConfig(name="s", policy="p", url=f"http://127.0.0.1:{port}/mcp", **options)
    return HttpUpstream(config, asyncio.get_running_loop(), ManualClock())


def ask(
    *answers: bytes | None,
    route: Route = MODERN,
    frame: bytes = CALL,
    check: Callable[[Heard, RawServer], Awaitable[None] | None],
    **options: Any,
) -> None:
    """Send one frame to a server that gives `answers`; then `check` what was heard."""

    async def test() -> None:
        async with RawServer(*answers) as server:
            remote = upstream(server.port, **options)
            heard = Heard()
            remote.send(read_client_frame(frame), frame, route, heard)
            await heard.ended()
            assert remote.in_flight == 0
            outcome = check(heard, server)
            if outcome is not None:
                await outcome
            remote.close()

    on_a_loop(test)


def test_a_json_answer_is_one_frame() -> None:
    def check(heard: Heard, server: RawServer) -> None:
        assert (heard.status, heard.stream, heard.lines) == (200, False, [RESULT])
        request = server.requests[0].decode()
        head, _, body = request.partition("\r\n\r\n")
        assert head.split("\r\n")[0] == "POST /mcp HTTP/1.1"
        assert set(head.split("\r\n")[2:]) == {
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            "accept-encoding: identity",
            "mcp-protocol-version: 2026-07-28",
            "mcp-method: tools/call",
            "mcp-name: add",
            f"content-length: {len(CALL)}",
        }
        assert body.encode() == CALL

    ask(http(200, RESULT, "Application/JSON; charset=utf-8"), check=check)


def test_a_frame_that_is_sent_under_another_name_goes_with_that_name() -> None:
    async def test() -> None:
        async with RawServer(http(200, RESULT)) as server:
            remote, heard = upstream(server.port), Heard()
            remote.send(read_client_frame(CALL), CALL.replace(b'"add"', b'"unknown-1"'), MODERN, heard)
            await heard.ended()
            assert b"\r\nmcp-name: unknown-1\r\n" in server.requests[0]
            assert b"add" not in server.requests[0]
            remote.close()

    on_a_loop(test)


def test_a_stream_is_frame_after_frame_with_ids_and_delays() -> None:
    progress = b'{"jsonrpc":"2.0","method":"notifications/progress"}'

    def check(heard: Heard, server: RawServer) -> None:
        assert (heard.status, heard.stream) == (200, True)
        assert heard.events == [
            (b"", "e1", 20),
            (progress, "e2", None),
            (RESULT, None, None),
        ]

    ask(
        stream(
            b"id: e1\nretry: 20\ndata: \n\n",
            b": ping\n\n",
            b"event: message\nid: e2\ndata: " + progress + b"\n\n",
            b"event: other\ndata: ignored\n\n",
            b"data: " + RESULT + b"\n\n",
            b"data: cut off",
        ),
        check=check,
    )


@pytest.mark.parametrize(
    "text",
    [
        '{\r\n "jsonrpc": "2.0",\n "id": 1,\r "result": {"a": "x \\n y"}}',
        '{"id":1,"jsonrpc":"2.0"\n,"result":{}}',
    ],
)
def test_line_ends_within_a_frame_never_make_two_of_it(text: str) -> None:
    events = stream(b"".join(b"data: %b\n" % line.encode() for line in text.splitlines()) + b"\n")

    def check(heard: Heard, server: RawServer) -> None:
        (line,) = heard.lines
        assert b"\n" not in line
        assert b"\r" not in line
        assert json.loads(line) == json.loads(text)
        assert read_server_frame(line).forward == line

    ask(http(200, text.encode()), check=check)
    ask(events, check=check)


@pytest.mark.parametrize(
    "body",
    [
        RESULT + b"\n" + RESULT,
        b'{"a":"x\ny"}',
        b'{"a":\n"\xff"}',
        b"{\r\n\r\n",
    ],
)
def test_what_is_not_one_json_text_is_not_made_into_one_line(body: bytes) -> None:
    events = stream(b"".join(b"data: %b\n" % line for line in body.splitlines()) + b"\n")

    def check(heard: Heard, server: RawServer) -> None:
        assert heard.failure is not None
        assert (heard.failure.kind, heard.failure.code, heard.failure.ran) == ("malformed", "UPS024", True)
        assert heard.lines == []

    ask(http(200, body), check=check)
    ask(events, check=check)


def test_a_receipt_is_a_status_alone() -> None:
    def check(heard: Heard, server: RawServer) -> None:
        assert (heard.status, heard.stream, heard.events, heard.failure) == (202, False, [], None)
        assert b"\r\nmcp-session-id: abc\r\n" in server.requests[0]
        assert b"mcp-method" not in server.requests[0]

    note = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
    ask(http(202, b"", None), frame=note, route=LEGACY, check=check)
    ask(http(202, b"accepted", "text/plain"), frame=note, route=LEGACY, check=check)


def test_the_session_that_a_server_gives_out_is_told() -> None:
    def check(heard: Heard, server: RawServer) -> None:
        assert heard.session == "s-1.~"

    ask(http(200, RESULT, "application/json", "Mcp-Session-Id: s-1.~"), check=check)
    ask(
        http(200, b"data: {}\n\n", "text/event-stream", "MCP-SESSION-ID: s-1.~"),
        route=Route("lane", "legacy"),
        check=check,
    )


@pytest.mark.parametrize("status", [400, 401, 404, 500])
@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}', True),
        ("application/json", b"<html>not really</html>", False),
        ("text/html", b"<html></html>", False),
        (None, b"", False),
    ],
)
def test_an_error_status_comes_with_its_frame_if_it_has_one(
    status: int, kind: str | None, body: bytes, said: bool
) -> None:
    def check(heard: Heard, server: RawServer) -> None:
        assert (heard.status, heard.stream, heard.failure) == (status, False, None)
        assert heard.lines == ([body] if said else [])

    ask(http(status, body, kind), check=check)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (http(200, b"<html>", "text/html"), "malformed", "UPS027"),
        (http(200, b"{}", None), "malformed", "UPS027"),
        (http(200, RESULT, "application/jsonp"), "malformed", "UPS027"),
        (http(200, RESULT, "application/json", "Content-Encoding: gzip"), "malformed", "UPS027"),
        (http(200, RESULT, "application/json", "Content-Type: text/event-stream"), "malformed", "UPS024"),
        (http(200, RESULT, "application/json", "Mcp-Session-Id: a b"), "malformed", "UPS024"),
        (
            http(200, RESULT, "application/json", "Mcp-Session-Id: a", "Mcp-Session-Id: b"),
            "malformed",
            "UPS024",
        ),
        (http(301, b"", None, "Location: http://elsewhere/"), "malformed", "UPS028"),
        (http(307, RESULT, "application/json", "Location: /other"), "malformed", "UPS028"),
        (http(200, b"x" * 2001), "too_large", "UPS025"),
        (stream(b"data: " + b"x" * 2001 + b"\n\n"), "too_large", "UPS025"),
        (stream(b"data: " + b"x" * 99_001), "too_large", "UPS025"),
        (http(500, b" " * 2_000_000), "too_large", "UPS025"),
        (http(202, b" " * 2_000_000, "text/plain"), "too_large", "UPS025"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + RawServer.CLOSE, "closed", "UPS023"),
        (RawServer.CLOSE, "closed", "UPS023"),
        (b"SSH-2.0-x\r\n", "malformed", "UPS024"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "too_large", "UPS025"),
    ],
)
def test_an_answer_that_is_no_mcp_fails_with_a_code(answer: bytes, kind: str, code: str) -> None:
    def check(heard: Heard, server: RawServer) -> None:
        assert heard.failure is not None
        assert (heard.failure.kind, heard.failure.code, heard.failure.ran) == (kind, code, True)
        assert heard.events == []
        assert len(server.requests) == 1

    ask(answer, max_response=2000, check=check)


def test_a_session_that_the_server_forgot_is_told_apart_from_an_unknown_method() -> None:
    def lost(heard: Heard, server: RawServer) -> None:
        assert heard.failure is not None
        assert (heard.failure.kind, heard.failure.code) == ("unknown_session", "UPS029")

    def unknown(heard: Heard, server: RawServer) -> None:
        assert (heard.status, heard.failure) == (404, None)

    ask(http(404, RESULT), route=LEGACY, check=lost)
    ask(http(404, RESULT), route=Route("lane", "legacy"), check=unknown)
    ask(http(404, RESULT), route=MODERN, check=unknown)


def test_what_was_never_sent_has_not_run() -> None:
    async def test() -> None:
        async with RawServer(None) as server:
            remote = upstream(server.port, max_in_flight=1, max_request=1000)
            first, second, large = Heard(), Heard(), Heard()
            frame = read_client_frame(CALL)
            handle = remote.send(frame, frame.forward, MODERN, first)
            remote.send(frame, frame.forward, MODERN, second)
            await second.ended()
            handle.cancel()
            assert remote.in_flight == 0
            remote.send(frame, b" " * 1001, MODERN, large)
            await large.ended()
            bad = Heard()
            remote.send(frame, frame.forward, Route("l", "modern", "2026\r\nx: y"), bad)
            await bad.ended()
            failures = [heard.failure for heard in (second, large, bad)]
            assert [(failure.code, failure.ran) for failure in failures if failure is not None] == [
                ("UPS026", False),
                ("UPS025", False),
                ("UPS032", False),
            ]
            assert remote.in_flight == 0
            remote.close()
            port = server.port
        gone, heard = upstream(port), Heard()
        gone.send(frame, frame.forward, MODERN, heard)
        await heard.ended()
        assert heard.failure is not None
        assert (heard.failure.kind, heard.failure.code, heard.failure.ran) == ("unreachable", "UPS020", False)
        gone.close()

    on_a_loop(test)


def test_cancelling_closes_the_stream_and_nothing_is_heard_after_it() -> None:
    async def test() -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        async with RawServer(head + b"data: {}\n\ndata: {}\n\n") as server:
            remote, heard = upstream(server.port), Heard()
            frame = read_client_frame(CALL)
            handle = remote.send(frame, frame.forward, MODERN, heard)
            heard.on_event = lambda: handle.cancel()
            await heard.arrived.wait()
            await server.closed.get()
            assert (heard.lines, heard.ends, remote.in_flight) == ([b"{}"], 0, 0)
            handle.cancel()
            assert remote.in_flight == 0
            remote.close()

    on_a_loop(test)


def test_listening_asks_with_get_and_the_last_event() -> None:
    async def test() -> None:
        async with RawServer(stream(b"id: 9\ndata: {}\n\n"), http(405, b"", None)) as server:
            remote, heard, refused = upstream(server.port), Heard(), Heard()
            remote.listen(LEGACY, "8", heard)
            await heard.ended()
            remote.listen(LEGACY, None, refused)
            await refused.ended()
            assert heard.events == [(b"{}", "9", None)]
            assert (refused.status, refused.stream) == (405, False)
            head = server.requests[0]
            assert head.startswith(b"GET /mcp HTTP/1.1\r\n")
            for line in (
                b"accept: text/event-stream",
                b"last-event-id: 8",
                b"mcp-session-id: abc",
                b"mcp-protocol-version: 2025-11-25",
            ):
                assert b"\r\n" + line + b"\r\n" in head
            assert b"last-event-id" not in server.requests[1]
            remote.close()

    on_a_loop(test)


def test_a_session_is_ended_with_delete() -> None:
    async def test() -> None:
        async with RawServer(http(200, b"bye", "text/plain")) as server:
            remote, heard = upstream(server.port, headers={"Authorization": "Bearer t"}), Heard()
            remote.end(LEGACY, heard)
            await heard.ended()
            assert (heard.status, heard.failure) == (200, None)
            assert server.requests[0].startswith(b"DELETE /mcp HTTP/1.1\r\n")
            assert b"\r\nmcp-session-id: abc\r\n" in server.requests[0]
            assert b"\r\nauthorization: Bearer t\r\n" in server.requests[0]
            remote.close()

    on_a_loop(test)


def test_a_large_answer_comes_whole() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":{"text":"' + b"x" * 3_000_000 + b'"}}'

    def check(heard: Heard, server: RawServer) -> None:
        assert heard.lines == [body]

    ask(http(200, body), check=check)
    ask(stream(b"data: " + body + b"\n\n"), check=check)


@pytest.mark.parametrize("url", ["ftp://x/", "http://u:secret@x/", "x", ""])
def test_a_url_that_cannot_be_used_is_refused_at_the_start(url: str) -> None:
    async def test() -> None:
        with pytest.raises(UpstreamError) as caught:
            HttpUpstream(
                ServerConfig(name="s", policy="p", url=url), asyncio.get_running_loop(), ManualClock()
            )
        assert caught.value.code == "UPS030"
        assert "secret" not in caught.value.message

    on_a_loop(test)
