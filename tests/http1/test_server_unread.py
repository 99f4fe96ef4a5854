"""What clients leave unread shares one bound, and who leaves the most is cut off first."""

import pytest
from raw_server import LOOPS, Recorder, gate

from callgate.http1.contract import Head, Limits, Responder

LIMITS = Limits(max_buffered=4 << 20, high_water=65_536)


class _Generous(Recorder):
    def handle(self, head: Head, body: bytes, responder: Responder) -> None:  # noqa: ARG002
        responder.send(200, b"x" * ((16 << 20) if head.path == "/large" else (3 << 20)))


@pytest.mark.parametrize("kind", LOOPS)
def test_the_largest_unread_answer_is_cut_off_once_all_together_are_too_much(kind: str) -> None:
    with (
        gate(kind, limits=LIMITS, app=_Generous()) as server,
        server.connect() as large,
        server.connect() as small,
    ):
        large.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        small.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")

        def shed() -> bool:
            server.listener.sweep()
            return server.codes == ["HTTP022"]

        server.until(shed)
        got = 0
        while got < 3 << 20:
            got += len(small.recv(1 << 20))
        with pytest.raises(ConnectionResetError):  # noqa: PT012
            while large.recv(1 << 20):
                continue
            raise ConnectionResetError
