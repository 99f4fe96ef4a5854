"""A server over Streamable HTTP, in both eras: each frame is one POST, and what comes back for it goes to its sink.

Sources: MCP 2024-11-05 … 2025-11-25 and 2026-07-28, Streamable HTTP. It must never follow a redirect, never send a
frame twice, and never hand on as one line what a reader could take for two.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.errors import UpstreamError
from callgate.http1.client import HttpClient, tls_context
from callgate.http1.contract import ClientLimits, Header
from callgate.http1.origin import read_url
from callgate.text import quote
from callgate.upstream.contract import Handle, Route, Sink, UpstreamFailure
from callgate.upstream.http_answer import Answer, Expected
from callgate.upstream.http_headers import InvalidAnnotationError, caller_headers, frame_headers
from callgate.upstream.secrets import SecretHeaders
from callgate.wire.strict import ClientFrame

KEEP_ALIVE_SECONDS = 4.0
"""Node's and uvicorn's servers end idle connections after five."""

_MAX_LISTENING = 20_000
_POST: tuple[Header, ...] = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
    (b"accept-encoding", b"identity"),
)
_GET: tuple[Header, ...] = ((b"accept", b"text/event-stream"), (b"accept-encoding", b"identity"))
_decode = msgspec.json.Decoder().decode


class HttpUpstream:
    """The `Upstream` contract for the server at `config.url`."""

    def __init__(self, config: ServerConfig, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        """Raises UpstreamError for a URL, header or CA file that cannot be used, SecretError for a missing secret."""
        self.name = config.name
        self._loop = loop
        try:
            origin, target = read_url(config.url or "")
        except ValueError as error:
            raise UpstreamError("UPS030", f"server {quote(config.name)}: {error}") from None
        self._target = target.encode()
        try:
            tls = tls_context(config.ca_file) if origin.secure else None
        except OSError:
            where = quote(config.ca_file or "the system's authorities", 200)
            raise UpstreamError(
                "UPS031",
                f"{where} cannot be read as certificates",
                "give the authorities' certificates as PEM",
            ) from None
        limits = ClientLimits(
            connect_timeout=config.connect_timeout,
            answer_timeout=config.timeout,
            idle_stream_timeout=config.stream_timeout,
            max_connections=config.max_in_flight + _MAX_LISTENING,
            keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._client = HttpClient(origin, loop, clock, limits, tls)
        self._credentials = SecretHeaders(config.headers, clock)
        self._forward_identity = config.forward_identity
        self._max_request = config.max_request
        self._max_response = config.max_response
        self._max_in_flight = config.max_in_flight
        self.in_flight = 0
        """How many frames wait for the end of their answer."""
        self.children = 0

    def send(self, frame: ClientFrame, forward: bytes, route: Route, sink: Sink) -> Handle:
        expected: Expected = "answer" if frame.kind == "request" else "receipt"
        answer = Answer(sink, expected, self._max_response, route, self._ended)
        self.in_flight += 1
        if self.in_flight > self._max_in_flight:
            text = f"{self._max_in_flight} requests to the server are under way already"
            self._refuse(answer, UpstreamFailure("busy", "UPS026", text, ran=False))
        elif len(forward) > self._max_request:
            text = f"the frame has {len(forward)} bytes; at most {self._max_request} are sent to this server"
            self._refuse(answer, UpstreamFailure("too_large", "UPS025", text, ran=False))
        else:
            params = frame.params
            if forward is not frame.forward and params is not None:
                # Sent under another name than it was judged: headers say what the body says.
                sent: Any = _decode(forward)
                params = sent.get("params")
            try:
                headers = [*_POST, *self._credentials.current(), *frame_headers(frame, params, route)]
                if self._forward_identity:
                    headers += caller_headers(route)
            except InvalidAnnotationError:
                text = "the tool declares headers in a way that MCP does not allow, so it cannot be called over HTTP"
                self._refuse(answer, UpstreamFailure("malformed", "UPS036", text, ran=False))
            else:
                self._ask(answer, b"POST", headers, forward)
        return answer

    def listen(self, route: Route, last_event_id: str | None, sink: Sink) -> Handle:
        answer = Answer(sink, "stream", self._max_response, route)
        headers = [*_GET, *self._session(route)]
        if last_event_id:
            headers.append((b"last-event-id", last_event_id.encode()))
        self._ask(answer, b"GET", headers, b"")
        return answer

    def end(self, route: Route, sink: Sink) -> None:
        answer = Answer(sink, "receipt", self._max_response, route)
        self._ask(answer, b"DELETE", [(b"accept", b"*/*"), *self._session(route)], b"")

    def close(self) -> None:
        self._client.close()

    def _session(self, route: Route) -> list[Header]:
        headers = [*self._credentials.current(), *route.trace]
        if self._forward_identity:
            headers += caller_headers(route)
        if route.version is not None:
            headers.append((b"mcp-protocol-version", route.version.encode()))
        if route.session is not None:
            headers.append((b"mcp-session-id", route.session.encode()))
        return headers

    def _ask(self, answer: Answer, method: bytes, headers: Sequence[Header], body: bytes) -> None:
        try:
            answer.exchange = self._client.send(method, self._target, headers, body, answer)
        except ValueError:
            text = "the frame's protocol version, session or trace cannot be written as a header"
            self._refuse(answer, UpstreamFailure("malformed", "UPS032", text, ran=False))

    def _refuse(self, answer: Answer, failure: UpstreamFailure) -> None:
        # Not before the caller has its handle.
        self._loop.call_soon(answer.fail, failure)

    def _ended(self) -> None:
        self.in_flight -= 1
