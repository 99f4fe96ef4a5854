"""What a well-formed request becomes, one after another, on connections that live."""

import socket
import threading

import pytest
from raw_server import LOOPS, Recorder, answering, gate, read_all, read_until, replies

from callgate.http1.contract import Head, HttpRefusal, Responder

END = b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("kind", LOOPS)
def test_a_request_reaches_the_application_as_it_was_sent(kind: str) -> None:
    sent = (
        b"POST /a/../%2e%2F//b?x=1?y#".rstrip(b"#")
        + b" HTTP/1.1\r\nHost: a.example:80\r\nX-Twice: 1\r\nX-Twice:\t2 \t\r\nX-Empty:\r\nX-Bytes: \xc3\xa9\r\n"
        b"Content-Length: 5\r\n\r\nhello"
    )
    with gate(kind) as server:
        answers = replies(server.talk(sent + END))
        assert [answer.status for answer in answers] == [200, 200]
        head, body = server.app.requests[0]
        assert (head.method, head.path, head.query) == ("POST", "/a/../%2e%2F//b", "x=1?y")
        assert (head.peer, head.secure, body) == ("127.0.0.1", False, b"hello")
        assert head.headers.items == [
            (b"host", b"a.example:80"),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
            (b"x-empty", b""),
            (b"x-bytes", b"\xc3\xa9"),
            (b"content-length", b"5"),
        ]
        assert head.headers.all(b"x-twice") == [b"1", b"2"]
        assert head.headers.get(b"host") == b"a.example:80"
        with pytest.raises(ValueError, match="more than once"):
            head.headers.get(b"x-twice")


def test_an_answer_has_the_headers_it_needs_and_no_others() -> None:
    with gate() as server:
        first, last = replies(server.talk(POST + b"Content-Length: 0\r\n\r\n" + END))
        assert first.headers == {
            "x-content-type-options": "nosniff",
            "content-type": "application/json",
            "date": "Mon, 21 Sep 2026 14:13:20 GMT",
            "cache-control": "no-store",
            "content-length": "21",
        }
        assert last.headers["connection"] == "close"


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 3_500_000])
@pytest.mark.parametrize("kind", LOOPS)
def test_a_body_of_any_size_arrives_whole(kind: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    app = Recorder()
    app.limit = 4 << 20
    with gate(kind, app=app) as server:
        head = POST + b"Content-Length: %d\r\n\r\n" % size
        answers = replies(server.talk(head, body, head, body, END))
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert app.requests[0][1] == body
        assert app.requests[1][1] == body
        assert type(app.requests[0][1]) is bytes


@pytest.mark.parametrize("size", [1, 7, 1_000, 300_000])
@pytest.mark.parametrize("kind", LOOPS)
def test_a_chunked_body_arrives_whole_and_what_stands_behind_it_is_the_next_request(
    kind: str, size: int
) -> None:
    body = (b"\r\n\r\n0\r\n\r\n" + b"x" * 190) * 500
    chunks = b"".join(
        b"%X;name=value\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size])
        for at in range(0, len(body), size)
    )
    if size == 1:
        body, chunks = b"ab", b"1\r\na\r\n1\r\nb\r\n"
    if size == 7:
        body, chunks = b"\r\n\r\nabc", b"7\r\n\r\n\r\nabc\r\n"
    sent = POST + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks + b"0\r\nTrailer: dropped\r\n\r\n"
    with gate(kind) as server:
        answers = replies(server.talk(sent + sent + END))
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert [taken for _, taken in server.app.requests] == [body, body, b""]
        assert server.app.requests[0][0].headers.get(b"trailer") is None


@pytest.mark.parametrize("kind", LOOPS)
def test_requests_of_one_connection_are_handled_strictly_one_after_another(kind: str) -> None:
    app = Recorder()
    app.respond = app.keep
    with gate(kind, app=app) as server, server.connect() as sock:
        sock.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)))
        for number in range(50):
            responder = app.next_waiting()
            server.settle()
            assert len(app.requests) == len(app.heads) == number + 1
            server.call(responder.send, 200, b"%d" % number)
            received = read_until(sock, b"\r\n\r\n%d" % number)
            assert received.endswith(b"\r\n\r\n%d" % number)


@pytest.mark.parametrize("kind", LOOPS)
def test_very_many_pipelined_requests_are_all_answered_in_order(kind: str) -> None:
    with gate(kind) as server, server.connect() as sock:
        number = 5_000
        sent = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % each for each in range(number)) + END
        sender = threading.Thread(target=sock.sendall, args=(sent,))
        sender.start()
        answers = replies(read_all(sock))
        assert [answer.body for answer in answers[:-1]] == [
            b'{"path":"/%d","size":0}' % n for n in range(number)
        ]
        sender.join()


def test_a_client_that_sends_ahead_without_end_is_no_longer_read() -> None:
    app = Recorder()
    app.respond = app.keep
    with gate(app=app) as server, server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        responder = app.next_waiting()
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 2_000_000)
        assert len(app.requests) == 1
        sock.settimeout(30)
        app.respond = answering(b"later")
        server.call(responder.send, 200, b"first")
        assert read_until(sock, b"first").endswith(b"first")
        assert read_until(sock, b"later").endswith(b"later")


def test_a_client_that_reads_no_answers_is_given_no_more() -> None:
    app = Recorder()
    app.respond = answering(b"x" * 100_000)
    with gate(app=app) as server, server.connect() as sock:
        number = 400
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * number)
        server.until(lambda: bool(app.requests))
        for _ in range(200):
            server.settle()
        assert len(app.requests) < number
        sock.sendall(END)
        assert len(replies(read_all(sock))) == number + 1


@pytest.mark.parametrize("kind", LOOPS)
def test_a_client_that_waits_is_told_to_go_on_only_after_its_head_was_accepted(kind: str) -> None:
    head = POST + b"Expect: 100-Continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    with gate(kind) as server, server.connect() as sock:
        sock.sendall(head)
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert server.app.requests == []
        sock.sendall(b"body")
        assert replies(read_all(sock))[0].status == 200
        assert server.app.requests[0][1] == b"body"
    app = Recorder()
    app.refusal = HttpRefusal(401)
    with gate(kind, app=app) as server:
        answers = replies(server.talk(head))
        assert [answer.status for answer in answers] == [401]


def test_a_client_that_announces_but_does_not_wait_is_not_told_to_go_on() -> None:
    with gate() as server:
        received = server.talk(POST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody" + END)
        assert [answer.status for answer in replies(received)] == [200, 200]
        assert b"100 Continue" not in received


@pytest.mark.parametrize("kind", LOOPS)
def test_http_1_0_is_answered_and_closed_whatever_it_asks_for(kind: str) -> None:
    with gate(kind) as server:
        received = server.talk(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" + END)
        answers = replies(received)
        assert [answer.status for answer in answers] == [200]
        assert answers[0].headers["connection"] == "close"
        assert len(server.app.requests) == 1
        assert [answer.status for answer in replies(server.talk(b"GET / HTTP/1.0\r\n\r\n"))] == [200]


@pytest.mark.parametrize("options", [b"close", b"Close", b"x, close", b"close, x", b"keep-alive, close"])
def test_nothing_behind_a_last_request_is_taken(options: bytes) -> None:
    with gate() as server:
        received = server.talk(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: %b\r\n\r\n" % options + END)
        assert len(replies(received)) == len(server.app.requests) == 1


def test_an_offer_of_http_2_is_passed_over_with_the_body_intact() -> None:
    offer = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with gate() as server:
        answers = replies(
            server.talk(
                offer + b"Content-Length: 35\r\n\r\n" + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
                offer + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" + END,
            )
        )
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert [body for _, body in server.app.requests][1:] == [b"ab", b""]
        assert [head.path for head, _ in server.app.requests] == ["/", "/", "/end"]


def test_an_empty_line_before_a_request_is_passed_over() -> None:
    request = POST + b"Content-Length: 1\r\n\r\nx"
    with gate() as server:
        answers = replies(server.talk(b"\r\n" + request + b"\r\n" + request, b"\r", b"\n" + END))
        assert [answer.status for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("kind", LOOPS)
def test_an_application_that_fails_is_a_plain_500_and_the_end_of_the_connection(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(head: Head, body: bytes, responder: Responder) -> None:
        raise KeyError("secret")

    app = Recorder()
    app.respond = fail
    with gate(kind, app=app) as server:
        received = server.talk(POST + b"Content-Length: 0\r\n\r\n" + END)
        assert [answer.status for answer in replies(received)] == [500]
        assert b"secret" not in received
        assert server.codes == ["HTTP018"]
        assert "KeyError" in caplog.text


def test_an_application_that_fails_in_mid_answer_leaves_it_visibly_unfinished(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(head: Head, body: bytes, responder: Responder) -> None:
        responder.start(200, b"text/plain")
        responder.write(b"half")
        raise KeyError("secret")

    app = Recorder()
    app.respond = fail
    with gate(app=app) as server:
        received = server.talk(POST + b"Content-Length: 0\r\n\r\n" + END)
        assert not received.endswith(b"0\r\n\r\n")
        assert b"HTTP/1.1 500" not in received


def test_an_application_that_fails_behind_its_answer_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(head: Head, body: bytes, responder: Responder) -> None:
        responder.send(200, b"{}")
        raise KeyError("secret")

    app = Recorder()
    app.respond = fail
    with gate(app=app) as server:
        answers = replies(server.talk(POST + b"Content-Length: 0\r\n\r\n" + END))
        assert [answer.status for answer in answers] == [200, 200]


def test_a_unix_socket_and_a_socket_that_was_handed_over_serve_alike(tmp_path: object) -> None:
    import asyncio

    path = f"{tmp_path}/gate"
    with gate() as server:
        asyncio.run_coroutine_threadsafe(server.listener.bind_unix(path), server.loop).result(30)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(END)
            assert replies(read_all(sock))[0].status == 200
        assert server.app.requests[0][0].peer == "unix"
        inherited = socket.socket()
        inherited.bind(("127.0.0.1", 0))
        port = inherited.getsockname()[1]
        asyncio.run_coroutine_threadsafe(server.listener.adopt(inherited), server.loop).result(30)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.sendall(END)
            assert replies(read_all(sock))[0].status == 200
