"""What is shared by the two kinds of lanes: one child, the requests that wait for its answers, back-pressure.

A lane is what may share the memory of one server process: a session of the handshake eras, or the calls of one
identity in the modern one. It must never mix what belongs to two of its requests.
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.text import quote
from callgate.upstream import failures
from callgate.upstream.child import Child
from callgate.upstream.contract import Handle, Sink, UpstreamFailure
from callgate.upstream.delivery import Delivery
from callgate.upstream.stderr import Log
from callgate.wire import replies
from callgate.wire.envelope import RequestId
from callgate.wire.framing import Oversized
from callgate.wire.server import ServerFrame, read_server_frame
from callgate.wire.strict import ClientFrame

MAX_WAITING = 1 << 20
"""Bytes that may wait for a child that does not read, beside the frame that is added."""

MAX_HELD = 1 << 20
"""Bytes that may wait for slow clients of a lane before the child has to wait."""


class Pending:
    """One request that the child has not answered. `at` is where it stands in the child's input."""

    __slots__ = ("at", "cancelled", "deadline_ns", "delivery", "listens")

    def __init__(self, delivery: Delivery, deadline_ns: int, *, listens: bool = False) -> None:
        self.delivery = delivery
        self.at = 0
        self.deadline_ns = deadline_ns
        """When it has been silent for too long; 0 for never."""
        self.listens = listens
        self.cancelled = False


class Owner(Protocol):
    """What a lane needs of the upstream that it belongs to."""

    config: ServerConfig
    clock: Clock
    log: Log
    in_flight: int

    def lane_over(self, lane: "Lane") -> None:
        """Forget the lane: it takes no more frames."""

    def child_works(self) -> None:
        """A child has said something that makes sense."""

    def child_ended(self, lane: "Lane", *, heard: bool, lived_ns: int) -> None:
        """The lane's child ended by itself; `heard`: after it had said something that makes sense."""

    def child_gone(self, lane: "Lane") -> None:
        """No process of the lane is left."""

    def soon(self, tell: Callable[[], None]) -> None:
        """Do that in the next turn of the loop."""


class Lane:
    """Subclasses say which frames go where."""

    def __init__(self, owner: Owner, key: tuple[str, str]) -> None:
        self._owner = owner
        self.key = key
        self.caller = ""
        """The proven identity that it is for, "" if there is none."""
        self.child: Child | None = None
        self.used = True
        """Whether a client did anything since the last sweep. A chatty child alone does not keep itself alive."""
        self.spoke = False
        """Whether the child said anything since the last sweep."""
        self.used_ns = owner.clock.monotonic_ns()
        self.started_ns = self.used_ns
        self._over = False
        self._heard = False
        """Whether the child ever said something that makes sense."""
        self._held = 0

    # For the upstream.

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer."""
        raise NotImplementedError

    @property
    def listening(self) -> bool:
        """Whether somebody listens for what may come."""
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        """Whether nothing but a new frame of a client keeps it alive. Looked at once a sweep."""
        raise NotImplementedError

    def send(self, frame: ClientFrame, forward: bytes, sink: Sink) -> Handle:
        """Take a frame of the agent."""
        raise NotImplementedError

    def sweep(self, now_ns: int) -> None:
        """End what has taken too long."""
        raise NotImplementedError

    def end(self, why: str | UpstreamFailure) -> None:
        """End the child, and fail whatever waits for it."""
        if not self._over:
            self._over = True
            self._owner.lane_over(self)
            if self.child is not None:
                self.child.discard()
            self._fail_all(self._ended(why) if isinstance(why, str) else lambda _: why)

    def close(self, why: str) -> None:
        """Let go of the child at once."""
        self._over = True
        if self.child is not None:
            self.child.close()
        self._fail_all(self._ended(why))

    # For the child.

    def started(self) -> None:
        """It runs."""

    def frames(self, frames: "list[bytes | Oversized]") -> None:
        """It has written these."""
        self.spoke = True
        for line in frames:
            if self._over:
                return
            if isinstance(line, Oversized):
                self._oversized(line)
                continue
            frame = read_server_frame(line)
            if frame.kind == "garbage":
                self._garbage(frame)
            else:
                if not self._heard:
                    self._heard = True
                    self._owner.child_works()
                self._received(frame)

    def ended(self, why: str, errno: int) -> None:
        """It ended by itself."""
        lived = self._owner.clock.monotonic_ns() - self.started_ns
        if errno:
            failure = failures.cannot_start(os.strerror(errno).lower())
            program = quote(self._owner.config.command[0], 200)
            self._owner.log("error", f"{self._owner.config.name}: {failure.text}: {program} [{failure.code}]")
            self._fail_all(lambda _: failure)
        else:
            self._fail_all(self._ended(why))
        self._retire()
        self._over = True
        self._owner.child_ended(self, heard=self._heard, lived_ns=lived)

    def gone(self) -> None:
        """No process of it is left."""
        self._owner.child_gone(self)

    # For subclasses.

    def _received(self, frame: ServerFrame) -> None:
        raise NotImplementedError

    def _take(self, id: Any) -> Pending | None:
        """The request that a response with this id answers; it is over with that."""
        raise NotImplementedError

    def _fail_all(self, failure: Callable[[int | None], UpstreamFailure]) -> None:
        """Fail everything that waits; `failure` is told where a request stands in the input, None if nowhere."""
        raise NotImplementedError

    def _ended(self, why: str) -> Callable[[int | None], UpstreamFailure]:
        written = self.child.written if self.child is not None else 0
        return lambda at: failures.ended(why, ran=at is not None and at < written)

    def _retire(self) -> None:
        """Take no more frames; what is under way may still be answered."""
        if not self._over:
            self._owner.lane_over(self)

    def _refusal(self) -> UpstreamFailure | None:
        """Why no request more can be taken now."""
        if self.child is not None and self.child.waiting > MAX_WAITING:
            return failures.BEHIND
        if self._owner.in_flight >= self._owner.config.max_in_flight:
            return failures.in_flight(self._owner.config.max_in_flight)
        return None

    def _write(self, line: bytes) -> None:
        """Send one line to the child. What it cannot take any more is failed when it ends."""
        if self.child is None:
            return
        self.child.write(line)
        if self.child.deaf:
            self._retire()

    def _refuse(self, id: RequestId, rpc_code: int, text: str) -> None:
        """Answer a request of the child with an error. One that asks and does not read gets no more answers."""
        if self.child is not None and self.child.waiting > MAX_WAITING:
            self._drop("a request of a server that does not read")
        else:
            self._write(replies.error_reply(id, rpc_code, text, {"code": "UPS051"}))

    def _deliver_later(self, sink: Sink, tell: Callable[[Delivery], None]) -> Delivery:
        delivery = Delivery(sink)
        self._owner.soon(lambda: tell(delivery))
        return delivery

    def _garbage(self, frame: ServerFrame) -> None:
        found = None if frame.id is None else self._take(frame.id)
        if found is None:
            self._drop("a line that is no message")
        else:
            found.delivery.fail(failures.MALFORMED)

    def _oversized(self, frame: Oversized) -> None:
        found = self._take(frame.id) if frame.kind == "response" else None
        if found is None:
            self._drop(f"a message of {frame.size} bytes")
        else:
            found.delivery.fail(failures.too_large(frame.size, self._owner.config.max_response))

    def _drop(self, what: str) -> None:
        self._owner.log("debug", f"{self._owner.config.name}: dropped {what}")

    def _hold(self, change: int) -> None:
        self._held += change
        if self.child is None:
            return
        if self._held > MAX_HELD:
            self.child.pause()
        elif self._held <= MAX_HELD // 2:
            self.child.resume()

    def _deadline(self) -> int:
        return self._owner.clock.monotonic_ns() + round(self._owner.config.timeout * 1e9)

    def _spoke(self, pending: Pending) -> None:
        """A sign of life for a request."""
        if pending.cancelled:
            return
        silence = self._owner.config.stream_timeout
        if silence is None or pending.listens:
            pending.deadline_ns = 0
        else:
            pending.deadline_ns = self._owner.clock.monotonic_ns() + round(silence * 1e9)
