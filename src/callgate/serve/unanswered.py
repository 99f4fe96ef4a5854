"""Calls whose stream ended before their answer: it may still come when the agent goes on listening (legacy).

Bounded in number and time; a call that is forgotten is recorded with an unknown outcome.
"""

from collections.abc import Callable

from callgate.audit.record import Status
from callgate.clock import Clock
from callgate.gate.call import Admission
from callgate.serve.judging import Settlement
from callgate.wire.envelope import RequestId

PATIENCE_SECONDS = 300.0
MAX_CALLS = 10_000

Key = tuple[str, str, RequestId]
"""Server, lane and the id of the request."""


class Unanswered:
    """`settle` records what came of a call."""

    def __init__(self, clock: Clock, settle: Callable[[Settlement], None]) -> None:
        self._clock = clock
        self._settle = settle
        self._calls: dict[Key, tuple[Admission, int]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def wait(self, key: Key, admission: Admission) -> None:
        """The stream of this call is over, its answer is not there."""
        self.forget(key)
        self._calls[key] = admission, self._clock.monotonic_ns() + round(PATIENCE_SECONDS * 1e9)
        if len(self._calls) > MAX_CALLS:
            self.forget(next(iter(self._calls)))

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
        """Let go of calls that have waited too long."""
        now = self._clock.monotonic_ns()
        for key, (_, until) in list(self._calls.items()):
            if until > now:
                # They are in the order of their ends.
                break
            self.forget(key)

    def end(self) -> None:
        """The process ends."""
        for key in list(self._calls):
            self.forget(key)
