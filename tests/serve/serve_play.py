"""Requests through the front and its exchanges, written as plays: who posts what, and what everybody then gets.

    desk = Desk("default: allow")
    asked = desk.post(call("echo"))                 an agent's POST; asked.status, asked.frames
    (sent,) = desk.server.taken()                   what reached the server, claimed
    sent.answers(result(1, {...}))                  as JSON; or sent.streams().event(...).closed()
    assert desk.records() == ["allow echo", "ok echo"]

The front, the exchanges, judging, the gate, the limit store and the sealing are the real ones; only the loop, time, the
disk, the server behind and the connection in front are played.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from tests.support.listed_audit import ListedAudit, summaries

from callgate.auth.hosts import Hosts
from callgate.clock import ManualClock
from callgate.config.model import ListenConfig, ServerConfig
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.http1.contract import Head, Header, Headers, HttpRefusal
from callgate.policy.compile import Policy, compile_policy
from callgate.policy.load import load_policy
from callgate.principal import ANONYMOUS, Principal
from callgate.serve.front import Front
from callgate.serve.judging import Judging
from callgate.serve.refusals import Refusals
from callgate.serve.sealing import Seal
from callgate.serve.shared import Guarded, Shared
from callgate.serve.unanswered import Unanswered
from callgate.state.memory import MemoryLedger
from callgate.upstream.contract import Route, Sink, UpstreamFailure
from callgate.wire.strict import ClientFrame

Frame = dict[str, Any]
MODERN_VERSION = "2026-07-28"
LEGACY_VERSION = "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri", "tasks/get": "taskId"}


class Loop:
    """What the exchanges use of a loop: callbacks, now or when the clock says so."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._ready: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[int, Callable[..., None], tuple[Any, ...]]] = []
        self._news = threading.Condition()

    def call_soon(self, callback: Callable[..., None], *given: Any) -> None:
        with self._news:
            self._ready.append((callback, given))
            self._news.notify_all()

    call_soon_threadsafe = call_soon

    def call_later(self, seconds: float, callback: Callable[..., None], *given: Any) -> None:
        self._timers.append((self._clock.monotonic_ns() + round(seconds * 1e9), callback, given))

    def run(self) -> None:
        """Until nothing is ready and no timer is due."""
        while True:
            now = self._clock.monotonic_ns()
            due = [timer for timer in self._timers if timer[0] <= now]
            self._timers = [timer for timer in self._timers if timer[0] > now]
            for _, callback, given in due:
                self.call_soon(callback, *given)
            if not self._ready:
                return
            callback, given = self._ready.popleft()
            callback(*given)

    def until(self, condition: Callable[[], bool]) -> None:
        """Run until something has come about, if need be with what another thread has done here."""
        while True:
            self.run()
            if condition():
                return
            with self._news:
                assert self._ready or self._news.wait(10)


class Client:
    """The connection of one request, as the exchange sees it: a Responder that takes notes."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.content_type: bytes | None = None
        self.body = b""
        self.ended = False
        self.aborted = False
        self.gone = False
        self.started = False
        self.congested = False
        self.on_gone: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None

    @property
    def open(self) -> bool:
        return not (self.ended or self.aborted or self.gone)

    def send(
        self,
        status: int,
        body: bytes,
        content_type: bytes | None = b"application/json",
        headers: Sequence[Header] = (),
    ) -> None:
        if self.open and not self.started:
            self.started = True
            self.status, self.body, self.content_type = status, body, content_type
            self.headers = dict(headers)
            self.ended = True

    def start(self, status: int, content_type: bytes, headers: Sequence[Header] = ()) -> None:
        if self.open and not self.started:
            self.started = True
            self.status, self.content_type, self.headers = status, content_type, dict(headers)

    def write(self, data: bytes) -> None:
        if self.open and self.started:
            self.body += data

    def finish(self) -> None:
        if self.open and self.started:
            self.ended = True

    def abort(self) -> None:
        if self.open:
            self.aborted = True

    # The play.

    def goes(self) -> Self:
        """The client closes its connection."""
        if self.open:
            self.gone = True
            if self.on_gone is not None:
                self.on_gone()
        self._loop.run()
        return self

    @property
    def streaming(self) -> bool:
        return self.content_type == b"text/event-stream"

    @property
    def events(self) -> list[dict[str, str]]:
        """The fields of every event of the stream."""
        assert self.streaming
        blocks = [block for block in self.body.decode().split("\n\n") if block and not block.startswith(":")]
        return [dict(line.partition(": ")[::2] for line in block.split("\n")) for block in blocks]

    @property
    def frames(self) -> list[Frame]:
        """Every frame that came, as JSON or as events."""
        if self.streaming:
            return [json.loads(event["data"]) for event in self.events if event["data"]]
        return [json.loads(self.body)] if self.body else []

    @property
    def frame(self) -> Frame:
        """The only frame that came."""
        (only,) = self.frames
        return only

    @property
    def code(self) -> str:
        """The stable code in the only frame: of a refusal or a denial."""
        if "error" in self.frame:
            return str(self.frame["error"]["data"]["code"])
        return str(self.frame["result"]["structuredContent"]["code"])


class Sent:
    """One frame (or GET, or DELETE) as it reached the server, and what the server does with it."""

    def __init__(
        self,
        loop: Loop,
        kind: str,
        forward: bytes,
        route: Route,
        sink: Sink,
        last_event_id: str | None = None,
    ) -> None:
        self._loop = loop
        self.kind = kind
        self.forward = forward
        self.route = route
        self.sink = sink
        self.last_event_id = last_event_id
        self.cancelled = False
        self.paused = 0
        self.resumed = 0

    @property
    def frame(self) -> Frame:
        decoded: Frame = json.loads(self.forward)
        return decoded

    # The handle.

    def cancel(self) -> None:
        self.cancelled = True

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.resumed += 1

    # The play.

    def answers(self, frame: Frame | bytes, status: int = 200, session: str | None = None) -> None:
        """With one frame as JSON."""
        self.sink.opened(status, stream=False, session=session)
        self.sink.event(line(frame), None, None)
        self.closed()

    def says(self, status: int) -> None:
        """With a status and no frame."""
        self.sink.opened(status, stream=False, session=None)
        self.closed()

    def streams(self, session: str | None = None) -> Self:
        """With a stream of events."""
        self.sink.opened(200, stream=True, session=session)
        return self

    def event(self, frame: Frame | bytes, id: str | None = None, retry: int | None = None) -> Self:
        self.sink.event(line(frame), id, retry)
        self._loop.run()
        return self

    def closed(self) -> None:
        self.sink.closed()
        self._loop.run()

    def fails(self, kind: Any = "closed", *, ran: bool = True, **more: Any) -> None:
        code = "UPS029" if kind == "unknown_session" else "UPS023"
        self.sink.failed(UpstreamFailure(kind, code, "the server has failed", ran=ran, **more))
        self._loop.run()


class Server:
    """The scripted upstream: keeps what it is sent until the play claims it."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._loop = loop
        self.name = name
        self.in_flight = 0
        self.children = 0
        self._sent: list[Sent] = []
        self.when_sent: Callable[[], None] = lambda: None

    def send(self, _frame: ClientFrame, forward: bytes, route: Route, sink: Sink) -> Sent:
        self.when_sent()
        return self._add("POST", forward, route, sink)

    def listen(self, route: Route, last_event_id: str | None, sink: Sink) -> Sent:
        return self._add("GET", b"", route, sink, last_event_id)

    def end(self, route: Route, sink: Sink) -> None:
        self._add("DELETE", b"", route, sink)

    def close(self) -> None: ...

    def _add(
        self, kind: str, forward: bytes, route: Route, sink: Sink, last_event_id: str | None = None
    ) -> Sent:
        self._sent.append(Sent(self._loop, kind, forward, route, sink, last_event_id))
        return self._sent[-1]

    @property
    def waiting(self) -> bool:
        """Whether something arrived that is not claimed."""
        return bool(self._sent)

    def taken(self) -> list[Sent]:
        """Claim what arrived since the last claim."""
        taken, self._sent = self._sent, []
        return taken

    def one(self) -> Sent:
        """Claim the only thing that arrived."""
        (only,) = self.taken()
        return only


class Noted:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: self.notes.append((name, *given))


class ByHeader:
    """Authentication that believes a header, so that a play can have several callers."""

    def __init__(self) -> None:
        self.expires_at: float | None = None

    def identify(self, head: Head) -> Principal:
        who = head.headers.get(b"x-who")
        return ANONYMOUS if who is None else Principal(f"key:{who.decode()}", True, {}, self.expires_at)


class Desk:
    """A front with one server "srv" (`command` makes it a child), and everything around it."""

    def __init__(
        self, policy: str = "default: allow", *, child: bool = False, threaded: bool = False, **config: Any
    ) -> None:
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.audit = ListedAudit()
        self.ledger = MemoryLedger(self.clock)
        self.observer = Noted()
        self.logged: list[str] = []
        self.audit_told: list[bool] = []
        self.store_told: list[str | None] = []
        self.authentication = ByHeader()
        compiled = compiled_policy(policy)
        gate = Gate(compiled, self.ledger, self.audit, Caller("gate", "callgate", "callgate"), self.clock)
        self.judging = Judging(
            gate,
            self.loop,  # type: ignore[arg-type]
            threaded=threaded,
            failed=lambda error: self.audit_told.append(error is not None),
            store_changed=lambda error: self.store_told.append(None if error is None else error.code),
        )
        log: Any = lambda _level, text, **_more: self.logged.append(text)  # noqa: E731
        self.shared = Shared(
            judging=self.judging,
            refusals=Refusals(log, self.judging, self.clock),
            seal=Seal(b"s" * 32),
            observer=self.observer,
            log=log,
            clock=self.clock,
            unanswered=Unanswered(self.clock, self.judging.settle),
            home="home",
            key_header=b"x-key",
        )
        self.server = Server(self.loop, "srv")
        where: dict[str, Any] = {"command": ("true",)} if child else {"url": "http://127.0.0.1:1/mcp"}
        self.guarded = Guarded(
            ServerConfig(name="srv", policy="p.yaml", **where, **config),
            compiled,
            self.server,
            self.clock,
            self.loop,  # type: ignore[arg-type]
            "b29e7f3c",
        )
        self.accepts = True
        self.front = Front(
            self.shared,
            {"/srv/mcp": self.guarded},
            {},
            self.authentication,
            Hosts(ListenConfig()),
            lambda: self.accepts,
        )
        self._seen_records = 0

    def post(self, frame: Frame | bytes, who: str | None = None, **headers: str | None) -> Client:
        """A POST of the era that the frame says it is of; `headers` (with `_` for `-`) replace what fits it."""
        return self.send("POST", line(frame), who, {**headers_for(frame), **named(headers)})

    def get(self, who: str | None = None, **headers: str | None) -> Client:
        given = {"accept": "text/event-stream", "mcp-protocol-version": LEGACY_VERSION, **named(headers)}
        return self.send("GET", b"", who, given)

    def delete(self, who: str | None = None, **headers: str | None) -> Client:
        return self.send("DELETE", b"", who, {"mcp-protocol-version": LEGACY_VERSION, **named(headers)})

    def send(self, method: str, body: bytes, who: str | None, headers: dict[str, str | None]) -> Client:
        items = [(b"host", b"localhost")]
        items += [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value]
        if who is not None:
            items.append((b"x-who", who.encode()))
        return self.send_items(method, items, body)

    def send_items(
        self, method: str, items: Iterable[Header], body: bytes = b"", path: str = "/srv/mcp"
    ) -> Client:
        """A request with exactly these headers."""
        head = Head(method, path, "", Headers(items), "127.0.0.1")
        client = Client(self.loop)
        try:
            most = self.front.head(head)
        except HttpRefusal as refused:
            client.send(refused.status, refused.body, refused.content_type, refused.headers)
            return client
        assert len(body) <= most
        self.front.handle(head, body, client)
        self.loop.run()
        return client

    def begin_session(self, session: str | None = "upstream-1", who: str | None = None) -> str:
        """The handshake; returns the session id that the agent is given."""
        opening = ask("initialize", {"protocolVersion": LEGACY_VERSION}, "hello")
        client = self.post(opening, who)
        answer = result("hello", {"protocolVersion": LEGACY_VERSION, "capabilities": {}})
        self.server.one().answers(answer, session=session)
        assert client.frame == answer
        return client.headers[b"mcp-session-id"].decode()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.loop.run()

    def records(self) -> list[str]:
        """Claim every record since the last claim: `allow echo`, `deny rm DEN001`, `ok echo`, `event NAME CODE`."""
        self.pass_time(0.01)
        fresh = self.audit.records[self._seen_records :]
        self._seen_records = len(self.audit.records)
        return summaries(self.audit.records, fresh)

    def policy_becomes(self, policy: str) -> None:
        self.guarded.policy = compiled_policy(policy)


def named(headers: dict[str, str | None]) -> dict[str, str | None]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def headers_for(frame: Frame | bytes) -> dict[str, str | None]:
    """The headers that a client in order sends with a frame."""
    headers: dict[str, str | None] = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    if isinstance(frame, bytes):
        return headers
    params = frame.get("params") or {}
    version = (params.get("_meta") or {}).get("io.modelcontextprotocol/protocolVersion")
    if version is None:
        return (
            headers
            if frame.get("method") == "initialize"
            else {**headers, "mcp-protocol-version": LEGACY_VERSION}
        )
    method = frame["method"]
    key = _NAMED_BY.get(method)
    return {
        **headers,
        "mcp-protocol-version": version,
        "mcp-method": method,
        "mcp-name": None if key is None else params.get(key),
    }


def compiled_policy(policy: str) -> Policy:
    return compile_policy(load_policy(policy.encode(), "policy.yaml"))


def line(frame: Frame | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else json.dumps(frame, separators=(",", ":")).encode()


def ask(method: str, params: Frame | None = None, id: str | int = 1) -> Frame:
    """A request of the handshake eras."""
    frame: Frame = {"jsonrpc": "2.0", "id": id, "method": method}
    return frame if params is None else {**frame, "params": params}


def modern(method: str, params: Frame | None = None, id: str | int = 1) -> Frame:
    """A request that describes itself."""
    return ask(method, {**(params or {}), "_meta": META}, id)


def call(tool: str, arguments: Frame | None = None, id: str | int = 1) -> Frame:
    """A tools/call of the handshake eras."""
    return ask("tools/call", {"name": tool, "arguments": arguments or {}}, id)


def modern_call(tool: str, arguments: Frame | None = None, id: str | int = 1, **more: Any) -> Frame:
    """A tools/call of 2026-07-28."""
    return modern("tools/call", {"name": tool, "arguments": arguments or {}, **more}, id)


def note(method: str, params: Frame | None = None) -> Frame:
    frame: Frame = {"jsonrpc": "2.0", "method": method}
    return frame if params is None else {**frame, "params": params}


def result(id: str | int, content: Frame) -> Frame:
    return {"jsonrpc": "2.0", "id": id, "result": content}


def failure(id: str | int | None, code: int, message: str = "no") -> Frame:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def complete(id: str | int = 1, **more: Any) -> Frame:
    """The result of a tool in the modern era."""
    return result(id, {"resultType": "complete", "content": [{"type": "text", "text": "done"}], **more})


def plain(id: str | int = 1) -> Frame:
    """The result of a tool in the handshake eras."""
    return result(id, {"content": [{"type": "text", "text": "done"}]})


def tool(name: str, **more: Any) -> Frame:
    return {"name": name, "inputSchema": {"type": "object"}, **more}
