"""Says and records which frames were refused: a few of each identity at each server in full, of the rest the counts.

Callers and servers alike can cause these as fast as they can send, and each would cost a line and a record.
"""

from collections import Counter
from typing import Literal, NamedTuple

from callgate.clock import Clock
from callgate.gate.call import Caller
from callgate.serve.judging import Judging
from callgate.telemetry.logs import Log
from callgate.telemetry.sampling import Sampler, by_code

Side = Literal["caller", "server"]
_EVENTS = {"caller": "refused", "server": "dropped"}


class _Source(NamedTuple):
    side: Side
    server: str
    identity: str
    revision: str


class Refusals:
    """`tick` is to be called about once a second, `end` before the last record."""

    def __init__(self, log: Log, judging: Judging, clock: Clock) -> None:
        self._log = log
        self._judging = judging
        self._sampler: Sampler[_Source] = Sampler(clock, self._tell)
        self.tick = self._sampler.tick
        self.end = self._sampler.end

    def note(self, side: Side, caller: Caller, revision: str, code: str, text: str, line: str) -> None:
        """A frame sent by `side` was refused under the policy `revision`: `text` for the audit, `line` for the log."""
        if not self._sampler.passes(_Source(side, caller.server, caller.identity, revision), code):
            return
        self._log(
            "warning",
            line,
            event=_EVENTS[side],
            server=caller.server,
            identity=caller.identity,
            code=code,
        )
        self._judging.event("frame_refused", code, text, caller, revision)

    def _tell(self, source: _Source | None, counts: Counter[str]) -> None:
        text = f"{counts.total()} more frames were refused within seconds: {by_code(counts)}"
        if source is None:
            self._log("warning", text, event="refused")
            self._judging.event("frame_refused", None, text)
            return
        whose = f"of the server for {source.identity}" if source.side == "server" else f"of {source.identity}"
        self._log(
            "warning",
            f"{source.server}: {text} ({whose})",
            event=_EVENTS[source.side],
            server=source.server,
            identity=source.identity,
        )
        caller = Caller(source.identity, source.identity, source.server)
        self._judging.event("frame_refused", None, f"{text} ({whose})", caller, source.revision)
