"""The few fields of a record that verification reads, and the matching of decisions with outcomes."""

from typing import Literal

import msgspec
from msgspec import Struct

from callgate.digest import lean

MAX_TIME = 40
MAX_WAITING = 65_536
"""So many decisions are remembered until their outcomes come. A gate has far fewer calls in flight."""


class UnreadableError(Exception):
    """A line that is no record. The text is for people and may hold text of the file."""


class Line(Struct, frozen=True):
    """What matters of a record of any kind; all else is skipped, so that later fields do no harm."""

    kind: Literal["start", "decision", "outcome", "event"]
    time: str
    id: str = ""
    event: str = ""
    format: int = 0
    size: int | None = None
    previous: str | None = None


_decoder = msgspec.json.Decoder(Line)


def read_line(line: bytes) -> Line:
    """Decode a line that has the form of a record. Raises UnreadableError, whatever the bytes are."""
    try:
        record = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(str(error)[:200]) from None
    if len(record.time) > MAX_TIME:
        raise UnreadableError("its time is too long")
    if record.previous is not None and len(record.previous) > 64:
        raise UnreadableError("its previous hash is too long")
    return record


class Pairing:
    """Counts decisions without an outcome and outcomes without a decision, in bounded memory."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._forgotten = 0
        self.outcomes_without_decision = 0

    @property
    def exact(self) -> bool:
        return self._forgotten == 0

    @property
    def decisions_without_outcome(self) -> int:
        return len(self._waiting) + self._forgotten

    def decided(self, id: str) -> None:
        waiting = self._waiting
        waiting[_short(id)] = None
        if len(waiting) > MAX_WAITING:
            del waiting[next(iter(waiting))]
            self._forgotten += 1

    def happened(self, id: str) -> None:
        if self._waiting.pop(_short(id), self) is not None:
            self.outcomes_without_decision += 1


def _short(id: str) -> str:
    return id if len(id) <= 64 else lean(id.encode("utf-8", "surrogatepass")).hexdigest()
