"""All bodies that arrive at the same time share one bound, which each gives back once it is over."""

import pytest
from raw_server import LOOPS, Recorder, gate, read_all, replies

from callgate.http1.contract import Limits

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
LIMITS = Limits(max_buffered=3 << 20)
SIZED = POST + b"Content-Length: %d\r\n\r\n" % (2 << 20)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LARGE = b"%x\r\n%b\r\n" % (2 << 20, b"x" * (2 << 20))


def _app() -> Recorder:
    app = Recorder()
    app.limit = 4 << 20
    return app


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["cut off", "whole"])
@pytest.mark.parametrize("kind", LOOPS)
def test_bodies_beyond_the_sum_are_refused_until_others_are_over(kind: str, end: bytes) -> None:
    with gate(kind, limits=LIMITS, app=_app()) as server:
        budget = server.listener.bodies
        with server.connect() as first:
            first.sendall(CHUNKED + LARGE)
            server.until(lambda: budget.left == 1 << 20)
            for second in (SIZED + b"x" * (2 << 20), CHUNKED + LARGE):
                with server.connect() as sock:
                    sock.sendall(second)
                    assert replies(read_all(sock))[0].status == 503
            small = POST + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
            assert replies(server.talk(small))[0].status == 200
            assert server.codes == ["HTTP021", "HTTP021"]
            server.until(lambda: budget.left == 1 << 20)
            first.sendall(end)
            if end:
                server.until(lambda: budget.left == 3 << 20)
        server.until(lambda: budget.left == 3 << 20)
        for again in (SIZED + b"x" * (2 << 20), CHUNKED + LARGE + b"0\r\n\r\n"):
            last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            assert [answer.status for answer in replies(server.talk(again, last))] == [200, 200]
        server.until(lambda: budget.left == 3 << 20)
