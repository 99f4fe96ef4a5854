"""Records read back as calls: a decision and what came of it. Takes the file for hostile; nothing here writes."""

from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from callgate.audit.chain import MAX_LINE
from callgate.audit.encode import TEXT_LENGTH, clip

MAX_OPEN = 65_536
"""Decisions that may wait for their outcome while a file is read; the oldest are then told without one."""

Effect = Literal["allow", "hold", "deny"]


class Entry(Struct, frozen=True):
    """One line of any kind, with what any command shows of it; unknown fields are skipped."""

    kind: Literal["start", "decision", "outcome", "event"]
    time: str
    id: str = ""
    session: str = ""
    identity: str = ""
    server: str = ""
    tool: str = ""
    effect: Effect = "deny"
    policy: str | None = None
    request: str | int | None = None
    code: str | None = None
    rule: str | None = None
    reason: str | None = None
    retry_after: float | None = None
    charges: int | None = None
    parent: str | None = None
    status: str = ""
    duration_ms: float | None = None
    response_bytes: int | None = None
    rpc_code: int | None = None
    task: str | None = None
    event: str = ""
    detail: str | None = None


class FullEntry(Entry, frozen=True):
    """The same with the recorded arguments as JSON, empty if there are none."""

    arguments: Raw = Raw()


class Call(Struct, frozen=True):
    """A decision and its outcome, None as long as there is none."""

    decision: Entry
    outcome: Entry | None = None


_decode = msgspec.json.Decoder(Entry).decode
_decode_full = msgspec.json.Decoder(FullEntry).decode
_STATUS = 64
_PLAIN_LENGTH = 8192


def read_entry(line: bytes, *, arguments: bool = False) -> Entry | None:
    """One line as a record; None if it is none, whatever its bytes are. With `arguments` it is a `FullEntry`.

    Many records may have to be remembered, so texts of a long line are cut as the gate cuts them.
    """
    if len(line) > MAX_LINE:
        return None
    try:
        entry = _decode_full(line) if arguments else _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(entry.time) > _STATUS or len(entry.status) > _STATUS:
        return None
    return entry if len(line) <= _PLAIN_LENGTH else _cut(entry)


def _cut(entry: Entry) -> Entry:
    changes = {}
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if isinstance(value, str) and len(value) > TEXT_LENGTH:
            changes[name] = clip(value)
    return msgspec.structs.replace(entry, **changes) if changes else entry


def is_self_test(decision: Entry) -> bool:
    """Whether this is the call with which the gate tests itself at every start: denied by a rule of its own."""
    return (
        decision.rule == "self-test" and decision.effect == "deny" and decision.tool.startswith("self-test-")
    )


class Pairs:
    """Puts decisions and outcomes together as they come, forwards: a call is told when it is complete."""

    def __init__(self) -> None:
        self._open: dict[str, Entry] = {}

    def feed(self, entry: Entry) -> Iterator[Call]:
        """Take the next record; gives the calls that are now complete, or waited for too long."""
        if entry.kind == "decision":
            # The same id again can only be another gate's: both are told.
            before = self._open.pop(entry.id, None)
            if before is not None:
                yield Call(before)
            self._open[entry.id] = entry
            if len(self._open) > MAX_OPEN:
                yield Call(self._open.pop(next(iter(self._open))))
        elif entry.kind == "outcome":
            decision = self._open.pop(entry.id, None)
            if decision is not None:
                yield Call(decision, entry)

    def rest(self) -> Iterator[Call]:
        """The calls that have no outcome."""
        yield from map(Call, self._open.values())
        self._open.clear()

    def open(self) -> list[Entry]:
        """The decisions that wait."""
        return [*self._open.values()]


class PairsBackwards:
    """The same for records that come from the end of a file: an outcome comes before its decision."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Entry] = {}

    def feed(self, entry: Entry) -> Call | None:
        """Take the record before; gives the call if it was a decision."""
        if entry.kind == "outcome":
            self._outcomes[entry.id] = entry
            if len(self._outcomes) > MAX_OPEN:
                del self._outcomes[next(iter(self._outcomes))]
        elif entry.kind == "decision":
            return Call(entry, self._outcomes.pop(entry.id, None))
        return None
