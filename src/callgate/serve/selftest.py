"""Prove over HTTP that the gate denies before saying that it does: the canary of `proxy.selftest`, sent by POST.

It goes through the real front, the real policy, limit store and audit; only the server behind it is not there, and
nothing may reach that. If anything else happens the gate does not run.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import structs

from callgate.auth.authenticator import Authenticator
from callgate.auth.hosts import Hosts
from callgate.config.model import ListenConfig
from callgate.errors import CallgateError
from callgate.http1.contract import Head, Header, Headers
from callgate.serve.front import Front
from callgate.serve.shared import Guarded, Shared
from callgate.telemetry.logs import Log
from callgate.telemetry.metrics import Metrics
from callgate.upstream.contract import Route, Sink, UpstreamFailure
from callgate.wire.strict import ClientFrame

PATIENCE_SECONDS = 10.0
CANARY_REASON = "this call tests the gate"
_CLOSED = UpstreamFailure("unreachable", "UPS020", "the self-test has no server", ran=False)


class NoServer:
    """An upstream that notes what it is sent; that it is asked for its tools is no harm."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = 0
        self.in_flight = 0
        self.children = 0

    def send(self, frame: ClientFrame, forward: bytes, route: Route, sink: Sink) -> "NoServer":  # noqa: ARG002
        self.sent += frame.method != "tools/list"
        sink.failed(_CLOSED)
        return self

    def listen(self, route: Route, last_event_id: str | None, sink: Sink) -> "NoServer":  # noqa: ARG002
        sink.failed(_CLOSED)
        return self

    def end(self, route: Route, sink: Sink) -> None:  # noqa: ARG002
        sink.failed(_CLOSED)

    def cancel(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class Noted:
    """A responder that keeps the answer; `done` is called when it is there."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self.status = 0
        self.body = b""
        self.gone = False
        self.started = False
        self.congested = False
        self.on_gone: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None

    def send(
        self,
        status: int,
        body: bytes,
        content_type: bytes | None = b"application/json",  # noqa: ARG002
        headers: Sequence[Header] = (),  # noqa: ARG002
    ) -> None:
        self.status, self.body = status, body
        self._done()

    def start(self, status: int, content_type: bytes, headers: Sequence[Header] = ()) -> None:  # noqa: ARG002
        self.status = status

    def write(self, data: bytes) -> None:
        self.body += data

    def finish(self) -> None:
        self._done()

    def abort(self) -> None:
        self._done()


def canary_head(path: str, canary: str) -> Head:
    """The head of a request that asks for the canary."""
    items = (
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", b"tools/call"),
        (b"mcp-name", canary.encode()),
    )
    return Head("POST", path, "", Headers(items), "127.0.0.1")


def canary_call(canary: str) -> bytes:
    """The body of that request."""
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": canary, "arguments": {}, "_meta": meta}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


def check(noted: Noted, server: NoServer) -> None:
    """Raises CallgateError (SELF001) unless the canary was denied and held back."""
    try:
        result = msgspec.json.decode(noted.body)["result"]
        told = result.get("structuredContent") or result["_meta"]["callgate/denial"]
        denied = noted.status == 200 and result["isError"] is True and told["reason"] == CANARY_REASON
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        denied = False
    if server.sent or not denied:
        raise CallgateError(
            "SELF001",
            "the self-test failed: a call that must be denied was not",
            "do not use this installation; reinstall it, and report this if it happens again",
        )


def prove(
    servers: Mapping[str, Guarded],
    shared: Shared,
    listen: ListenConfig,
    canary: str,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Send `canary` to every server's path; nothing may come out behind it. The loop must not run yet.

    Raises CallgateError (SELF001).
    """
    for path, guarded in servers.items():
        server = NoServer(guarded.name)
        stand_in = Guarded(guarded.config, guarded.policy, server, shared.clock, loop, os.urandom(8).hex())
        unseen = structs.replace(
            shared, observer=Metrics(shared.clock), log=Log("error", "text", shared.clock)
        )
        answered: asyncio.Future[None] = loop.create_future()
        noted = Noted(lambda waiting=answered: waiting.set_result(None))  # type: ignore[misc]
        front = Front(unseen, {path: stand_in}, {}, Authenticator(None), Hosts(listen), lambda: True)
        head = canary_head(path, canary)
        front.head(head)
        front.handle(head, canary_call(canary), noted)
        with suppress(TimeoutError):
            loop.run_until_complete(asyncio.wait_for(answered, PATIENCE_SECONDS))
        check(noted, server)
