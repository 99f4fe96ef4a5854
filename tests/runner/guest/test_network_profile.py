"""With a network, a script reaches the host's proxy and nothing else: the proxy's socket is the one way out."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from inside import PACKAGES, UID, USERS, Inside, Outcome, User, command, job, talk

from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.contract import Limits


class Proxy:
    """Answers whatever asks it on the guest's own socket, and keeps the first lines."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._over = threading.Event()
        self._host, self.guests = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        _, descriptors, _, _ = socket.recv_fds(self._host, 16, 1)
        if not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as listening:
            listening.settimeout(0.05)
            while not self._over.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection, contextlib.suppress(OSError):
                    said = connection.recv(65536)
                    self.asked.append(said.split(b"\r\n")[0].decode())
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    def close(self) -> None:
        self.guests.close()
        self._over.set()
        self._thread.join()
        self._host.close()


@contextlib.contextmanager
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    try:
        yield made
    finally:
        made.close()


def run_networked(script: str, through: Proxy, user: User = USERS[0], **parts: Any) -> Outcome:
    uid = UID if user == "dropped" else None
    arguments = guest_files.arguments(Limits(), uid=uid, profile="network")
    with Inside(command(user, arguments), {5: through.guests.fileno()}) as inside:
        through.guests.close()
        return talk(inside, job(script, packages=[PACKAGES], **parts))


@pytest.mark.parametrize("user", USERS)
def test_urllib_goes_through_the_proxy(user: User) -> None:
    script = "import urllib.request\nx = urllib.request.urlopen('http://example.test/a').read().decode()"
    with proxy() as through:
        outcome = run_networked(script, through, user, outputs={"x": "str"})
    assert outcome.results == {"x": "hi"}
    assert through.asked == ["GET http://example.test/a HTTP/1.1"]


def test_httpx_goes_through_the_proxy() -> None:
    script = """
import httpx
x = httpx.get("http://example.test/b").text
try:
    httpx.get("https://example.test/")
except httpx.HTTPError as error:
    y = type(error).__name__
"""
    with proxy() as through:
        outcome = run_networked(script, through, outputs={"x": "str", "y": "str"})
    assert outcome.results["x"] == "hi"
    assert through.asked == ["GET http://example.test/b HTTP/1.1", "CONNECT example.test:443 HTTP/1.1"]


ATTEMPTS = {
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "raw": "socket.socket(socket.AF_INET, socket.SOCK_RAW)",
    "unix": "socket.socket(socket.AF_UNIX)",
    "a pair": "socket.socketpair()",
    "netlink": "socket.socket(16, 3)",
    "vsock": "socket.socket(40, 1)",
    "sctp": "socket.socket(2, 1, 132)",
    "multipath tcp": "socket.socket(2, 1, 262)",
    "listening": "socket.socket().listen()",
    "binding": "socket.socket().bind(('127.0.0.1', 0))",
    "an upper layer": "socket.socket().setsockopt(6, 31, b'tls')",
    "a device": "socket.socket().setsockopt(1, 25, b'lo')",
    "another port": "socket.create_connection(('127.0.0.1', 1), 1)",
    "another machine": "socket.create_connection(('192.0.2.1', 80), 1)",
}


@pytest.mark.parametrize("user", USERS)
def test_everything_but_tcp_to_the_proxy_is_refused(user: User) -> None:
    script = "import errno, socket\nsaid = {}\n" + "".join(
        f"try:\n    {code}\n    said[{name!r}] = 'allowed'\n"
        f"except OSError as error:\n    said[{name!r}] = errno.errorcode[error.errno]\n"
        for name, code in ATTEMPTS.items()
    )
    with proxy() as through:
        said = run_networked(script, through, user, outputs={"said": "dict"}).results["said"]
    expected = dict.fromkeys(ATTEMPTS, "EPERM")
    # Landlock holds the port, the namespace has no route
    expected |= {"another port": "EACCES", "another machine": "EACCES"}
    assert said == expected


def test_without_a_network_there_is_no_proxy_in_the_environment() -> None:
    arguments = guest_files.arguments(Limits(), uid=UID if USERS[0] == "dropped" else None)
    with Inside(command(USERS[0], arguments)) as inside:
        outcome = talk(inside, job("import os\nx = sorted(os.environ)", outputs={"x": "list"}))
    assert not [name for name in outcome.results["x"] if "proxy" in name.lower()]
    assert outcome.results["x"] == sorted(
        {*guest_files.environment(), "LD_LIBRARY_PATH", "PWD"} & set(outcome.results["x"])
    )


def test_the_guest_keeps_no_descriptor_of_the_host() -> None:
    script = """
import os
x = []
for n in range(300):
    try:
        os.fstat(n)
        x.append(n)
    except OSError:
        pass
"""
    with proxy() as through:
        outcome = run_networked(script, through, outputs={"x": "list"})
    assert outcome.results == {"x": [0, 1, 2, 3, 4]}
