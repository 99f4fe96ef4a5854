"""Clients that take their time, and the end of the listener itself. The clock moves only when a test says so."""

from collections.abc import Callable

import pytest
from raw_server import LOOPS, Gate, Recorder, answering, gate, read_all, read_until, replies

from callgate.http1.contract import HttpRefusal, Limits

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
SLACK = 3600.0
"""The interval of the sweep in these tests: a time-out never takes effect earlier than it says."""
LIMITS = Limits(head_timeout=10, body_timeout=60, idle_timeout=75, write_timeout=30)


def kept() -> Recorder:
    app = Recorder()
    app.respond = app.keep
    return app


@pytest.mark.parametrize("kind", LOOPS)
def test_a_head_that_comes_too_slowly_is_answered_with_408(kind: str) -> None:
    with gate(kind, limits=LIMITS) as server, server.connect() as sock:
        sock.sendall(ASK[:5])
        server.until(
            lambda: not all(c.idle for c in server.listener._connections) and server.listener.connections == 1
        )
        server.advance(SLACK + 9)
        sock.sendall(ASK[5:9])
        server.settle()
        assert server.codes == []
        server.advance(2)
        assert [answer.status for answer in replies(read_all(sock))] == [408]
        assert server.codes == ["HTTP014"]


@pytest.mark.parametrize("kind", LOOPS)
def test_a_connection_without_a_request_is_closed_without_a_word(kind: str) -> None:
    with gate(kind, limits=LIMITS) as server, server.connect() as sock:
        server.until(lambda: server.listener.connections == 1)
        server.advance(SLACK + 11)
        assert read_all(sock) == b""


@pytest.mark.parametrize("kind", LOOPS)
def test_an_unused_connection_is_kept_for_a_while_and_then_closed(kind: str) -> None:
    with gate(kind, limits=LIMITS, app=Recorder()) as server, server.connect() as sock:
        server.app.respond = answering(b"{}")
        for _ in range(3):
            sock.sendall(ASK)
            assert read_until(sock, b"{}")
            server.advance(SLACK + 74)
        server.advance(2)
        assert read_all(sock) == b""
        assert server.codes == []


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
@pytest.mark.parametrize("kind", LOOPS)
def test_a_body_that_does_not_come_is_answered_with_408(kind: str, framing: bytes) -> None:
    with gate(kind, limits=LIMITS) as server, server.connect() as sock:
        sock.sendall(POST + framing + b"1")
        server.until(lambda: len(server.app.heads) == 1)
        server.advance(SLACK + 59)
        assert server.codes == []
        server.advance(2)
        assert [answer.status for answer in replies(read_all(sock))] == [408]
        assert server.codes == ["HTTP015"]
        assert server.app.requests == []


def test_a_large_body_has_as_much_time_as_its_size_needs_at_the_least_rate() -> None:
    app = Recorder()
    with gate(limits=LIMITS, app=app) as server, server.connect() as sock:
        half = 16_384 * 20
        sock.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (2 * half) + b"x" * half)
        (connection,) = server.call(lambda: tuple(server.listener._connections))
        server.until(lambda: connection._body is not None and connection._body.received == half)
        server.advance(SLACK + 79)
        assert server.codes == []
        server.advance(2)
        assert server.codes == ["HTTP015"]
        read_all(sock)


def test_the_body_of_a_refused_request_is_not_waited_for_without_end() -> None:
    app = Recorder()
    app.refusal = HttpRefusal(401)
    with gate(limits=LIMITS, app=app) as server, server.connect() as sock:
        sock.sendall(POST + b"Content-Length: 10\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 401")
        server.advance(SLACK + 61)
        assert read_all(sock) == b""
        server.advance(SLACK + 3)
        server.until(lambda: server.listener.connections == 0)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_refused_client_that_stays_is_thrown_out(kind: str) -> None:
    with gate(kind, limits=LIMITS) as server, server.connect() as sock:
        sock.sendall(b"nonsense")
        assert replies(read_all(sock))[0].status == 400
        assert server.listener.connections == 1
        server.advance(SLACK + 3)
        server.until(lambda: server.listener.connections == 0)


@pytest.mark.parametrize("kind", LOOPS)
def test_an_answer_that_is_thought_over_has_no_time_limit_here(kind: str) -> None:
    with gate(kind, limits=LIMITS, app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder = server.app.next_waiting()
        server.advance(10 * SLACK)
        server.call(responder.start, 200, b"text/event-stream")
        server.advance(10 * SLACK)
        server.call(responder.write, b"still here")
        assert read_until(sock, b"still here\r\n")


def settled(server: Gate, reading: Callable[[], int]) -> Callable[[], bool]:
    """A condition: the reading has not changed for many turns of the loop."""
    last: list[int] = []

    def unchanged() -> bool:
        last.append(reading())
        return last[-500:] == [last[-1]] * 500

    return unchanged


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", LOOPS)
def test_a_client_that_takes_nothing_is_cut_off(kind: str, whole: bool) -> None:
    gone: list[bool] = []
    with gate(kind, limits=LIMITS, app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder = server.app.next_waiting()
        responder.on_gone = lambda: gone.append(True)
        if whole:
            server.call(responder.send, 200, b"x" * 20_000_000)
        else:
            server.call(responder.start, 200, b"text/plain")
            server.call(responder.write, b"x" * 20_000_000)
        (connection,) = server.call(lambda: tuple(server.listener._connections))
        waiting = connection.transport.get_write_buffer_size
        server.settle()
        server.advance(0)
        before = server.call(waiting)
        while server.call(waiting) == before:
            sock.recv(1_000_000)
        server.until(settled(server, waiting))
        server.advance(SLACK + 31)
        server.advance(SLACK + 29)
        assert server.codes == []
        server.advance(2)
        server.until(lambda: server.listener.connections == 0)
        assert server.codes == ["HTTP017"]
        assert gone == ([] if whole else [True])


@pytest.mark.parametrize("kind", LOOPS)
def test_no_more_connections_are_served_than_allowed(kind: str) -> None:
    with gate(kind, limits=Limits(max_connections=2)) as server:
        first, second = server.connect(), server.connect()
        server.until(lambda: server.listener.connections == 2)
        assert [answer.status for answer in replies(server.talk(ASK))] == [503]
        assert server.codes == ["HTTP016"]
        first.close()
        server.until(lambda: server.listener.connections == 1)
        assert [
            a.status for a in replies(server.talk(ASK.replace(b"Host", b"Connection: close\r\nHost")))
        ] == [200]
        second.close()


@pytest.mark.parametrize("kind", LOOPS)
def test_draining_ends_what_is_idle_and_lets_what_is_under_way_finish(kind: str) -> None:
    drained: list[bool] = []
    with (
        gate(kind, app=kept()) as server,
        server.connect() as idle,
        server.connect() as half,
        server.connect() as body,
        server.connect() as answered,
        server.connect() as streamed,
    ):
        streamed.sendall(ASK)
        stream = server.app.next_waiting()
        server.call(stream.start, 200, b"text/event-stream")
        read_until(streamed, b"\r\n\r\n")
        answered.sendall(ASK + ASK)
        answer = server.app.next_waiting()
        half.sendall(ASK[:10])
        body.sendall(POST + b"Content-Length: 4\r\n\r\n")
        server.until(lambda: len(server.app.heads) == 3 and server.listener.connections == 5)
        server.until(lambda: sum(not c.idle for c in server.listener._connections) == 4)
        server.call(server.listener.stop_accepting, lambda: drained.append(True))
        assert read_all(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        server.call(answer.send, 200, b"{}")
        assert [a.headers["connection"] for a in replies(read_all(answered))] == ["close"]
        half.sendall(ASK[10:])
        server.call(server.app.next_waiting().send, 200, b"{}")
        assert [a.headers["connection"] for a in replies(read_all(half))] == ["close"]
        body.sendall(b"body")
        server.call(server.app.next_waiting().send, 200, b"{}")
        assert [a.headers["connection"] for a in replies(read_all(body))] == ["close"]
        assert drained == []
        server.call(stream.write, b"last")
        server.call(stream.finish)
        assert read_all(streamed).endswith(b"last\r\n0\r\n\r\n")
        answered.close()
        server.until(lambda: drained == [True])
        server.settle()
        assert drained == [True]


def test_draining_an_unused_listener_is_done_at_once() -> None:
    drained: list[bool] = []
    with gate() as server:
        server.call(server.listener.stop_accepting, lambda: drained.append(True))
        server.until(lambda: drained == [True])


def test_closing_ends_everything_and_tells_the_application() -> None:
    with gate(app=kept()) as server, server.connect() as sock:
        sock.sendall(ASK)
        responder = server.app.next_waiting()
        server.call(server.listener.close)
        assert read_all(sock) == b""
        server.until(lambda: responder.gone)


def test_the_listener_looks_at_the_clock_by_itself() -> None:
    import asyncio

    from callgate.clock import ManualClock
    from callgate.http1.listener import Listener

    async def run() -> tuple[bytes, bytes]:
        clock = ManualClock()
        listener = Listener(Recorder(), Limits(), clock=clock, sweep_interval=0.001)
        before = listener.date
        clock.advance(10)
        while listener.date == before:
            await asyncio.sleep(0)
        listener.close()
        return before, listener.date

    before, after = asyncio.run(run())
    assert (before, after) == (b"Mon, 21 Sep 2026 14:13:20 GMT", b"Mon, 21 Sep 2026 14:13:30 GMT")
