"""The pages beside the servers: health, readiness, metrics, and what RFC 9728 wants published. No secrets in any."""

from collections.abc import Callable, Mapping

from callgate.auth.hosts import Hosts
from callgate.auth.protected_resource import documents
from callgate.config.model import ServeConfig
from callgate.http1.contract import Head, HttpRefusal
from callgate.serve.front import Identifies, Page
from callgate.telemetry.exposition import expose
from callgate.telemetry.health import ALIVE, Status, readiness
from callgate.telemetry.workers import Workers

_JSON = b"application/json"
_LOOPBACK = ("127.", "::1", "unix")


def pages(
    config: ServeConfig,
    status: Callable[[], Status],
    workers: Workers,
    authenticator: Identifies,
    hosts: Hosts,
) -> Mapping[str, Page]:
    """Every page by its path. Probes of a cluster name a host of their own, so health asks for none."""
    found: dict[str, Page] = {
        "/healthz": lambda _head: (*ALIVE, _JSON),
        "/readyz": lambda _head: (*readiness(status()), _JSON),
    }
    if config.telemetry.metrics != "off":
        found["/metrics"] = _Metrics(config.telemetry.metrics, workers, authenticator, hosts)
    for path, body in documents(config.auth, [server.name for server in config.servers]).items():
        found[path] = _document(body)
    return found


def _document(body: bytes) -> Page:
    return lambda _head: (200, body, _JSON)


class _Metrics:
    def __init__(self, whom: str, workers: Workers, authenticator: Identifies, hosts: Hosts) -> None:
        self._whom = whom
        self._workers = workers
        self._authenticator = authenticator
        self._hosts = hosts

    def __call__(self, head: Head) -> tuple[int, bytes, bytes]:
        if not self._may_read(head):
            return 403, b'{"error":"forbidden"}', _JSON
        accept = b", ".join(head.headers.all(b"accept")).decode("latin-1")
        body, content_type = expose(self._workers.totals(), accept or None)
        return 200, body, content_type.encode()

    def _may_read(self, head: Head) -> bool:
        try:
            if self._whom == "loopback":
                # A page in a browser on this machine is local too, but names another host.
                self._hosts.check(head)
                # Behind a front proxy on this machine every request is local: what it passes on is its business.
                return head.peer.startswith(_LOOPBACK)
            return self._authenticator.identify(head).proven
        except HttpRefusal:
            return False
