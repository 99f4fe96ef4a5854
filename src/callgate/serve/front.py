"""What every request meets first: is it for us, from whom, to which server, and how much may it say.

All of that is decided from the head, before a byte of the body is read. Nothing of a request is reflected.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from callgate.auth.hosts import Hosts
from callgate.http1.contract import Head, Header, HttpRefusal, Responder
from callgate.principal import Principal
from callgate.serve.answers import NOT_ACCEPTABLE, error_body, nothing_here, refusal
from callgate.serve.listening import Ending, Listening
from callgate.serve.posting import (
    Entered,
    SessionRefusal,
    caller_of,
    find_session,
    legacy_route,
    post,
    session_key,
)
from callgate.serve.shared import Guarded, Shared
from callgate.serve.turned_away import TurnedAway
from callgate.serve.versions import HANDSHAKE_VERSIONS, HEADER_MISMATCH, VERSION_HEADER
from callgate.wire.vocabulary import INVALID_REQUEST

MAX_EVENT_ID = 1024
_MAX_FINE = 256
_PUBLIC = "/.well-known/"
"""Clients look for metadata here before they have a credential, and take 404 alone for "there is none"."""
_JSON, _SSE = b"application/json", b"text/event-stream"
_HANDSHAKE = frozenset(version.encode() for version in HANDSHAKE_VERSIONS)
_ALLOW: tuple[Header, ...] = ((b"allow", b"POST, GET, DELETE, OPTIONS"),)


class Identifies(Protocol):
    """Authentication, as this module needs it."""

    def identify(self, head: Head) -> Principal:
        """Who calls. Raises HttpRefusal."""
        ...


class Page(Protocol):
    """Answers a request that is not for a server: health, metrics, metadata."""

    def __call__(self, head: Head) -> tuple[int, bytes, bytes]:
        """Return status, body and content type."""
        ...


class Front:
    """The application of one listener. `servers` by path (`/name/mcp`), `pages` by path; both may be replaced."""

    def __init__(
        self,
        shared: Shared,
        servers: Mapping[str, Guarded],
        pages: Mapping[str, Page],
        authenticator: Identifies,
        hosts: Hosts,
        accepting: Callable[[], bool],
    ) -> None:
        self._shared = shared
        self.servers = servers
        self.pages = pages
        self.authenticator = authenticator
        self.hosts = hosts
        self._accepting = accepting
        self.turn = 0
        """Counts up when servers or credentials are replaced: what a head was found to be may not hold after that."""
        self.turned_away = TurnedAway(shared.log, shared.judging.event, shared.clock)
        self._fine: set[tuple[bytes | None, bytes | None, bytes | None] | None] = set()
        """Content-Type, Accept and Content-Encoding as they were found fine; clients repeat a few forms."""

    def head(self, head: Head) -> int:
        """Let the request in or not; returns how many bytes its body may have. Raises HttpRefusal."""
        guarded = self.servers.get(head.path)
        if guarded is None and head.path in self.pages:
            if head.method != "GET":
                raise HttpRefusal(405, headers=((b"allow", b"GET"),))
            return 0
        cors = self.hosts.cors(head)
        try:
            self.hosts.check(head)
            if head.method == "OPTIONS":
                self._preflight(head)
            if guarded is None and head.path.startswith(_PUBLIC):
                raise nothing_here()
            principal = self.authenticator.identify(head)
            # Who is not let in does not learn which servers there are.
            if guarded is None:
                raise nothing_here()
            most = self._enter(head, guarded)
        except HttpRefusal as refused:
            self._count(head, None if guarded is None else guarded.name, refused)
            refused.headers = (*refused.headers, *cors)
            raise
        head.context = Entered(guarded, principal, cors, self.turn)
        return most

    def _count(self, head: Head, server: str | None, refused: HttpRefusal) -> None:
        if refused.status < 400:
            return
        self._shared.observer.refused(server or "", refused.code or f"HTTP {refused.status}")
        if refused.code.startswith("AUTH"):
            self.turned_away.note(head, server, refused)

    def _preflight(self, head: Head) -> None:
        answer = self.hosts.preflight(head)
        raise HttpRefusal(405, headers=_ALLOW) if answer is None else HttpRefusal(204, headers=answer)

    def _enter(self, head: Head, guarded: Guarded) -> int:
        if not self._accepting():
            raise HttpRefusal(503, headers=((b"retry-after", b"1"),))
        if head.method == "POST":
            self._check_post(head)
            return guarded.config.max_request
        if head.method == "GET":
            _check_accept(head, (_SSE,))
        elif head.method != "DELETE":
            raise HttpRefusal(405, headers=_ALLOW)
        if _is_modern(head):
            raise HttpRefusal(405, headers=((b"allow", b"POST"),))
        return 0

    def _check_post(self, head: Head) -> None:
        try:
            get = head.headers.get
            said = get(b"content-type"), get(b"accept"), get(b"content-encoding")
        except ValueError:
            said = None
        if said in self._fine:
            return
        _check_content_type(head)
        _check_accept(head, (_JSON, _SSE))
        if said is not None and len(self._fine) < _MAX_FINE:
            self._fine.add(said)

    def handle(self, head: Head, body: bytes, responder: Responder) -> None:
        """Answer a request that was let in."""
        if head.context is None:
            status, content, content_type = self.pages[head.path](head)
            responder.send(status, content, content_type)
            return
        entered: Entered = head.context
        until = entered.principal.expires_at
        if entered.turn != self.turn or (until is not None and until <= self._shared.clock.wall_ns() / 1e9):
            # Its body took its time: who calls and what is asked is judged by what is in force when it is whole.
            try:
                if len(body) > self.head(head):
                    raise refusal(413, INVALID_REQUEST, "the body is too large", "HTTP008")
            except HttpRefusal as refused:
                responder.send(refused.status, refused.body, refused.content_type, refused.headers)
                return
            entered = head.context
        if head.method == "POST":
            post(self._shared, entered, head, body, responder)
        else:
            self._session(entered, head, responder)

    def _session(self, entered: Entered, head: Head, responder: Responder) -> None:
        """GET and DELETE: what sessions have and requests have not."""
        guarded, shared = entered.guarded, self._shared
        try:
            session = find_session(shared, guarded, entered.principal, head)
            if session is None and guarded.config.url is None:
                raise SessionRefusal(400, INVALID_REQUEST, "the Mcp-Session-Id header is missing", "WIR078")
        except SessionRefusal as refused:
            body = error_body(None, refused.rpc_code, refused.text, refused.code)
            responder.send(refused.status, body, headers=entered.headers)
            return
        route = legacy_route(session, session_key(shared, entered.principal, head), head)
        if head.method == "GET":
            caller = caller_of(entered.principal, route.lane, guarded.name)
            Listening(shared, guarded, responder, caller, route, entered.headers).start(
                head, _last_event_id(head)
            )
        else:
            guarded.upstream.end(route, Ending(guarded, responder, entered.headers))


def _is_modern(head: Head) -> bool:
    values = head.headers.all(VERSION_HEADER)
    if len(values) > 1:
        text = "the MCP-Protocol-Version header stands more than once"
        raise refusal(400, HEADER_MISMATCH, text, "WIR070")
    return bool(values) and values[0] not in _HANDSHAKE


def _check_content_type(head: Head) -> None:
    """JSON in UTF-8 and nothing else: pages of a browser can send other types to any host without being asked."""
    values = head.headers.all(b"content-type")
    kind, _, parameters = (values[0] if len(values) == 1 else b"").partition(b";")
    charset = parameters.strip().lower().replace(b'"', b"")
    if kind.strip().lower() != _JSON or charset not in (b"", b"charset=utf-8"):
        raise refusal(415, INVALID_REQUEST, "Content-Type must be application/json", "WIR079")
    if any(value.lower() != b"identity" for value in head.headers.all(b"content-encoding")):
        raise refusal(415, INVALID_REQUEST, "the body must not be compressed", "WIR079")


def _check_accept(head: Head, wanted: tuple[bytes, ...]) -> None:
    values = head.headers.all(b"accept")
    if not values:
        return
    accepted = {part.partition(b";")[0].strip().lower() for value in values for part in value.split(b",")}
    for one in wanted:
        if not accepted & {one, b"*/*", one.partition(b"/")[0] + b"/*"}:
            text = f"Accept must allow {' and '.join(kind.decode() for kind in wanted)}"
            raise refusal(406, NOT_ACCEPTABLE, text, "WIR080")


def _last_event_id(head: Head) -> str | None:
    values = head.headers.all(b"last-event-id")
    if len(values) != 1 or len(values[0]) > MAX_EVENT_ID:
        return None
    return values[0].decode("utf-8", "replace")
