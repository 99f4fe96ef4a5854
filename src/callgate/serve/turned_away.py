"""Says and records which requests were turned away before anybody knew who sends them. Never a credential.

Anybody who reaches the listener can cause these lines, as fast as the network allows: a few in a minute are written
one by one, of the rest the count. The metric counts all.
"""

from collections import Counter
from collections.abc import Callable

from callgate.audit.record import Event
from callgate.clock import Clock
from callgate.gate.call import Caller
from callgate.http1.contract import Head, HttpRefusal
from callgate.principal import ANONYMOUS
from callgate.telemetry.logs import Log
from callgate.text import quote

MOST = 20
"""Requests that are told of one by one in a minute."""
_MINUTE_NS = 60 * 1_000_000_000
_PATH = 200

Record = Callable[[Event, str | None, str, Caller | None], None]


class TurnedAway:
    """`record` takes an event for the audit. `tick` is to be called about once a second."""

    def __init__(self, log: Log, record: Record, clock: Clock) -> None:
        self._log = log
        self._record = record
        self._clock = clock
        self._since = 0
        self._told = 0
        self._untold: Counter[str] = Counter()

    def note(self, head: Head, server: str | None, refused: HttpRefusal) -> None:
        """A request was refused for its credential, host or origin; `server` is where it was to go, if that exists."""
        if self._told and self._clock.monotonic_ns() - self._since >= _MINUTE_NS:
            self.end()
        if self._told >= MOST:
            self._untold[refused.code] += 1
            return
        if not self._told:
            self._since = self._clock.monotonic_ns()
        self._told += 1
        text = f"turned away {head.peer} at {quote(head.path, _PATH)}: {refused.reason}"
        self._log(
            "warning", f"{text} [{refused.code}]", event="turned_away", server=server, code=refused.code
        )
        caller = None if server is None else Caller(ANONYMOUS.identity, ANONYMOUS.identity, server)
        self._record("request_refused", refused.code, text, caller)

    def tick(self) -> None:
        """Tell the count of the minute that is over."""
        if self._told and self._clock.monotonic_ns() - self._since >= _MINUTE_NS:
            self.end()

    def end(self) -> None:
        """Tell what was counted and not told, and begin anew."""
        self._told = 0
        if not self._untold:
            return
        which = ", ".join(f"{count} with {code}" for code, count in self._untold.most_common())
        text = f"turned away {self._untold.total()} more requests within a minute: {which}"
        self._untold.clear()
        self._log("warning", text, event="turned_away")
        self._record("request_refused", None, text, None)
