"""One session of the handshake eras and its child: ids as they are, and streams that a client can come back to.

Which stream a frame of the child belongs on is decided here (MCP 2025-11-25, transports): an answer and the progress
of a request on that request's; anything else on the only open request's, else on a listening (GET) stream, else on
the latest request's, else it waits for the next listening stream.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from callgate.upstream import failures
from callgate.upstream.addressing import address
from callgate.upstream.contract import Handle, Sink, UpstreamFailure
from callgate.upstream.delivery import Delivery
from callgate.upstream.events import EventLog
from callgate.upstream.lane import Lane, Owner, Pending
from callgate.upstream.unclaimed import Unclaimed
from callgate.wire.envelope import RequestId
from callgate.wire.server import ServerFrame
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import SERVER_ERROR

MAX_LISTENERS = 4
"""Listening streams of one session; the oldest makes room."""

CANCEL_SECONDS = 5.0
"""How long a request may still be answered that the client has cancelled. A server need not answer it."""


class _Stream:
    """A stream of events, with or without somebody at its other end. `request` None: it is a listening one."""

    __slots__ = ("delivery", "number", "request", "streaming")

    def __init__(self, number: int, delivery: Delivery, request: "_Asked | None") -> None:
        self.number = number
        self.delivery: Delivery | None = delivery
        self.request = request
        self.streaming = request is None
        """Whether its frames are events with ids, so that a client can come back."""


class _Asked(Pending):
    __slots__ = ("id", "stream", "token")

    def __init__(self, delivery: Delivery, deadline_ns: int, id: RequestId, token: RequestId | None) -> None:
        super().__init__(delivery, deadline_ns)
        self.id = id
        self.token = token
        self.stream: _Stream


class _Initialized(Struct, rename="camel"):
    protocol_version: str


_initialized = msgspec.json.Decoder(_Initialized).decode


class LegacyLane(Lane):
    """`speaks` is told the protocol version that the server chose."""

    def __init__(self, owner: Owner, key: tuple[str, str], speaks: Callable[[str], None]) -> None:
        super().__init__(owner, key)
        self._speaks = speaks
        self._pending: dict[RequestId, _Asked] = {}
        self._attached: dict[RequestId, _Asked] = {}
        self._tokens: dict[RequestId, _Asked] = {}
        self._listeners: list[_Stream] = []
        self._left: list[_Stream] = []
        """Listening streams whose clients went away, and may come back."""
        self._streams: dict[int, _Stream] = {}
        self._stream_number = 0
        self._events = EventLog()
        self._unclaimed = Unclaimed()
        self._initialize: RequestId | None = None

    @property
    def busy(self) -> bool:
        return bool(self._attached)

    @property
    def listening(self) -> bool:
        return bool(self._listeners)

    @property
    def idle(self) -> bool:
        # A client that vanished does not cancel: a request of which nothing is heard keeps nothing alive.
        return not (self._listeners or (self._attached and self.spoke))

    def send(self, frame: ClientFrame, forward: bytes, sink: Sink) -> Handle:
        refusal = self._refusal()
        if frame.kind != "request":
            if refusal is failures.BEHIND:
                return self._deliver_later(sink, partial(_fail, refusal))
            self._write(forward)
            if frame.method == "notifications/cancelled":
                self._cancelled((frame.params or {}).get("requestId"))
            return self._deliver_later(sink, Delivery.accept)
        if frame.id in self._pending:
            refusal = failures.ID_TAKEN
        elif len(self._pending) >= self._owner.config.max_in_flight:
            refusal = failures.in_flight(self._owner.config.max_in_flight)
        if refusal is not None:
            return self._deliver_later(sink, partial(_fail, refusal))
        return self._ask(frame, forward, sink)

    def listen(self, last_event_id: str | None, sink: Sink) -> Handle:
        """Open a listening stream, or go on with the stream of an event."""
        delivery = Delivery(sink)
        delivery.on_held = self._hold
        self.used = True
        # At once would be before the caller has the handle; and what comes until then belongs to what is replayed.
        self._owner.soon(lambda: self._begin(last_event_id, delivery))
        return delivery

    def sweep(self, now_ns: int) -> None:
        self._events.prune(self._streams.keys())
        late = [asked for asked in self._pending.values() if 0 < asked.deadline_ns <= now_ns]
        for asked in late:
            if asked.cancelled:
                self._forget(asked)
                asked.stream.delivery = None
                asked.delivery.close() if asked.delivery.opened else asked.delivery.accept()
            else:
                # It may still be answered, under this id: the id stays taken.
                asked.deadline_ns = 0
                asked.stream.delivery = None
                self._detach(asked)
                asked.delivery.fail(failures.no_answer(self._owner.config.timeout))

    def _ask(self, frame: ClientFrame, forward: bytes, sink: Sink) -> Handle:
        id: RequestId = frame.id  # type: ignore[assignment]
        meta = (frame.params or {}).get("_meta")
        token = meta.get("progressToken") if type(meta) is dict else None
        delivery = Delivery(sink)
        delivery.on_held = self._hold
        asked = _Asked(delivery, self._deadline(), id, token if type(token) in (int, str) else None)
        asked.stream = self._new_stream(delivery, asked)
        asked.at = self.child.queued if self.child else 0
        self._pending[id] = self._attached[id] = asked
        self._owner.in_flight += 1
        if asked.token is not None:
            self._tokens[asked.token] = asked
        if frame.method == "initialize":
            self._initialize = id
        self._write(forward)
        return delivery

    # Streams.

    def _new_stream(self, delivery: Delivery, request: _Asked | None) -> _Stream:
        self._stream_number += 1
        stream = _Stream(self._stream_number, delivery, request)
        self._streams[stream.number] = stream
        delivery.on_cancel = lambda: self._gone(stream, delivery)
        return stream

    def _attach(self, stream: _Stream, delivery: Delivery) -> None:
        """Let a client go on with a stream; whoever had it before has it no more."""
        before = stream.delivery
        stream.delivery = delivery
        delivery.on_cancel = lambda: self._gone(stream, delivery)
        asked = stream.request
        if asked is None:
            self._listen(stream)
        else:
            asked.delivery = delivery
            if asked.id not in self._attached:
                self._attached[asked.id] = asked
                self._owner.in_flight += 1
        if before is not None:
            before.close()

    def _begin(self, last_event_id: str | None, delivery: Delivery) -> None:
        if delivery.done:
            return
        if self._over:
            delivery.fail(failures.UNKNOWN_SESSION)
            return
        rest: list[tuple[str, bytes]] = []
        stream: _Stream | None
        if last_event_id is None:
            stream = self._new_stream(delivery, None)
            self._listen(stream)
        else:
            found = self._events.after(last_event_id)
            if found is None:
                delivery.open(404, stream=False)
                delivery.close()
                return
            number, rest = found
            stream = self._streams.get(number)
            if stream is not None:
                self._attach(stream, delivery)
        delivery.open()
        for id, data in rest:
            delivery.event(data, id)
        if stream is None:
            # What was lost on the way was the end of it.
            delivery.close()
        elif not delivery.done:
            for data in self._unclaimed.take():
                self._put(stream, data)

    def _listen(self, stream: _Stream) -> None:
        if stream in self._listeners:
            return
        if stream in self._left:
            self._left.remove(stream)
        self._listeners.append(stream)
        if len(self._listeners) > MAX_LISTENERS:
            oldest = self._listeners[0]
            delivery, oldest.delivery = oldest.delivery, None
            self._unlisten(oldest)
            if delivery is not None:
                delivery.close()

    def _gone(self, stream: _Stream, delivery: Delivery) -> None:
        """The client went away. That does not cancel a request, and the client may come back."""
        if stream.delivery is not delivery:
            return
        stream.delivery = None
        if stream.request is None:
            self._unlisten(stream)
        else:
            self._detach(stream.request)

    def _unlisten(self, stream: _Stream) -> None:
        if stream in self._listeners:
            self._listeners.remove(stream)
            self._left.append(stream)
            if len(self._left) > MAX_LISTENERS:
                # What it was sent can still be fetched, but no more comes of it.
                self._streams.pop(self._left.pop(0).number, None)

    def _detach(self, asked: _Asked) -> None:
        if self._attached.pop(asked.id, None) is not None:
            self._owner.in_flight -= 1

    def _put(self, stream: _Stream, data: bytes) -> None:
        """One frame on a stream that goes on after it."""
        stream.streaming = True
        id = self._events.add(stream.number, data)
        if stream.delivery is not None:
            stream.delivery.event(data, id)

    # What the child says.

    def _received(self, frame: ServerFrame) -> None:
        if frame.kind == "response":
            asked = None if frame.id is None else self._pending.get(frame.id)
            if asked is None:
                self._drop("an answer that nobody waits for")
            else:
                self._answered(asked, frame)
            return
        data = frame.forward
        if frame.method == "notifications/progress":
            token = address(data).progress_token
            asked = None if token is None else self._tokens.get(token)
            if asked is not None:
                self._spoke(asked)
                self._put(asked.stream, data)
                return
        stream = self._stream_for_any()
        if stream is not None:
            if stream.request is not None:
                self._spoke(stream.request)
            self._put(stream, data)
            return
        for id in self._unclaimed.add(data, frame.id if frame.kind == "request" else None):
            self._refuse(id, SERVER_ERROR, "the client does not listen")

    def _answered(self, asked: _Asked, frame: ServerFrame) -> None:
        self._forget(asked)
        if asked.id == self._initialize and frame.result is not None:
            self._tell_version(frame.result)
        stream = asked.stream
        id = self._events.add(stream.number, frame.forward) if stream.streaming else None
        if stream.delivery is not None:
            stream.delivery.answer(frame.forward, id)

    def _tell_version(self, result: bytes | msgspec.Raw) -> None:
        try:
            version = _initialized(result).protocol_version
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        if len(version) <= 40 and version.isascii() and version.isprintable():
            self._speaks(version)

    def _stream_for_any(self) -> _Stream | None:
        if len(self._attached) != 1 and self._listeners:
            return self._listeners[-1]
        if self._attached:
            return self._attached[next(reversed(self._attached))].stream
        return None

    def _cancelled(self, id: Any) -> None:
        asked = self._pending.get(id) if type(id) in (int, str) else None
        if asked is not None and not asked.cancelled and id != self._initialize:
            asked.cancelled = True
            asked.deadline_ns = self._owner.clock.monotonic_ns() + round(CANCEL_SECONDS * 1e9)

    def _forget(self, asked: _Asked) -> None:
        del self._pending[asked.id]
        self._detach(asked)
        if asked.token is not None and self._tokens.get(asked.token) is asked:
            del self._tokens[asked.token]
        self._streams.pop(asked.stream.number, None)

    def _take(self, id: Any) -> Pending | None:
        asked = self._pending.get(id)
        if asked is not None:
            self._forget(asked)
        return asked

    def _fail_all(self, failure: Callable[[int | None], UpstreamFailure]) -> None:
        for asked in list(self._pending.values()):
            self._forget(asked)
            if asked.stream.delivery is not None:
                asked.stream.delivery.fail(failure(asked.at))
        for stream in list(self._listeners):
            self._unlisten(stream)
            if stream.delivery is not None:
                stream.delivery.close()


def _fail(failure: UpstreamFailure, delivery: Delivery) -> None:
    delivery.fail(failure)
