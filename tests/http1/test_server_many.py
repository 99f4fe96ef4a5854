"""Very many connections that do nothing: what one of them costs, and that nothing of it stays."""

import resource
import socket

import pytest
from raw_server import gate, read_until

IDLE = 1_000


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * IDLE + 200,
    reason="wants more open files than allowed",
)
def test_a_thousand_idle_connections_are_kept_and_forgotten() -> None:
    ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with gate() as server:
        with server.connect() as sock:
            sock.sendall(ask)
            read_until(sock, b"}")
        server.until(lambda: server.listener.connections == 0)
        before = resident()
        clients: list[socket.socket] = []
        try:
            for _ in range(IDLE):
                sock = server.connect()
                clients.append(sock)
                sock.sendall(ask)
                assert read_until(sock, b"}").startswith(b"HTTP/1.1 200")
            assert server.listener.connections == IDLE
            each = (resident() - before) / IDLE
            print(f"{each:.0f} bytes for an idle connection, both of its ends included")
            assert each < 50_000
        finally:
            for sock in clients:
                sock.close()
        server.until(lambda: server.listener.connections == 0)
