"""The proxy as a backend uses it: one for each execution, for as long as it runs."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

from callgate.errors import SandboxError
from callgate.runner.sandbox.egress.contract import EgressLimits, Log, Resolve
from callgate.runner.sandbox.egress.dial import resolve
from callgate.runner.sandbox.egress.proxy import Egress


class EgressProxy:
    """`log` is called with every host that a script asked for."""

    def __init__(self, log: Log, *, limits: EgressLimits | None = None, resolver: Resolve = resolve) -> None:
        self._log = log
        self._limits = limits
        self._resolver = resolver

    @contextlib.asynccontextmanager
    async def serve(self, listening: socket.socket, hosts: Sequence[str]) -> AsyncIterator[str]:
        """Accept on `listening` and let through to `hosts` only; gives the URL for the script's proxy settings.

        Owns the socket. Raises SandboxError: SBX060 for a host that is none, SBX061 for a socket that is no listening
        one of IPv4.
        """
        try:
            url = f"http://127.0.0.1:{_port(listening)}"
            egress = Egress(listening, hosts, self._log, limits=self._limits, resolver=self._resolver)
        except BaseException:
            listening.close()
            raise
        egress.start()
        try:
            yield url
        finally:
            await egress.close()


def _port(listening: socket.socket) -> int:
    try:
        accepts = listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if accepts and listening.family == socket.AF_INET and listening.type == socket.SOCK_STREAM:
            return int(listening.getsockname()[1])
    except OSError:
        pass
    raise SandboxError("SBX061", "the sandbox handed over something else than a listening socket")
