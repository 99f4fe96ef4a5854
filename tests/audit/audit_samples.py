"""Records and chains for the tests of the audit."""

from collections.abc import Sequence
from pathlib import Path

from callgate.audit.chain import ORIGIN, seal
from callgate.audit.encode import encode
from callgate.audit.jsonl import JsonlAudit
from callgate.audit.record import ChainStart, DecisionRecord, OutcomeRecord, Record
from callgate.audit.verify import Report, lines_of, verify
from callgate.clock import Clock, ManualClock
from callgate.digest import lean

TIME = "2026-03-01T09:30:00.125Z"


def decision(id: str = "d1", tool: str = "read_file") -> DecisionRecord:
    return DecisionRecord(id, TIME, "session", "local", "files", tool, "allow", "0123456789ab", request=7)


def outcome(id: str = "d1") -> OutcomeRecord:
    return OutcomeRecord(id, TIME, "ok", duration_ms=1.25, response_bytes=120)


def chain(records: Sequence[Record], previous: str | None = None) -> list[bytes]:
    """The lines of a file with a start and `records`."""
    everything: list[Record] = [ChainStart(1, TIME, previous), *records]
    return seal([encode(record) for record in everything], 0, ORIGIN, lean)[0].splitlines(keepends=True)


def calls(count: int) -> list[Record]:
    """Records of `count` calls, decision and outcome in turn."""
    return [record for n in range(count) for record in (decision(f"d{n}"), outcome(f"d{n}"))]


def open_audit(path: Path, clock: Clock | None = None, patience: float = 5.0) -> JsonlAudit:
    """An audit that does not wait for the disk."""
    return JsonlAudit(str(path), sync="none", clock=clock or ManualClock(), lock_patience=patience)


def read_back(path: Path, head: str | None = None) -> Report:
    with path.open("rb") as file:
        return verify(lines_of(file), head=head)


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]
