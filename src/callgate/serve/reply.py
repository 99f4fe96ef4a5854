"""What an agent gets for one HTTP request: one frame, or a stream of events. Knows how far it has got.

After the agent has gone, writing does nothing. Nothing here judges or filters.
"""

from callgate.gate.call import Caller
from callgate.http1.contract import Head, Header, Responder
from callgate.http1.sse import encode_event
from callgate.serve.shared import Guarded, Shared
from callgate.upstream.contract import Handle, Route, UpstreamFailure
from callgate.upstream.flood import FLOOD, MAX_DROPPED

HEARTBEAT = b":\n\n"
_BUSY = frozenset(("UPS025", "UPS026", "UPS036", "UPS045", "UPS053", "WIR051"))
"""Failures of one request that say nothing of the server's health."""
_SSE_HEADERS: tuple[Header, ...] = ((b"x-accel-buffering", b"no"),)


class Reply:
    """The base of every sink. `headers` are what the answer bears, whichever form it takes."""

    __slots__ = (
        "caller",
        "dropped",
        "guarded",
        "handle",
        "headers",
        "over",
        "responder",
        "route",
        "shared",
        "status",
        "streaming",
    )
    head: Head
    """Of the request that is answered; whoever derives from this keeps it."""

    def __init__(
        self,
        shared: Shared,
        guarded: Guarded,
        responder: Responder,
        caller: Caller,
        route: Route,
        headers: tuple[Header, ...],
    ) -> None:
        self.shared = shared
        self.guarded = guarded
        self.responder = responder
        self.caller = caller
        self.route = route
        self.headers = headers
        self.handle: Handle | None = None
        self.status = 200
        self.streaming = False
        self.over = False
        self.dropped = 0

    def begin_stream(self) -> None:
        """Begin a stream of events; its head goes out at once."""
        self.streaming = True
        self.shared.streams.add(self)
        self.responder.start(200, b"text/event-stream", (*self.headers, *_SSE_HEADERS))

    def write(self, data: bytes, id: str | None = None, retry: int | None = None) -> None:
        """One event of the stream; the source pauses while the agent does not take what there is."""
        responder = self.responder
        responder.write(encode_event(data, id, retry))
        if responder.congested and self.handle is not None and not responder.gone:
            self.handle.pause()

    def room(self) -> None:
        """The agent takes more again."""
        if self.handle is not None:
            self.handle.resume()

    def finish(self, status: int, body: bytes) -> None:
        """Complete the answer; nothing comes of this request any more."""
        self.over = True
        self.handle = None
        responder = self.responder
        responder.on_gone = responder.on_room = None
        if self.streaming:
            self.shared.streams.discard(self)
            responder.finish()
        else:
            responder.send(status, body, b"application/json" if body else None, self.headers)

    def abort(self) -> None:
        """End the connection, so that nobody takes what there is for the whole answer."""
        self.over = True
        self.handle = None
        self.responder.on_gone = self.responder.on_room = None
        self.shared.streams.discard(self)
        self.responder.abort()

    def drop(self, text: str, stable: str) -> None:
        """Say and record that something from the server was not passed on; of too much the stream ends."""
        line = f"{self.guarded.name}: {text}"
        revision = self.guarded.policy.revision
        self.shared.refusals.note("server", self.caller, revision, stable, text, line)
        self.dropped += 1
        if self.dropped >= MAX_DROPPED and not self.over:
            self.flooded()

    def flooded(self) -> None:
        """End a stream of which too much could not be passed on, on both sides."""
        if self.handle is not None:
            self.handle.cancel()
        self.failed(FLOOD)

    def failed(self, failure: UpstreamFailure) -> None:
        """Nothing more comes of the server, for this reason."""
        raise NotImplementedError

    def log_failure(self, text: str, stable: str) -> None:
        """Say and count that the server failed, if it is not the gate that ended the exchange."""
        if self.guarded.closed:
            return
        name = self.guarded.name
        if stable not in _BUSY:
            self.guarded.health = "down"
        self.shared.observer.upstream_failed(name, stable)
        self.shared.log("warning", f"{name}: {text} [{stable}]", event="upstream", server=name, code=stable)

    def heartbeat(self) -> None:
        """Show that the stream is alive, to the agent and to whoever stands between."""
        self.responder.write(HEARTBEAT)

    def announce(self) -> None:
        """Tell the agent that it now sees other tools, if this is where it wants to be told."""

    def expire(self) -> None:
        """The caller's credential has ended, or the gate ends."""

    def drain(self) -> None:
        """The gate is about to end: what would never end by itself ends now."""
