"""GET and DELETE of the handshake eras: the stream of frames that belong to no request, and the end of a session.

What comes on the stream is filtered as everywhere else, and the late answer of a call settles it.
"""

from callgate.http1.contract import Head, Header, Responder
from callgate.proxy.results import UNASKED_LIST, call_status, unasked_answer
from callgate.serve import tasks
from callgate.serve.answers import CREDENTIALS_REFUSED, CREDENTIALS_STATUSES, SESSION_NOT_FOUND, error_body
from callgate.serve.judging import Settlement
from callgate.serve.reply import Reply
from callgate.serve.shared import Guarded
from callgate.upstream.contract import UpstreamFailure
from callgate.upstream.flood import FLOOD
from callgate.wire import replies
from callgate.wire.server import ServerFrame, read_server_frame
from callgate.wire.vocabulary import SERVER_ERROR


class Listening(Reply):
    """One GET stream, and its sink."""

    __slots__ = ("head",)

    def start(self, head: Head, last_event_id: str | None) -> None:
        """Open the stream that `head` asks for."""
        self.head = head
        self.responder.on_gone = self._gone
        self.responder.on_room = self.room
        handle = self.guarded.upstream.listen(self.route, last_event_id, self)
        if not self.over:
            self.handle = handle

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:  # noqa: ARG002
        """The server lets the agent listen, or not."""
        self.status = status
        if stream and not self.over:
            self.begin_stream()

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        """One frame of the server."""
        if self.over:
            return
        if self.status in CREDENTIALS_STATUSES:
            self._credentials()
            return
        forward: bytes | None = data
        if data:
            if self.guarded.aliases.used:
                data = self.guarded.aliases.undo(data)
            forward = self._read(read_server_frame(data))
        if forward is None:
            return
        if not self.streaming:
            self.finish(self.status, forward)
            return
        self.write(forward, id, retry)

    def closed(self) -> None:
        """The stream has ended."""
        if self.over:
            return
        if self.status in CREDENTIALS_STATUSES:
            self._credentials()
        else:
            self.finish(self.status, b"")

    def failed(self, failure: UpstreamFailure) -> None:
        """There is no stream, or no more of it."""
        if self.over:
            return
        if self.streaming:
            self.abort()
        elif failure.kind == "unknown_session":
            self.finish(404, error_body(None, SESSION_NOT_FOUND, failure.text, failure.code))
        else:
            self.shared.observer.upstream_failed(self.guarded.name, failure.code)
            self.finish(502, error_body(None, SERVER_ERROR, failure.text, failure.code))

    def flooded(self) -> None:
        self.log_failure(FLOOD.text, FLOOD.code)
        super().flooded()

    def expire(self) -> None:
        """The caller's credential has ended, or the gate ends."""
        self._gone()
        self.responder.finish()

    def drain(self) -> None:
        """The gate is about to end."""
        self.expire()

    def announce(self) -> None:
        """Tell the agent that it now sees other tools."""
        self.write(replies.tools_list_changed())

    def _read(self, frame: ServerFrame) -> bytes | None:
        if frame.kind == "response":
            key = (self.guarded.name, self.route.lane, frame.id)
            admission = self.shared.unanswered.take(key) if frame.id is not None else None  # type: ignore[arg-type]
            if admission is not None:
                status, task = call_status(frame, modern=False)
                size = len(frame.forward)
                self.shared.judging.settle(Settlement(admission, status, True, frame.error_code, size, task))
            # Where a server keeps no sessions, somebody else may have asked for a list under the same id.
            forward = unasked_answer(frame, self.guarded.policy)
            if forward is None:
                self.drop(UNASKED_LIST, "WIR054")
            elif admission is not None and self.caller.proven and forward is frame.forward:
                seal, identity = self.shared.seal, self.caller.identity
                return tasks.sealed_handshake_result(seal, frame, self.guarded.name, identity, admission.tool)
            return forward
        if frame.kind == "garbage":
            # What cannot be read may be a list of tools to some reader.
            if frame.passable and not self.guarded.policy.hides_anything:
                return frame.forward
            self.drop("a frame from the server is no valid message", "WIR055")
            return None
        if frame.method == "notifications/tools/list_changed":
            self.guarded.tools["legacy"].outdated()
        return frame.forward

    def _credentials(self) -> None:
        self.log_failure(f"{CREDENTIALS_REFUSED} (HTTP {self.status})", "UPS012")
        self.finish(502, error_body(None, SERVER_ERROR, CREDENTIALS_REFUSED, "UPS012"))

    def _gone(self) -> None:
        handle = self.handle
        self.over = True
        self.shared.streams.discard(self)
        if handle is not None:
            handle.cancel()


class Ending:
    """One DELETE, and its sink: the server's status is the answer."""

    def __init__(self, guarded: Guarded, responder: Responder, headers: tuple[Header, ...]) -> None:
        self.guarded = guarded
        self._headers = headers
        self._responder = responder
        self._status = 200
        self._over = False

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:  # noqa: ARG002
        """The server says whether the session has ended."""
        self._status = status

    def event(self, data: bytes, id: str | None, retry: int | None) -> None: ...

    def closed(self) -> None:
        """That was all."""
        self._finish(502 if self._status in CREDENTIALS_STATUSES else self._status)

    def failed(self, failure: UpstreamFailure) -> None:
        """The server cannot be asked."""
        self._finish(404 if failure.kind == "unknown_session" else 502)

    def _finish(self, status: int) -> None:
        if not self._over:
            self._over = True
            self._responder.send(status, b"", None, self._headers)
