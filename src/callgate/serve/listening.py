"""GET and DELETE of the handshake eras: the stream of frames that belong to no request, and the end of a session.

What comes on the stream is filtered as everywhere else, and the late answer of a call settles it.
"""

from callgate.gate.call import Caller
from callgate.http1.contract import Header, Responder
from callgate.http1.sse import encode_event
from callgate.proxy.results import UNASKED_LIST, call_status, unasked_answer
from callgate.serve.answers import SESSION_NOT_FOUND, error_body
from callgate.serve.exchange import SSE_HEADERS
from callgate.serve.judging import Settlement
from callgate.serve.shared import Guarded, Shared
from callgate.upstream.contract import Handle, Route, UpstreamFailure
from callgate.wire import replies
from callgate.wire.server import ServerFrame, read_server_frame
from callgate.wire.vocabulary import SERVER_ERROR


class Listening:
    """One GET stream, and its sink."""

    def __init__(
        self,
        shared: Shared,
        guarded: Guarded,
        responder: Responder,
        caller: Caller,
        route: Route,
        headers: tuple[Header, ...],
    ) -> None:
        self._shared = shared
        self.guarded = guarded
        self._responder = responder
        self.caller = caller
        self._route = route
        self._headers = headers
        self._handle: Handle | None = None
        self._status = 200
        self._streaming = False
        self._over = False

    def start(self, last_event_id: str | None) -> None:
        """Open the stream."""
        self._responder.on_gone = self._gone
        self._responder.on_room = self._room
        handle = self.guarded.upstream.listen(self._route, last_event_id, self)
        if not self._over:
            self._handle = handle

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:  # noqa: ARG002
        """The server lets the agent listen, or not."""
        self._status = status
        if stream and not self._over:
            self._streaming = True
            self._shared.streams.add(self)
            self._responder.start(200, b"text/event-stream", (*self._headers, *SSE_HEADERS))

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        """One frame of the server."""
        if self._over:
            return
        forward: bytes | None = data
        if data:
            if self.guarded.aliases.used:
                data = self.guarded.aliases.undo(data)
            forward = self._read(read_server_frame(data))
        if forward is None:
            return
        if not self._streaming:
            self._finish(self._status, forward)
            return
        self._responder.write(encode_event(forward, id, retry))
        if self._responder.congested and self._handle is not None:
            self._handle.pause()

    def closed(self) -> None:
        """The stream has ended."""
        if not self._over:
            self._finish(self._status if self._status not in (401, 403) else 502, b"")

    def failed(self, failure: UpstreamFailure) -> None:
        """There is no stream, or no more of it."""
        if self._over:
            return
        if self._streaming:
            self._over = True
            self._shared.streams.discard(self)
            self._responder.abort()
        elif failure.kind == "unknown_session":
            self._finish(404, error_body(None, SESSION_NOT_FOUND, failure.text, failure.code))
        else:
            self._shared.observer.upstream_failed(self.guarded.name, failure.code)
            self._finish(502, error_body(None, SERVER_ERROR, failure.text, failure.code))

    def heartbeat(self) -> None:
        """Show that the stream is alive."""
        self._responder.write(b":\n\n")

    def expire(self) -> None:
        """The caller's credential has ended, or the gate ends."""
        self._gone()
        self._responder.finish()

    def drain(self) -> None:
        """The gate is about to end."""
        self.expire()

    def announce(self) -> None:
        """Tell the agent that it now sees other tools."""
        self._responder.write(encode_event(replies.tools_list_changed(), None, None))

    def _read(self, frame: ServerFrame) -> bytes | None:
        if frame.kind == "response":
            key = (self.guarded.name, self._route.lane, frame.id)
            admission = self._shared.unanswered.take(key) if frame.id is not None else None  # type: ignore[arg-type]
            if admission is not None:
                status, task = call_status(frame, modern=False)
                size = len(frame.forward)
                self._shared.judging.settle(Settlement(admission, status, True, frame.error_code, size, task))
                return frame.forward
            forward = unasked_answer(frame, self.guarded.policy)
            if forward is None:
                self._drop(UNASKED_LIST, "WIR054")
            return forward
        if frame.kind == "garbage":
            # What cannot be read may be a list of tools to some reader.
            if frame.passable and not self.guarded.policy.hides_anything:
                return frame.forward
            self._drop("a frame from the server is no valid message", "WIR055")
            return None
        if frame.method == "notifications/tools/list_changed":
            self.guarded.tools["legacy"].outdated()
        return frame.forward

    def _drop(self, text: str, stable: str) -> None:
        name = self.guarded.name
        self._shared.log("warning", f"{name}: {text}", event="dropped", server=name, code=stable)
        revision = self.guarded.policy.revision
        self._shared.judging.event("frame_refused", stable, text, self.caller, revision)

    def _gone(self) -> None:
        self._over = True
        self._shared.streams.discard(self)
        if self._handle is not None:
            self._handle.cancel()

    def _room(self) -> None:
        if self._handle is not None:
            self._handle.resume()

    def _finish(self, status: int, body: bytes) -> None:
        self._over = True
        responder = self._responder
        responder.on_gone = responder.on_room = None
        if self._streaming:
            self._shared.streams.discard(self)
            responder.finish()
        else:
            responder.send(status, body, b"application/json" if body else None, self._headers)


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
        self._finish(self._status if self._status not in (401, 403) else 502)

    def failed(self, failure: UpstreamFailure) -> None:
        """The server cannot be asked."""
        self._finish(404 if failure.kind == "unknown_session" else 502)

    def _finish(self, status: int) -> None:
        if not self._over:
            self._over = True
            self._responder.send(status, b"", None, self._headers)
