"""The calls of one identity to one child that speaks 2026-07-28.

Several clients share the child, and their ids, progress tokens and subscription ids may be the same. So the child
gets numbers of the gate's own in their place, and what comes back gets the client's. A stdio server chooses its era
at the first request that it sees: the gate asks `server/discover` first, and sends nothing to a server of the
handshake eras.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import callgate
from callgate.upstream import failures
from callgate.upstream.addressing import (
    LOG_LEVEL,
    SUBSCRIPTION_ID,
    address,
    result_subscription,
    supported_versions,
)
from callgate.upstream.contract import Handle, Sink, UpstreamFailure
from callgate.upstream.delivery import Delivery
from callgate.upstream.lane import MAX_WAITING, Lane, Owner, Pending
from callgate.wire import replies
from callgate.wire.members import set_member
from callgate.wire.server import ServerFrame, result_type
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION, METHOD_NOT_FOUND

DISCOVER_SECONDS = 10.0
"""How long a child may take to start and to say which versions it speaks."""

UNSUPPORTED_VERSION = -32022
_DISCOVER = 0


class _Asked(Pending):
    """A request with what the client called it: JSON texts."""

    __slots__ = ("id", "number", "token")

    def __init__(self, delivery: Delivery, deadline_ns: int, number: int, frame: ClientFrame) -> None:
        super().__init__(delivery, deadline_ns, listens=frame.method == "subscriptions/listen")
        self.number = number
        self.id = replies.json_text(frame.id)
        self.token: bytes | None = None


class ModernLane(Lane):
    """`found_legacy` is told that the server speaks no modern version, with the versions that it named."""

    def __init__(
        self, owner: Owner, key: tuple[str, str], found_legacy: Callable[[tuple[str, ...]], None]
    ) -> None:
        super().__init__(owner, key)
        self._found_legacy = found_legacy
        self._pending: dict[int, _Asked] = {}
        self._logging: dict[int, _Asked] = {}
        self._waiting: deque[tuple[_Asked, bytes]] = deque()
        self._waiting_size = 0
        self._number = _DISCOVER
        self._probing = True
        self._probe_deadline_ns = 0

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    @property
    def listening(self) -> bool:
        return False

    @property
    def idle(self) -> bool:
        return not self._pending

    def send(self, frame: ClientFrame, forward: bytes, sink: Sink) -> Handle:
        refusal = self._refusal()
        if refusal is None and self._waiting_size > MAX_WAITING:
            refusal = failures.BEHIND
        if refusal is not None:
            return self._deliver_later(sink, partial(_fail, refusal))
        if not self._probe_deadline_ns:
            self._probe(frame)
        return self._ask(frame, forward, sink)

    def sweep(self, now_ns: int) -> None:
        if self._probing:
            if 0 < self._probe_deadline_ns <= now_ns:
                self.end(failures.mute(DISCOVER_SECONDS))
            return
        late = [asked for asked in self._pending.values() if 0 < asked.deadline_ns <= now_ns]
        for asked in late:
            self._cancel(asked)
            asked.delivery.fail(failures.no_answer(self._owner.config.timeout))

    def legacy(self, supported: tuple[str, ...]) -> None:
        """The server turned out to speak no modern version: it gets nothing of what waits."""
        if self._probing:
            self.end(failures.other_era(supported))

    def _probe(self, frame: ClientFrame) -> None:
        meta = (frame.params or {}).get("_meta")
        given: dict[str, Any] = meta if type(meta) is dict else {}
        asked = {
            META_PROTOCOL_VERSION: given.get(META_PROTOCOL_VERSION),
            META_CLIENT_CAPABILITIES: given.get(META_CLIENT_CAPABILITIES, {}),
            "io.modelcontextprotocol/clientInfo": {"name": "callgate", "version": callgate.__version__},
        }
        self._probe_deadline_ns = self._owner.clock.monotonic_ns() + round(DISCOVER_SECONDS * 1e9)
        self._write(replies.request(_DISCOVER, "server/discover", {"_meta": asked}))

    def _probed(self, frame: ServerFrame) -> None:
        modern = frame.result is not None and result_type(frame.result) is not None
        if not modern and frame.error_code != UNSUPPORTED_VERSION:
            self._found_legacy(supported_versions(frame.forward))
            return
        self._probing = False
        while self._waiting and not self._over:
            asked, line = self._waiting.popleft()
            asked.deadline_ns = self._deadline()
            self._put(asked, line)
        self._waiting_size = 0

    def _ask(self, frame: ClientFrame, forward: bytes, sink: Sink) -> Handle:
        self._number += 1
        number = self._number
        delivery = Delivery(sink)
        asked = _Asked(delivery, self._deadline(), number, frame)
        own = b"%d" % number
        line = set_member(forward, ("id",), own)
        meta = (frame.params or {}).get("_meta")
        if type(meta) is dict:
            token = meta.get("progressToken")
            if token is not None and type(token) not in (bool, dict, list):
                asked.token = replies.json_text(token)
                line = set_member(line, ("params", "_meta", "progressToken"), own)
            if LOG_LEVEL in meta:
                self._logging[number] = asked
        self._pending[number] = asked
        self._owner.in_flight += 1
        delivery.on_cancel = lambda: self._cancel(asked)
        delivery.on_held = self._hold
        if self._probing:
            asked.at = -1
            self._waiting.append((asked, line))
            self._waiting_size += len(line)
        else:
            self._put(asked, line)
        return delivery

    def _put(self, asked: _Asked, line: bytes) -> None:
        asked.at = self.child.queued if self.child else 0
        self._write(line)

    def _cancel(self, asked: _Asked) -> None:
        """Nobody waits for it any more: tell the child, and let its late answer find nobody."""
        if self._forget(asked.number) is None or self._over:
            return
        if asked.at < 0:
            self._waiting = deque(item for item in self._waiting if item[0] is not asked)
            self._waiting_size = sum(len(line) for _, line in self._waiting)
            return
        self._write(
            b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}' % asked.number
        )

    def _forget(self, number: int) -> _Asked | None:
        asked = self._pending.pop(number, None)
        if asked is not None:
            self._logging.pop(number, None)
            self._owner.in_flight -= 1
        return asked

    def _received(self, frame: ServerFrame) -> None:
        if frame.kind == "response":
            if self._probing and frame.id in (_DISCOVER, None):
                self._probed(frame)
            else:
                self._answered(frame)
        elif frame.kind == "request" and frame.id is not None:
            # No server of this version asks; one that waits for the answer must not wait for ever.
            self._refuse(frame.id, METHOD_NOT_FOUND, "this version has no requests from servers")
        else:
            self._notified(frame)

    def _answered(self, frame: ServerFrame) -> None:
        asked = self._take(frame.id)
        if asked is None:
            self._drop("an answer that nobody waits for")
            return
        try:
            data = set_member(frame.forward, ("id",), asked.id)
            if frame.result is not None and result_subscription(frame.result) == asked.number:
                data = set_member(data, ("result", "_meta", SUBSCRIPTION_ID), asked.id)
        except (ValueError, RecursionError):
            asked.delivery.fail(failures.MALFORMED)
            return
        asked.delivery.answer(data)

    def _notified(self, frame: ServerFrame) -> None:
        to = address(frame.forward)
        data = frame.forward
        try:
            if frame.method == "notifications/progress":
                asked = self._find(to.progress_token)
                if asked is not None and asked.token is not None:
                    data = set_member(data, ("params", "progressToken"), asked.token)
                else:
                    asked = None
            elif frame.method == "notifications/cancelled" and to.request is not None:
                asked = self._find(to.request)
                if asked is not None:
                    data = set_member(data, ("params", "requestId"), asked.id)
            elif to.subscription is not None:
                asked = self._find(to.subscription)
            elif frame.method == "notifications/message":
                asked = self._logging[next(reversed(self._logging))] if self._logging else None
            else:
                asked = None
            if asked is not None and to.subscription == asked.number:
                data = set_member(data, ("params", "_meta", SUBSCRIPTION_ID), asked.id)
        except (ValueError, RecursionError):
            asked = None
        if asked is None:
            self._drop("a notification that belongs to no request")
            return
        self._spoke(asked)
        asked.delivery.event(data)

    def _find(self, number: Any) -> _Asked | None:
        asked = self._pending.get(number) if type(number) is int else None
        return None if asked is None or asked.at < 0 else asked

    def _take(self, id: Any) -> _Asked | None:
        found = self._find(id)
        return None if found is None else self._forget(found.number)

    def _fail_all(self, failure: Callable[[int | None], UpstreamFailure]) -> None:
        self._waiting.clear()
        self._waiting_size = 0
        for asked in list(self._pending.values()):
            self._forget(asked.number)
            asked.delivery.fail(failure(None if asked.at < 0 else asked.at))


def _fail(failure: UpstreamFailure, delivery: Delivery) -> None:
    delivery.fail(failure)
