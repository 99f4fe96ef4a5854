"""One frame of an agent and everything that comes back for it: forwarded, filtered, answered.

Tool calls are judged by `serve.call`; everything else passes here or is refused. Agent and server are hostile. Must
not block and must not raise into the connection.
"""

from typing import Any

from callgate.audit.record import Status
from callgate.gate.call import Caller
from callgate.http1.contract import Head, Header, Responder
from callgate.proxy.results import UNASKED_LIST, UNREADABLE_LIST, unasked_answer, visible_list
from callgate.serve.answers import CREDENTIALS_REFUSED, CREDENTIALS_STATUSES, SESSION_NOT_FOUND, error_body
from callgate.serve.reply import Reply
from callgate.serve.sealing import SealedSession
from callgate.serve.shared import Guarded, Shared
from callgate.serve.versions import HANDSHAKE_VERSIONS, UNSUPPORTED_VERSION
from callgate.text import quote
from callgate.upstream.contract import Route, UpstreamFailure
from callgate.wire import replies
from callgate.wire.server import ServerFrame, read_server_frame, result_type
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import METHOD_NOT_FOUND, METHODS, SERVER_ERROR, Treatment, treatment

SESSION_HEADER = b"mcp-session-id"
_HTTP_STATUS = {"busy": 503, "timeout": 504}
_STATUS_OF_ERROR = {
    -32700: 400,
    -32600: 400,
    -32602: 400,
    -32601: 404,
    -32020: 400,
    -32021: 400,
    -32022: 400,
}
"""MCP 2026-07-28, Streamable HTTP: which errors have a status of their own."""
_LISTS = frozenset(
    ("server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list")
)
_ERA_STATUSES = frozenset((400, 404, 405, 406, 415))
_MODERN_ERRORS = frozenset((-32700, -32602, -32601, -32020, -32021, -32022))


class Exchange(Reply):
    """The sink of the server's answer, and the owner of the agent's. `start` begins; everything else follows.

    `session` is what an `initialize` begins; None for every other frame.
    """

    __slots__ = (
        "answered",
        "began_ns",
        "forward",
        "frame",
        "head",
        "method",
        "modern",
        "resumable",
        "session",
    )

    def __init__(
        self,
        shared: Shared,
        guarded: Guarded,
        head: Head,
        frame: ClientFrame,
        responder: Responder,
        caller: Caller,
        route: Route,
        headers: tuple[Header, ...],
        session: SealedSession | None = None,
    ) -> None:
        super().__init__(shared, guarded, responder, caller, route, headers)
        self.head = head
        self.frame = frame
        self.session = session
        self.modern = route.era == "modern"
        self.method: str = frame.method or ""
        self.forward = frame.forward
        self.began_ns = shared.clock.monotonic_ns()
        self.answered = False
        self.resumable = False

    def start(self) -> None:
        """Answer the frame, or send it on."""
        kind, method = self.frame.kind, self.method
        if kind == "response":
            self.send()
            return
        if kind == "notification" and self.modern:
            # Streamable HTTP of 2026-07-28 has no notifications from clients: closing the stream cancels.
            self.finish(202, b"")
            return
        how = treatment(method, notification=kind == "notification")
        if how is Treatment.REFUSE and not self.guarded.policy.allows_method(method):
            self.refuse_method()
        elif self.modern and method in METHODS and "modern" not in METHODS[method].eras:
            self.error(404, METHOD_NOT_FOUND, f"{method} is not a method of this version", "WIR073")
        else:
            self.send()

    def send(self) -> None:
        """Send the frame on."""
        self.responder.on_gone = self.gone
        self.responder.on_room = self.room
        handle = self.guarded.upstream.send(self.frame, self.forward, self.route, self)
        if not self.over:
            self.handle = handle

    # What tools/call does differently.

    def settle(
        self,
        status: Status,
        *,
        ran: bool = True,
        rpc_code: int | None = None,
        size: int | None = None,
        task: str | None = None,
    ) -> None:
        """What came of the frame; once."""

    def leave(self) -> None:
        """The answer may still come on another stream."""

    def answer(self, frame: ServerFrame) -> bytes | None:
        """What the agent gets for the server's answer; None if that was answered otherwise."""
        if self._is_of_another_era(frame):
            # A server of the handshake eras that answers anything: its lists would look empty or wrong.
            self.wrong_era()
            return None
        if self.method == "tools/list":
            return self._listed(frame)
        return frame.forward

    def told(self, frame: ServerFrame) -> bytes | None:
        """What the agent gets of what the server says besides its answer; None: nothing."""
        return frame.forward

    # What comes back.

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:
        """The server answers."""
        self.status = status
        if status < 500:
            self.guarded.health = "up"
        begun = self.session
        if begun is not None and status < 400 and (session is not None or begun.home):
            sealed = SealedSession(begun.lane, session, begun.begun, begun.home)
            token = self.shared.seal.session(sealed, self.guarded.name, self.caller.identity)
            self.headers = (*self.headers, (SESSION_HEADER, token.encode()))
        if stream and not self.over:
            self.begin_stream()

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        """One frame of the server."""
        if self.over:
            return
        if self.status in CREDENTIALS_STATUSES:
            self._credentials()
            return
        if id is not None:
            self.resumable = True
        if not data:
            self.write(b"", id, retry)
            return
        if self.guarded.aliases.used:
            data = self.guarded.aliases.undo(data)
        frame = read_server_frame(data)
        if frame.kind == "response":
            forward = self._response(frame)
        elif frame.kind == "garbage":
            forward = self._garbage(frame)
        else:
            if frame.method == "notifications/tools/list_changed":
                self.guarded.tools[self.route.era].outdated()
            forward = self.told(frame)
        if self._ended():
            return
        if self.streaming:
            if forward is not None:
                self.write(forward, id, retry)
        elif forward is None:
            self.error(502, SERVER_ERROR, "the server's answer is no valid message", "WIR055")
        else:
            self.finish(self._http_status(frame), forward)

    def _http_status(self, frame: ServerFrame) -> int:
        """The status of an answer that came whole; a child on stdio gives none, so it follows from the error's code."""
        if self.modern and frame.has_error and self.guarded.config.url is None:
            return _STATUS_OF_ERROR.get(frame.error_code or 0, 200)
        # Some that mean success mean as well that there is no body, or only a part of one.
        return self.status if self.status >= 400 else 200

    def _is_of_another_era(self, frame: ServerFrame) -> bool:
        return (
            self.modern
            and self.method in _LISTS
            and frame.result is not None
            and result_type(frame.result) is None
        )

    def _ended(self) -> bool:
        return self.over

    def closed(self) -> None:
        """Nothing more comes."""
        if self.over:
            return
        if self.streaming:
            self.leave()
            self.finish(200, b"")
        elif self.status in CREDENTIALS_STATUSES:
            self._credentials()
        elif self.frame.kind != "request":
            self.finish(self.status if self.status < 500 else 502, b"")
        elif self.modern and self.status in _ERA_STATUSES:
            self.wrong_era()
        elif self.status == 404:
            self.settle("rpc_error")
            self.error(404, SESSION_NOT_FOUND, "the server does not know this session", "UPS010")
        else:
            text = f"the server answered with the HTTP status {self.status} and no message"
            self.error(502 if self.modern else 200, SERVER_ERROR, text, "UPS011")

    def failed(self, failure: UpstreamFailure) -> None:
        """The server cannot be asked, or went away in mid-answer."""
        if self.over:
            return
        if failure.kind == "era":
            self.settle("unknown" if failure.ran else "not_forwarded", ran=failure.ran)
            self.wrong_era(failure.supported or HANDSHAKE_VERSIONS)
            return
        self.log_failure(failure.text, failure.code)
        text = failure.text
        if failure.retry_after is not None:
            self.headers = (*self.headers, (b"retry-after", b"%d" % failure.retry_after))
        # With a child its session has ended, and nothing is left to be asked for.
        over = failure.kind == "closed" and self.guarded.config.url is None
        if self.streaming and self.resumable and not self.modern and not self.answered and not over:
            # As if the agent were connected directly: it may ask for the rest with Last-Event-ID.
            self.leave()
            self.abort()
            return
        self.settle("unknown" if failure.ran else "not_forwarded", ran=failure.ran)
        if self.streaming:
            if not self.answered and self.frame.kind == "request":
                self.write(error_body(self.frame.id, SERVER_ERROR, text, failure.code))
            self.finish(200, b"")
        elif failure.kind == "unknown_session":
            self.error(404, SESSION_NOT_FOUND, text, failure.code)
        elif self.frame.kind == "request" and not self.modern:
            # Clients of the handshake eras take an HTTP error for the end of the session.
            self.error(200, SERVER_ERROR, text, failure.code)
        else:
            self.error(_HTTP_STATUS.get(failure.kind, 502), SERVER_ERROR, text, failure.code)

    def flooded(self) -> None:
        # The rest would be no better: the agent is not to ask for it.
        self.resumable = False
        super().flooded()

    def _response(self, frame: ServerFrame) -> bytes | None:
        mine = frame.id == self.frame.id and type(frame.id) is type(self.frame.id)
        if mine and not self.answered and self.frame.kind == "request":
            self.answered = True
            return self.answer(frame)
        if not self.streaming and self.status >= 400 and frame.has_error:
            return self._http_error(frame)
        forward = unasked_answer(frame, self.guarded.policy)
        if forward is None:
            self.drop(UNASKED_LIST, "WIR054")
        return forward

    def _http_error(self, frame: ServerFrame) -> bytes | None:
        """An error that names no request of ours, under an HTTP status: the transport's, not the method's."""
        if self.modern and self.status in _ERA_STATUSES and frame.error_code not in _MODERN_ERRORS:
            self.wrong_era()
            return None
        self.settle("rpc_error", rpc_code=frame.error_code, size=len(frame.forward))
        return frame.forward

    def _credentials(self) -> None:
        self.log_failure(f"{CREDENTIALS_REFUSED} (HTTP {self.status})", "UPS012")
        self.settle("rpc_error")
        status = 200 if self.frame.kind == "request" and not self.modern else 502
        self.error(status, SERVER_ERROR, CREDENTIALS_REFUSED, "UPS012")

    def _listed(self, frame: ServerFrame) -> bytes:
        whole = (self.frame.params or {}).get("cursor") is None
        tools = self.guarded.tools[self.route.era]
        shown = visible_list(
            frame,
            self.guarded.policy,
            lambda listed, last: tools.learn(listed) if whole and last else None,
            modern=self.modern,
        )
        if shown is not None:
            return shown
        self.drop(UNREADABLE_LIST, "WIR054")
        return error_body(self.frame.id, SERVER_ERROR, UNREADABLE_LIST, "WIR054")

    def _garbage(self, frame: ServerFrame) -> bytes | None:
        """What is no message is passed on only where nobody could find an answer in it that must be filtered."""
        mine = frame.id is not None and frame.id == self.frame.id
        if frame.passable and not mine and not self.guarded.policy.hides_anything:
            return frame.forward
        self.drop("a frame from the server is no valid message", "WIR055")
        if not mine or self.answered:
            return None
        self.answered = True
        self.settle("unknown", size=len(frame.forward))
        return error_body(self.frame.id, SERVER_ERROR, "the server's answer is no valid message", "WIR055")

    def wrong_era(self, supported: tuple[str, ...] = HANDSHAKE_VERSIONS) -> None:
        """The server does not speak the era of this frame: say so, never show an empty list."""
        self.settle("unknown")
        data = {"supported": list(supported), "requested": self.route.version}
        text = "Unsupported protocol version"
        if self.streaming:
            self.write(error_body(self.frame.id, UNSUPPORTED_VERSION, text, "WIR071", data))
            self.finish(200, b"")
        else:
            self.error(400, UNSUPPORTED_VERSION, text, "WIR071", data)

    # The agent.

    def gone(self) -> None:
        """The agent went away. In the modern era that cancels; before, the server goes on, and so does the record."""
        if self.over:
            return
        handle = self.handle
        if self.modern:
            if handle is not None:
                handle.cancel()
            self.settle("cancelled")
            self.finish(499, b"")
        elif handle is not None:
            handle.resume()
            self.shared.unanswered.abandon(self, self.guarded.config.timeout)

    def give_up(self) -> None:
        """The agent has been gone for too long for its answer to count."""
        if self.handle is not None:
            self.handle.cancel()
        if self.resumable:
            self.leave()
        self.finish(504, b"")

    def expire(self) -> None:
        """The caller's credential has ended while the stream went on: as if the caller had gone."""
        if self.over:
            return
        if self.streaming:
            self.shared.streams.discard(self)
            self.responder.abort()
        self.gone()

    def drain(self) -> None:
        """The gate is about to end: what would never end by itself ends now."""
        if self.method == "subscriptions/listen":
            self.gone()

    def announce(self) -> None:
        """Tell the agent that it now sees other tools, if this stream is one that it asked to be told on."""
        params = self.frame.params or {}
        wanted = params.get("notifications")
        if (
            self.method == "subscriptions/listen"
            and type(wanted) is dict
            and wanted.get("toolsListChanged") is True
        ):
            self.write(replies.tools_list_changed(self.frame.id))

    def error(self, status: int, rpc_code: int, text: str, stable: str, data: Any = None) -> None:
        """Complete the answer with a JSON-RPC error; a notification gets the status alone."""
        if self.frame.kind == "notification":
            self.finish(status if status != 200 else 502, b"")
            return
        id = self.frame.id if self.frame.kind == "request" else None
        self.finish(status, error_body(id, rpc_code, text, stable, data))

    def finish(self, status: int, body: bytes) -> None:
        """Complete the answer, the record and the count."""
        super().finish(status, body)
        self.settle("unknown")
        seconds = (self.shared.clock.monotonic_ns() - self.began_ns) / 1e9
        self.shared.observer.answered(self.guarded.name, self.method, status, seconds)

    def refuse_method(self) -> None:
        """Answer that there is no such method, and record it."""
        text = f"method {quote(self.method)} is not one this gate lets through"
        line = f"{self.guarded.name}: refused: {text}"
        revision = self.guarded.policy.revision
        self.shared.refusals.note("caller", self.caller, revision, "WIR050", text, line)
        self.shared.observer.refused(self.guarded.name, "WIR050")
        self.error(404 if self.modern else 200, METHOD_NOT_FOUND, text, "WIR050")
