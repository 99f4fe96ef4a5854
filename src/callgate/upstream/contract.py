"""What the gate needs of a server behind it, whatever carries the frames. No I/O here.

One `send` for each frame of the agent; what belongs to it comes back through its sink. Frames that belong to no
request (a GET stream) come through `listen`. Callbacks on one event loop; nothing blocks.
"""

from typing import Literal, Protocol

from msgspec import Struct

from callgate.principal import ANONYMOUS
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import Era

FailureKind = Literal[
    "unreachable", "timeout", "closed", "malformed", "too_large", "busy", "unknown_session", "era"
]
"""`era`: the server does not speak the frame's protocol era."""


class UpstreamFailure(Struct, frozen=True):
    """Why no (whole) answer comes. `code` is a stable `UPS…` code, `text` one line fit to be shown.

    `ran` is False only if the server definitely has not got a byte of the frame. `supported` are the protocol
    versions that the server is known to speak (kind `era`; empty if none is known). `retry_after` is in seconds.
    """

    kind: FailureKind
    code: str
    text: str
    ran: bool = True
    supported: tuple[str, ...] = ()
    retry_after: int | None = None


class Sink(Protocol):
    """Takes what comes back for one frame: `opened`, then `event`s, then `closed`; or `failed`, which ends it.

    For a frame that wants no answer: `opened` with the status (202) and no stream, then `closed`.
    """

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:
        """The server answers with `status`; `stream`: with a stream of events (SSE), else with at most one frame.

        `session` is the Mcp-Session-Id that the server gave out with this answer.
        """
        ...

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        """One frame as one line; empty for an event without a message. `id` and `retry` as SSE has them."""
        ...

    def closed(self) -> None:
        """The answer is complete; nothing follows."""
        ...

    def failed(self, failure: UpstreamFailure) -> None: ...


class Handle(Protocol):
    """One frame under way, or one listening stream."""

    def cancel(self) -> None:
        """Nobody waits any more. Modern: the server is told (HTTP: the stream is closed; stdio: cancelled)."""
        ...

    def pause(self) -> None:
        """Deliver nothing more for now (back-pressure)."""
        ...

    def resume(self) -> None: ...


class Route(Struct, frozen=True):
    """For whom a frame is sent.

    `lane` says whose calls may share what has a memory on the server's side: the session (legacy), the identity
    (modern). `session` is what the server itself knows the session by; None for modern and before `initialize`.
    `version` is the protocol version of the frame. `trace` are W3C headers to send along (traceparent, tracestate,
    baggage).
    """

    lane: str
    era: Era
    version: str | None = None
    session: str | None = None
    trace: tuple[tuple[bytes, bytes], ...] = ()
    input_schema: object = None
    """The tool's decoded inputSchema, for `Mcp-Param-*` headers (2026-07-28); None if unknown."""
    param_headers: tuple[tuple[bytes, bytes], ...] | None = None
    """The agent's own `Mcp-Param-*` headers, already held against the arguments; None: made from `input_schema`."""
    owner: str = ""
    """The proven identity of the caller, so that what one does is not borne by others; "" if there is none."""


def identity_of(route: Route) -> str:
    """Who calls, as limits and the audit know it."""
    return route.owner or ANONYMOUS.identity


class Upstream(Protocol):
    """One server, or as many of its children as there are lanes.

    `in_flight` frames wait for the end of their answer; `children` processes run (0 over HTTP).
    """

    name: str
    in_flight: int

    @property
    def children(self) -> int: ...

    def send(self, frame: ClientFrame, forward: bytes, route: Route, sink: Sink) -> Handle:
        """Send `forward` (the re-encoding of `frame`, perhaps under another tool name). Never raises."""
        ...

    def listen(self, route: Route, last_event_id: str | None, sink: Sink) -> Handle:
        """Open the stream of frames that belong to no request (legacy: GET)."""
        ...

    def end(self, route: Route, sink: Sink) -> None:
        """End the session (legacy: DELETE)."""
        ...

    def close(self) -> None:
        """Let go of everything; children end. Idempotent."""
        ...
