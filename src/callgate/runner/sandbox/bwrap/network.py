"""The way out of a sandbox with a network: its guest listens on its own loopback, and hands us that socket.

The proxy behind it decides what may be reached. Never gives a sandbox a descriptor of this side.
"""

import socket
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.sandbox import Sandbox

_MESSAGE = 64


class Egress(Protocol):
    """A proxy that lets through what is allowed."""

    def serve(self, listening: socket.socket, hosts: Sequence[str]) -> AbstractAsyncContextManager[str]:
        """Accept on `listening` and let through to `hosts` (`HOST:PORT`, `*.HOST:PORT`) only; owns the socket.

        Gives the URL that the script must use. At its end every connection is closed.
        """
        ...


def received(sandbox: Sandbox) -> socket.socket:
    """The socket that the guest listens on, sent before it said that it is ready. Raises SandboxError (SBX015)."""
    control = sandbox.control
    if control is None:
        raise SandboxError("SBX015", "the sandbox has no network")
    control.setblocking(False)
    try:
        _, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 1)
    except OSError:
        descriptors = []
    if len(descriptors) != 1:
        raise SandboxError("SBX015", "the sandbox did not hand over the socket of its network")
    listening = socket.socket(fileno=descriptors[0])
    listening.setblocking(False)
    return listening
