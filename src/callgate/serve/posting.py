"""A POST from its bytes to its exchange: which era it is of, whose session it belongs to, who calls.

Nothing is forwarded from here that the strict reader has not read; what headers and body say of the era must agree.
"""

import os
from typing import Any

from msgspec import Struct

from callgate.errors import WireRefusal
from callgate.gate.call import Caller
from callgate.http1.contract import Head, Header, Responder
from callgate.principal import Principal
from callgate.serve import tasks
from callgate.serve.answers import SESSION_NOT_FOUND, error_body
from callgate.serve.call import CallExchange
from callgate.serve.exchange import SESSION_HEADER, Exchange
from callgate.serve.sealing import SealedSession
from callgate.serve.shared import Guarded, Shared
from callgate.serve.task import ListenExchange, TaskExchange, TaskListExchange
from callgate.serve.versions import VERSION_HEADER, VersionRefusal, version_of
from callgate.telemetry.trace_context import passed_context
from callgate.upstream.contract import Route
from callgate.wire.strict import ClientFrame, read_client_frame
from callgate.wire.vocabulary import INVALID_REQUEST

MAX_KEY = 200
_NO_SESSION = "Session not found"


class Entered(Struct, gc=False):
    """What is known of a request once it was let in. `headers` are what every answer to it bears; `turn` is when that
    was, see `Front.turn`."""

    guarded: Guarded
    principal: Principal
    headers: tuple[Header, ...] = ()
    turn: int = 0


class SessionRefusal(Exception):
    """The request's session is not one that it may use."""

    def __init__(self, status: int, rpc_code: int, text: str, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.rpc_code = rpc_code
        self.text = text
        self.code = code


def post(shared: Shared, entered: Entered, head: Head, body: bytes, responder: Responder) -> None:
    """Answer one POST, now or later."""
    guarded, headers = entered.guarded, entered.headers
    try:
        frame = read_client_frame(body)
    except WireRefusal as refused:
        _refused(shared, entered, responder, refused)
        return
    request_id = frame.id if frame.kind == "request" else None
    try:
        version = version_of(head, frame)
        if version is not None:
            if frame.kind == "response":
                raise VersionRefusal(INVALID_REQUEST, "WIR075", "this version has no responses from clients")
            exchange = _modern(shared, entered, head, frame, responder, version)
        else:
            exchange = _legacy(shared, entered, head, frame, responder)
    except VersionRefusal as refused:
        shared.observer.refused(guarded.name, refused.code)
        body = error_body(request_id, refused.rpc_code, refused.message, refused.code, refused.data)
        responder.send(400, body, headers=headers)
    except SessionRefusal as refused:
        shared.observer.refused(guarded.name, refused.code)
        body = error_body(request_id, refused.rpc_code, refused.text, refused.code)
        responder.send(refused.status, body, headers=headers)
    else:
        exchange.start()


def session_key(shared: Shared, principal: Principal, head: Head) -> str:
    """What counts as a session where the protocol has none: the proven identity, else what the operator chose."""
    if principal.proven:
        return principal.identity
    if shared.key_header is not None:
        values = head.headers.all(shared.key_header)
        if len(values) == 1 and 0 < len(values[0]) <= MAX_KEY and values[0].isascii():
            return f"key:{values[0].decode()}"
    return principal.identity


def find_session(shared: Shared, guarded: Guarded, principal: Principal, head: Head) -> SealedSession | None:
    """The session that the request names; None if it names none. Raises SessionRefusal."""
    try:
        token = head.headers.get(SESSION_HEADER)
    except ValueError:
        raise SessionRefusal(
            400, INVALID_REQUEST, "the Mcp-Session-Id header stands more than once", "WIR076"
        ) from None
    if token is None:
        return None
    found = shared.seal.open_session(token.decode("latin-1"), guarded.name, principal.identity)
    if found is None or found.home not in ("", shared.home):
        raise SessionRefusal(404, SESSION_NOT_FOUND, _NO_SESSION, "WIR077")
    return found


def legacy_route(session: SealedSession | None, key: str, head: Head, owner: str = "") -> Route:
    """The route of a frame of the handshake eras; `key` where the server keeps no sessions."""
    version = head.headers.get(VERSION_HEADER)
    return Route(
        lane=key if session is None else session.lane,
        era="legacy",
        version=None if version is None else version.decode("latin-1"),
        session=None if session is None else session.upstream,
        trace=passed_context(head.headers),
        owner=owner,
    )


def owner_of(principal: Principal) -> str:
    """Who bears what comes of a request: nobody where callers cannot be told apart for certain."""
    return principal.identity if principal.proven else ""


def caller_of(principal: Principal, session: str, server: str) -> Caller:
    """The caller as the gate knows it."""
    return Caller(
        session,
        principal.identity,
        server,
        proven=principal.proven,
        claims=principal.claims,
        expires_at=principal.expires_at,
    )


def _modern(
    shared: Shared, entered: Entered, head: Head, frame: ClientFrame, responder: Responder, version: str
) -> Exchange:
    guarded, principal = entered.guarded, entered.principal
    key = session_key(shared, principal, head)
    trace = passed_context(head.headers)
    route = Route(lane=key, era="modern", version=version, trace=trace, owner=owner_of(principal))
    caller = caller_of(principal, key, guarded.name)
    kind: Any = Exchange
    if frame.method == "tools/call":
        kind = CallExchange
    elif principal.proven and frame.method in tasks.METHODS:
        kind = TaskExchange
    elif principal.proven and frame.method == "subscriptions/listen":
        kind = ListenExchange
    return kind(shared, guarded, head, frame, responder, caller, route, entered.headers)  # type: ignore[no-any-return]


def _legacy(
    shared: Shared, entered: Entered, head: Head, frame: ClientFrame, responder: Responder
) -> Exchange:
    guarded, principal = entered.guarded, entered.principal
    begun: SealedSession | None = None
    if frame.method == "initialize" and frame.kind == "request":
        home = shared.home if guarded.config.url is None else ""
        lane = f"http-{os.urandom(16).hex()}"
        session = begun = SealedSession(lane, None, shared.clock.wall_ns() // 1_000_000_000, home)
    else:
        found = find_session(shared, guarded, principal, head)
        if found is None and guarded.config.url is None:
            raise SessionRefusal(400, INVALID_REQUEST, "the Mcp-Session-Id header is missing", "WIR078")
        session = found  # type: ignore[assignment]
    key = session_key(shared, principal, head)
    route = legacy_route(session, key, head, owner_of(principal))
    caller = caller_of(principal, route.lane, guarded.name)
    kind: type[Exchange] = Exchange
    if frame.method == "tools/call":
        kind = CallExchange
    elif principal.proven and frame.method in tasks.HANDSHAKE_METHODS:
        kind = TaskExchange
    elif principal.proven and frame.method == tasks.LIST:
        kind = TaskListExchange
    return kind(shared, guarded, head, frame, responder, caller, route, entered.headers, begun)


def _refused(shared: Shared, entered: Entered, responder: Responder, refused: WireRefusal) -> None:
    guarded, principal = entered.guarded, entered.principal
    text = f"{guarded.name}: refused a frame: {refused.message} [{refused.code}]"
    caller = caller_of(principal, principal.identity, guarded.name)
    revision = guarded.policy.revision
    shared.refusals.note("caller", caller, revision, refused.code, refused.message, text)
    shared.observer.refused(guarded.name, refused.code)
    body = error_body(refused.request_id, refused.rpc_code, refused.message, refused.code)
    responder.send(400, body, headers=entered.headers)
