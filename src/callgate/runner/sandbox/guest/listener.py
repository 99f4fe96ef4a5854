"""The one way out of a network namespace: a socket that listens inside it and is accepted from by the host.

Made before seccomp forbids listening. The host's proxy decides what may be reached.
"""

import os
import sys

PASSES = 5
"""The descriptor of the unix socket over which the host waits for the listening one."""


def hand_over() -> int:
    """Listen on a free port of this namespace's loopback, hand the socket to the host; the port. Raises OSError."""
    import _socket  # only with a network; `socket` itself would take as long as all the rest of the guest

    with_host = _socket.socket(fileno=PASSES)
    listening = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        port: int = listening.getsockname()[1]
        handed = listening.fileno().to_bytes(4, sys.byteorder)
        with_host.sendmsg([b"%d" % port], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed)])
    finally:
        listening.close()
        with_host.close()
    return port


def use_proxy(url: str) -> None:
    """Let httpx and urllib find the proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        os.environ[name] = url
