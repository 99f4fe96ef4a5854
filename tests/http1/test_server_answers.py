"""What an application may do with its Responder, and what it is told when the client goes."""

import socket
import threading
from collections.abc import Callable

import pytest
from raw_server import LOOPS, Gate, Recorder, gate, read_all, read_until, replies

from callgate.http1.contract import Limits, Responder

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def kept() -> Recorder:
    app = Recorder()
    app.respond = app.keep
    return app


def watched(server: Gate) -> tuple[Responder, list[str]]:
    """The next responder, and the list in which its events appear."""
    responder = server.app.next_waiting()
    events: list[str] = []
    responder.on_gone = lambda: events.append("gone")
    responder.on_room = lambda: events.append("room")
    return responder, events


@pytest.mark.parametrize("kind", LOOPS)
def test_an_answer_of_unknown_length_comes_in_chunks_and_the_connection_goes_on(kind: str) -> None:
    with gate(kind, app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder = server.app.next_waiting()
        assert server.call(lambda: responder.started) is False
        server.call(responder.start, 200, b"text/event-stream", [(b"x-more", b"1")])
        assert server.call(lambda: responder.started) is True
        head = read_until(sock, b"\r\n\r\n")
        assert b"\r\nTransfer-Encoding: chunked\r\n" in head
        assert b"\r\nx-more: 1\r\n" in head
        assert b"Content-Length" not in head
        server.call(responder.write, b"data: 1\n\n")
        assert read_until(sock, b"\n\n\r\n") == b"9\r\ndata: 1\n\n\r\n"
        server.call(responder.write, b"")
        server.call(responder.write, b"x" * 20_000)
        server.call(responder.finish)
        assert read_until(sock, b"0\r\n\r\n") == b"4e20\r\n" + b"x" * 20_000 + b"\r\n0\r\n\r\n"
        sock.sendall(LAST)
        server.call(server.app.next_waiting().send, 200, b"{}")
        assert replies(read_all(sock))[0].body == b"{}"


@pytest.mark.parametrize("kind", LOOPS)
def test_http_1_0_gets_an_answer_of_unknown_length_until_the_connection_ends(kind: str) -> None:
    with gate(kind, app=kept()) as server, server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        responder = server.app.next_waiting()
        server.call(responder.start, 200, b"text/plain")
        server.call(responder.write, b"one")
        server.call(responder.finish)
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
        assert body == b"one"
        assert b"Transfer-Encoding" not in head
        assert b"Connection: close" in head


@pytest.mark.parametrize("whole", [True, False])
def test_a_head_request_gets_the_headers_and_no_body(whole: bool) -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK.replace(b"GET", b"HEAD") + LAST)
        responder = server.app.next_waiting()
        if whole:
            server.call(responder.send, 200, b"body")
        else:
            server.call(responder.start, 200, b"text/plain")
            server.call(responder.write, b"body")
            server.call(responder.finish)
        server.call(server.app.next_waiting().send, 204, b"", None)
        received = read_all(sock)
        assert b"body" not in received
        first, second = replies(received, ["HEAD", "GET"])
        assert first.status == 200
        assert first.headers.get("content-length") == ("4" if whole else None)
        assert (second.status, "content-length" in second.headers, "content-type" in second.headers) == (
            204,
            False,
            False,
        )


def test_an_answer_without_content_still_says_its_length() -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(LAST)
        server.call(server.app.next_waiting().send, 202, b"", None)
        (answer,) = replies(read_all(sock))
        assert (answer.status, answer.headers["content-length"]) == (202, "0")


def test_an_application_may_decide_how_long_its_answer_is_kept() -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(LAST)
        server.call(server.app.next_waiting().send, 200, b"{}", None, [(b"Cache-Control", b"max-age=60")])
        (answer,) = replies(read_all(sock))
        assert answer.headers["cache-control"] == "max-age=60"


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"1\r\nSet-Cookie: evil"),
        (b"x", b"1\nevil: 1"),
        (b"x", b"1\x00"),
        (b"x: y\r\nz", b"1"),
        (b"", b"1"),
        (b"Content-Length", b"5"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"upgrade"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_header_that_would_be_more_than_a_header_is_never_sent(
    header: tuple[bytes, bytes], whole: bool
) -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK + LAST)
        responder, events = watched(server)
        if whole:
            server.call(responder.send, 200, b"{}", b"text/plain", [header])
        else:
            server.call(responder.start, 200, b"text/plain", [header])
            server.call(responder.write, b"more")
            server.call(responder.finish)
        received = read_all(sock)
        assert [answer.status for answer in replies(received)] == [500]
        assert b"evil" not in received
        assert server.codes == ["HTTP019"]
        assert responder.gone
        assert events == ["gone"]


def test_a_content_type_with_a_line_break_is_never_sent() -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(LAST)
        server.call(server.app.next_waiting().send, 200, b"{}", b"text/plain\r\nevil: 1")
        received = read_all(sock)
        assert b"evil" not in received
        assert b" 500 " in received


def test_only_the_first_answer_counts() -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        first = server.app.next_waiting()
        server.call(first.send, 200, b"{}")
        assert read_until(sock, b"{}")
        sock.sendall(LAST)
        second = server.app.next_waiting()
        for call in (first.finish, first.abort, lambda: first.write(b"x"), lambda: first.send(500, b"x")):
            server.call(call)
        assert not first.gone
        server.call(second.send, 201, b"second")
        server.call(second.send, 202, b"third")
        assert [answer.status for answer in replies(read_all(sock))] == [201]


def reset(sock: socket.socket) -> None:
    """Close with a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    sock.close()


GOING: dict[str, Callable[[socket.socket], None]] = {
    "the client closes": lambda sock: sock.close(),
    "the client ends its side": lambda sock: sock.shutdown(socket.SHUT_WR),
    "the connection is reset": reset,
}


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("going", GOING)
@pytest.mark.parametrize("kind", LOOPS)
def test_the_application_is_told_once_that_the_client_went(kind: str, going: str, started: bool) -> None:
    with gate(kind, app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder, events = watched(server)
        if started:
            server.call(responder.start, 200, b"text/event-stream")
            read_until(sock, b"\r\n\r\n")
        GOING[going](sock)
        server.until(lambda: responder.gone)
        server.until(lambda: server.listener.connections == 0)
        for call in (
            lambda: responder.write(b"x"),
            responder.finish,
            responder.abort,
            lambda: responder.send(200, b""),
        ):
            server.call(call)
        assert events == ["gone"]


@pytest.mark.parametrize("kind", LOOPS)
def test_a_client_that_goes_behind_its_answer_is_not_told_of(kind: str) -> None:
    with gate(kind, app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder, events = watched(server)
        server.call(responder.send, 200, b"{}")
        read_until(sock, b"{}")
        sock.close()
        server.until(lambda: server.listener.connections == 0)
        assert events == []
        assert not responder.gone


@pytest.mark.parametrize("kind", LOOPS)
def test_an_answer_that_is_abandoned_cannot_be_taken_for_whole(kind: str) -> None:
    with gate(kind, app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder, events = watched(server)
        server.call(responder.start, 200, b"text/plain")
        server.call(responder.write, b"half")
        server.call(responder.abort)
        assert not read_all(sock).endswith(b"0\r\n\r\n")
        assert events == []


@pytest.mark.parametrize("kind", LOOPS)
def test_the_application_is_told_when_a_slow_client_has_room_again(kind: str) -> None:
    with gate(kind, app=kept(), limits=Limits(high_water=100_000)) as server, server.connect() as sock:
        sock.sendall(LAST)
        responder, events = watched(server)
        server.call(responder.start, 200, b"text/plain")
        written = 0
        while not server.call(lambda: responder.congested):
            server.call(responder.write, b"x" * 50_000)
            written += 1
        assert written < 1_000
        assert events == []
        received = bytearray()
        reader = threading.Thread(target=lambda: received.extend(read_all(sock)))
        reader.start()
        server.until(lambda: events == ["room"])
        assert not server.call(lambda: responder.congested)
        server.call(responder.finish)
        reader.join()
        assert replies(bytes(received))[0].body == b"x" * 50_000 * written


def test_a_half_closed_client_still_reads_an_answer_that_is_given_at_once() -> None:
    with gate() as server, server.connect() as sock:
        sock.sendall(ASK)
        sock.shutdown(socket.SHUT_WR)
        assert replies(read_all(sock))[0].status == 200
