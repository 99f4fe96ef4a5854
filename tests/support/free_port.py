"""Ports for programs that cannot choose one and say which."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on now. Another process may take it: whoever starts the program tries again."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
