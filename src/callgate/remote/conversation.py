"""What one agent says to one server over HTTP: each frame a POST, in the agent's own era.

modern   a request's answer stream is its own; cancelling is closing it, and no notification is sent
legacy   a session; notifications and answers are sent one at a time, before what comes after them; a cancelled
         request is told in a POST of its own, and a stream that broke is taken up again

Knows frames and the session, not sockets. It must never send a frame twice, and never begin a session by itself.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from callgate.proxy.session import Session
from callgate.proxy.state import Log
from callgate.remote.listening import Listening
from callgate.remote.posting import Later, Posting
from callgate.text import escape
from callgate.upstream.contract import Route, Upstream, UpstreamFailure
from callgate.upstream.flood import MAX_DROPPED
from callgate.wire.envelope import RequestId
from callgate.wire.strict import ClientFrame, read_client_frame
from callgate.wire.vocabulary import META_PROTOCOL_VERSION, is_modern

_NO_SESSION = "the server does not know the session any more; only a new `initialize` begins another one"


class Drops(Protocol):
    """A stream of the server, which counts what was not passed on of it."""

    dropped: int

    def flooded(self) -> None:
        """That was too much: want nothing more of it."""
        ...


class Conversation:
    """`stir` is called before anything is told to the session, so that what follows from it is sent.

    `called` is what the log calls the server by, fit to be shown.
    """

    def __init__(
        self,
        session: Session,
        upstream: Upstream,
        later: Later,
        stir: Callable[[], None],
        log: Log,
        called: str,
    ) -> None:
        self.session = session
        self.upstream = upstream
        self.later = later
        self.stir = stir
        self.log = log
        self.version: str | None = None
        """The protocol version that the server agreed to (legacy)."""
        self.session_id: str | None = None
        self.unsent = 0
        """Bytes of frames that the server has not answered with a status yet, and of those that wait."""
        self._modern_version: str | None = None
        """What the agent's last modern request named; None in the legacy era."""
        self._postings: dict[RequestId, Posting] = {}
        self._queue: deque[bytes] = deque()
        self._receipt: Posting | None = None
        self._listening: Listening | None = None
        self._lost = False
        self._paused = False
        self._ended = False
        self._called = called
        self._told: str | None = None
        """The failure that was logged last; None once the server has done well again."""

    @property
    def waiting(self) -> int:
        """How many frames are not sent yet, or wait for their receipt."""
        return len(self._queue) + (self._receipt is not None)

    def send(self, frames: list[bytes]) -> None:
        """Send frames that the session let through, in order."""
        for frame in frames:
            self.unsent += len(frame)
            self._queue.append(frame)
        self._send_on()

    def legacy_route(self) -> Route:
        """For a frame of the session."""
        return Route("agent", "legacy", self.version, self.session_id)

    def set_paused(self, paused: bool) -> None:
        """Stop or go on reading what the server sends."""
        if paused is self._paused:
            return
        self._paused = paused
        for open_one in self._open():
            if paused:
                open_one.pause()
            else:
                open_one.resume()

    def end(self, done: Callable[[], None]) -> None:
        """Let go of all that is open, and end the session; `done` is called when the server knows, or cannot."""
        self._ended = True
        self._queue.clear()
        for open_one in self._open():
            open_one.cancel()
        if self.session_id is None or self._lost:
            done()
        else:
            self.upstream.end(self.legacy_route(), _End(done))

    # What postings tell.

    def began(self, posting: Posting, session_id: str | None) -> None:
        """The server has taken a frame."""
        if posting.frame.method == "initialize" and session_id is not None:
            self.session_id = session_id

    def heard(self, data: bytes, stream: "Drops") -> None:
        """The server has sent one frame. What begins as none is no line for an agent, which over a pipe it could be.

        A stream that brings too much that is not passed on is ended.
        """
        before = self.session.dropped
        if data.lstrip(b" \t").startswith((b"{", b"[")):
            self.session.server_line(data)
        else:
            self.session.server_stray()
        if self.session.dropped != before:
            stream.dropped += 1
            if stream.dropped == MAX_DROPPED:
                stream.flooded()

    def agreed(self, version: str) -> None:
        """The server has answered `initialize`."""
        self.version = version

    def broke(self, failure: UpstreamFailure) -> None:
        """A frame has no answer: log it, but a server that stays away not for every frame."""
        if failure.kind != "unknown_session" and failure.code != self._told:
            self._told = failure.code
            self.log("warning", f"{self._called}: {escape(failure.text)} [{failure.code}]")

    def over(self, posting: Posting) -> None:
        """Nothing more comes for a frame."""
        if posting.taken:
            self._told = None
        if posting is self._receipt:
            self._receipt = None
            if posting.frame.method == "notifications/initialized" and posting.taken and not self._lost:
                self._listen()
            self._send_on()
        elif self._postings.get(posting.frame.id) is posting:  # type: ignore[arg-type]
            del self._postings[posting.frame.id]  # type: ignore[arg-type]

    def session_lost(self) -> None:
        """The server says that there is no such session."""
        if self._lost:
            return
        self._lost = True
        self.log("error", f"[UPS029] {_NO_SESSION}")
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def _open(self) -> list[Any]:
        found: list[Any] = list(self._postings.values())
        found += [one for one in (self._receipt, self._listening) if one is not None]
        return found

    def _send_on(self) -> None:
        while self._queue and self._receipt is None and not self._ended:
            line = self._queue.popleft()
            self._post(read_client_frame(line), len(line))

    def _post(self, frame: ClientFrame, size: int) -> None:
        posting = Posting(self, frame, size)
        if frame.method == "notifications/cancelled" and self._cancelled(frame):
            posting.account()
            return
        if frame.method == "initialize":
            self._begin_anew()
        elif self._lost:
            posting.failed(UpstreamFailure("unknown_session", "UPS029", _NO_SESSION, ran=False))
            return
        route = self._route(frame)
        posting.modern = route.era == "modern"
        if frame.kind == "request":
            self._postings[frame.id] = posting  # type: ignore[index]
        else:
            self._receipt = posting
        posting.handle = self.upstream.send(frame, frame.forward, route, posting)
        if self._paused:
            posting.pause()

    def _begin_anew(self) -> None:
        if self.session_id is not None and not self._lost:
            self.upstream.end(self.legacy_route(), _End(lambda: None))
        self._lost = False
        self._modern_version = None
        self.version = self.session_id = None
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def _route(self, frame: ClientFrame) -> Route:
        params = frame.params
        if frame.kind != "response" and is_modern(params):
            version = params["_meta"][META_PROTOCOL_VERSION]  # type: ignore[index]
            self._modern_version = version = version if type(version) is str else ""
            schema = None
            if frame.method == "tools/call":
                schema = self.session.input_schema(params["name"])  # type: ignore[index]
            return Route("agent", "modern", version, input_schema=schema)
        if self._modern_version is not None:
            return Route("agent", "modern", self._modern_version)
        return self.legacy_route()

    def _cancelled(self, frame: ClientFrame) -> bool:
        """Cancel as the era of the request wants it. False: by sending the notification."""
        request_id: Any = (frame.params or {}).get("requestId")
        posting = self._postings.get(request_id) if type(request_id) in (str, int) else None
        if posting is None:
            # One that came too late means nothing to a server of the modern era.
            return self._modern_version is not None
        if not posting.modern:
            return False
        posting.cancel()
        self.over(posting)
        return True

    def _listen(self) -> None:
        self._listening = Listening(self)
        if self._paused:
            self._listening.pause()


class _End:
    """Takes the answer to the end of the session, whatever it is."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:
        """Whatever it says."""

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        """Nothing is asked for."""

    def closed(self) -> None:
        self._done()

    def failed(self, failure: UpstreamFailure) -> None:  # noqa: ARG002
        self._done()
