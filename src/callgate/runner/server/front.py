"""What every HTTP request meets before the SDK: is it for us, from which page, from whom. Nothing is reflected.

An ASGI middleware. It leaves the Caller in the scope (`CALLER`), and binds sessions to whom they were begun by.
"""

from collections.abc import Mapping
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callgate.auth.authenticator import Authenticator
from callgate.auth.hosts import Hosts
from callgate.http1.contract import Head, Header, Headers, HttpRefusal
from callgate.principal import ANONYMOUS, Principal
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.owner import Caller, http_caller
from callgate.runner.server.under_way import UnderWay

CALLER = "callgate.caller"
PATH = "/mcp"

_JSON = b"application/json"
_ALIVE = b'{"status":"ok"}'
_WELL_KNOWN = "/.well-known/"


class Front:
    """Lets requests for the endpoint through to `app`; answers all others. `documents`: metadata by path."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Hosts,
        authenticator: Authenticator | None,
        options: ServerOptions,
        documents: Mapping[str, bytes],
        under_way: UnderWay,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._authenticator = authenticator
        self._options = options
        self._documents = documents
        self._under_way = under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = _head(scope)
        cors = self._hosts.cors(head)
        try:
            scope[CALLER], scope["user"] = self._let_in(head)
        except HttpRefusal as refused:
            await _send(send, refused, cors)
            return

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *cors]
            await send(message)

        await self._app(scope, receive, send_with_cors if cors else send)

    def _let_in(self, head: Head) -> tuple[Caller, Any]:
        """Who calls. Raises HttpRefusal, also for a page that is answered here."""
        if head.path == "/healthz" and head.method == "GET":
            # Probes of a cluster name a host of their own.
            raise HttpRefusal(200, _ALIVE)
        if head.path in self._documents and head.method == "GET":
            raise HttpRefusal(200, self._documents[head.path])
        self._hosts.check(head)
        if head.method == "OPTIONS":
            preflight = self._hosts.preflight(head)
            raise (
                HttpRefusal(405, headers=_ALLOW) if preflight is None else HttpRefusal(204, headers=preflight)
            )
        if head.path.startswith(_WELL_KNOWN):
            raise HttpRefusal(404)
        principal = ANONYMOUS if self._authenticator is None else self._authenticator.identify(head)
        if head.path != PATH:
            raise HttpRefusal(404)
        if self._under_way.ending:
            raise HttpRefusal(503, headers=((b"retry-after", b"1"),))
        return http_caller(principal, head.headers, self._options.trusted_gates), _user(principal)


_ALLOW: tuple[Header, ...] = ((b"allow", b"POST, GET, DELETE, OPTIONS"),)


def _head(scope: Scope) -> Head:
    peer = scope.get("client")
    return Head(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=Headers([(name.lower(), value) for name, value in scope["headers"]]),
        peer=peer[0] if peer else "unix",
        secure=scope["scheme"] == "https",
    )


def _user(principal: Principal) -> AuthenticatedUser:
    """The principal as the SDK knows callers: it answers for a session only to whom it was begun by."""
    return AuthenticatedUser(AccessToken(token="", client_id=principal.identity, scopes=[]))


async def _send(send: Send, answer: HttpRefusal, more: tuple[Header, ...]) -> None:
    headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers, *more]
    if answer.body:
        headers.insert(0, (b"content-type", answer.content_type))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
