"""Answering a script that is run again from what the journal has, so that no side effect happens twice. Pure.

A call is known by its function and the hash of its arguments; the n-th such call of this attempt is answered as the
n-th of the earlier ones was. That holds for threads too, whose calls have no order of their own.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Literal

from callgate.runner.execution import InnerCall

Fresh = Literal["fresh", "diverged"]


class Replay:
    """What earlier attempts of one execution were answered."""

    def __init__(self, calls: Sequence[InnerCall]) -> None:
        self._answers: dict[tuple[str, str], deque[InnerCall]] = defaultdict(deque)
        self._open: dict[str, int] = defaultdict(int)
        for call in sorted(calls, key=lambda call: call.seq):
            if call.state != "started":
                self._answers[call.function, call.arguments_sha256].append(call)
                self._open[call.function] += call.state == "answered"
        self.next_seq = max((call.seq for call in calls), default=0) + 1
        """The number of the next call that is really made."""

    def next(self, function: str, arguments_sha256: str, *, repeatable: bool) -> InnerCall | Fresh:
        """The recorded call that answers this one; `fresh`: there is none, it has to be made.

        `diverged`: the script was answered calls of this function that it does not make this time. To make another one
        could do the same thing twice, so it must not be made (unless it is `repeatable`).
        """
        recorded = self._answers.get((function, arguments_sha256))
        if recorded:
            call = recorded.popleft()
            self._open[function] -= call.state == "answered"
            return call
        return "diverged" if self._open[function] > 0 and not repeatable else "fresh"


def in_doubt(calls: Sequence[InnerCall]) -> list[InnerCall]:
    """The calls that were begun, never answered, and may not be made again."""
    return [call for call in calls if call.state == "started" and not call.repeatable]
