"""Frames of the handshake eras whose agent is not there for the answer: it may still come, but not for ever.

Either the stream ended before the answer, which the agent may yet hear by listening; or the agent has gone, and the
server goes on. Bounded in number and time: what nobody waits for must not keep the server's room from others. A call
that is forgotten is recorded with an unknown outcome.
"""

from collections.abc import Callable
from typing import Protocol

from callgate.audit.record import Status
from callgate.clock import Clock
from callgate.gate.call import Admission
from callgate.serve.judging import Settlement
from callgate.wire.envelope import RequestId

PATIENCE_SECONDS = 300.0
MAX_CALLS = 10_000


class Abandoned(Protocol):
    """A frame under way whose agent has gone."""

    over: bool

    def give_up(self) -> None: ...


Key = tuple[str, str, RequestId]
"""Server, lane and the id of the request."""


class Unanswered:
    """`settle` records what came of a call."""

    def __init__(self, clock: Clock, settle: Callable[[Settlement], None]) -> None:
        self._clock = clock
        self._settle = settle
        self._calls: dict[Key, tuple[Admission, int]] = {}
        self._abandoned: dict[Abandoned, int] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def wait(self, key: Key, admission: Admission) -> None:
        """The stream of this call is over, its answer is not there."""
        self.forget(key)
        self._calls[key] = admission, self._clock.monotonic_ns() + round(PATIENCE_SECONDS * 1e9)
        if len(self._calls) > MAX_CALLS:
            self.forget(next(iter(self._calls)))

    def abandon(self, frame: Abandoned, seconds: float) -> None:
        """The agent has gone; the server may go on for so long."""
        self._abandoned[frame] = self._clock.monotonic_ns() + round(seconds * 1e9)

    def take(self, key: Key) -> Admission | None:
        """The call that an answer belongs to, if one waits; it waits no more."""
        found = self._calls.pop(key, None)
        return None if found is None else found[0]

    def forget(self, key: Key, status: Status = "unknown") -> None:
        """Nothing will come of this call any more."""
        admission = self.take(key)
        if admission is not None:
            self._settle(Settlement(admission, status))

    def expire(self) -> None:
        """Let go of what has waited too long."""
        now = self._clock.monotonic_ns()
        for frame, until in list(self._abandoned.items()):
            if not frame.over and until > now:
                continue
            del self._abandoned[frame]
            if not frame.over:
                frame.give_up()
        for key, (_, until) in list(self._calls.items()):
            if until > now:
                # They are in the order of their ends.
                break
            self.forget(key)

    def end(self) -> None:
        """The process ends."""
        for key in list(self._calls):
            self.forget(key)
