"""An audit in memory, with a disk that can be full, and what it holds in a few words."""

from collections.abc import Sequence

from callgate.audit.record import DecisionRecord, EventRecord, OutcomeRecord, Record
from callgate.errors import AuditError


class ListedAudit:
    """Fails while `failing` is true."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failing = False

    def append(self, records: Sequence[Record]) -> None:
        if self.failing:
            raise AuditError("AUD001", "no space left")
        self.records.extend(records)

    def close(self) -> None:
        """Nothing to release."""


def summaries(all_records: Sequence[Record], records: Sequence[Record]) -> list[str]:
    """Records in a few words each: `allow echo`, `deny rm DEN001`, `ok echo`, `event NAME CODE`."""
    tools = {record.id: record.tool for record in all_records if isinstance(record, DecisionRecord)}
    lines: list[str] = []
    for record in records:
        if isinstance(record, DecisionRecord):
            lines.append(" ".join(filter(None, (record.effect, record.tool, record.code))))
        elif isinstance(record, OutcomeRecord):
            lines.append(f"{record.status} {tools.get(record.id, '(no decision)')}")
        elif isinstance(record, EventRecord):
            lines.append(" ".join(filter(None, ("event", record.event, record.code))))
    return lines
