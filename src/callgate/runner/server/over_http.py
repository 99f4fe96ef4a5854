"""The runner over Streamable HTTP, at `/mcp`: the SDK's application behind `front`, served by uvicorn."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from callgate.auth.authenticator import Authenticator
from callgate.auth.hosts import Hosts
from callgate.auth.protected_resource import WELL_KNOWN, documents
from callgate.config.model import AuthConfig, ListenConfig
from callgate.errors import UsageError
from callgate.runner.jobs.contract import Engine
from callgate.runner.server.endings import ending_signals
from callgate.runner.server.front import CALLER, PATH, Front
from callgate.runner.server.log import log_to_stderr
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.owner import Caller
from callgate.runner.server.protocol import mcp_server
from callgate.runner.server.tasks import Context
from callgate.runner.server.under_way import UnderWay
from callgate.text import quote

MAX_BODY = 16 << 20
"""Bytes of a request: a script and its variables, escaped as clumsily as JSON allows."""
_TICK = 1.0
_BEGINNING = 0.01


class _Uvicorn(uvicorn.Server):
    """Leaves signals to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(
    engine: Engine,
    listen: ListenConfig,
    authenticator: Authenticator | None,
    options: ServerOptions,
    *,
    auth: AuthConfig | None = None,
    listening: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set (None: SIGTERM or SIGINT). Raises UsageError.

    `authenticator` None: nobody is asked who they are, and only this machine is listened to. `auth` is what the
    authenticator was made of, for the metadata that is published. `listening` hears the URL once it can be reached.
    Calls under way may take `options.drain` seconds when the server ends; executions go on.
    """
    log_to_stderr()
    if authenticator is None and not listen.allow_unauthenticated and not _is_loopback(listen.host):
        raise UsageError(
            "RUN015",
            f"the runner would execute code for anyone who can reach {quote(listen.host)}",
            "configure `auth`, or listen on 127.0.0.1",
        )
    under_way = UnderWay()
    server = mcp_server(engine, _caller_of, options, under_way)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=MAX_BODY,
        # `Front` has looked at Host and Origin already, more strictly and with the operator's names.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    published = documents(auth, ())
    if published:
        published.setdefault(WELL_KNOWN + PATH, published[WELL_KNOWN])
    hosts = Hosts(listen, None if auth is None else auth.resource)
    http = _Uvicorn(
        uvicorn.Config(
            Front(app, hosts, authenticator, options, published, under_way),
            # The other parser that uvicorn knows keeps white space at the end of a header's value.
            http="h11",
            h11_max_incomplete_event_size=listen.limits.max_head,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=listen.limits.max_connections,
            timeout_keep_alive=int(listen.limits.idle_timeout),
            # Calls have had their time by then; what is left are streams that wait for nothing.
            timeout_graceful_shutdown=1,
            ssl_certfile=listen.tls_cert,
            ssl_keyfile=listen.tls_key,
        )
    )
    with _listener(listen) as sock:
        async with ending_signals(stop) as told:
            serving = asyncio.ensure_future(http.serve(sockets=[sock]))
            ended = asyncio.ensure_future(told.wait())
            ticking = asyncio.ensure_future(_tick(authenticator))
            if listening is not None:
                listening(_url(listen, sock))
            try:
                await asyncio.wait((serving, ended), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await _end_at_once(http, serving)
                raise
            finally:
                ended.cancel()
                ticking.cancel()
            for accepting in http.servers:
                accepting.close()
            await under_way.end(options.drain)
            http.should_exit = True
            await asyncio.wait((serving, ended, ticking))
            serving.result()


async def _end_at_once(http: _Uvicorn, serving: "asyncio.Future[None]") -> None:
    """uvicorn ends without a word only if it is neither cancelled nor still about to begin."""
    while not http.started and not serving.done():
        await asyncio.sleep(_BEGINNING)
    http.should_exit = True
    # Whoever still waits for an answer is cut off, which uvicorn calls an error; there is a better one to tell.
    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.disabled, before = True, uvicorn_log.disabled
    await asyncio.wait((serving,))
    uvicorn_log.disabled = before


def _caller_of(context: Context) -> Caller:
    request = context.request
    caller = None if request is None else request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise TypeError("a request that did not come through the front")
    return caller


async def _tick(authenticator: Authenticator | None) -> None:
    while authenticator is not None:
        authenticator.tick()
        await asyncio.sleep(_TICK)


@contextmanager
def _listener(listen: ListenConfig) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        sock = socket.create_server((listen.host.strip("[]"), listen.port), family=family, backlog=1024)
    except OSError as error:
        reason = (error.strerror or "it cannot be used").lower()
        raise UsageError(
            "RUN016", f"cannot listen on {quote(listen.host)}, port {listen.port}: {reason}"
        ) from None
    with sock:
        yield sock


def _url(listen: ListenConfig, sock: socket.socket) -> str:
    host = f"[{listen.host.strip('[]')}]" if ":" in listen.host else listen.host
    return f"{'https' if listen.tls_cert else 'http'}://{host}:{sock.getsockname()[1]}{PATH}"


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return host == "localhost"
