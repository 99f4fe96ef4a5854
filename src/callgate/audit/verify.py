"""Reading an audit back: is every record there, unchanged and in its place? Reads, never writes.

The file may be hostile: it is read as a stream, in bounded memory, and no line of it can raise.
What the chain cannot show is said in `NOT_PROVED` rather than left to be found out.
"""

from collections.abc import Iterable
from typing import BinaryIO

from msgspec import Struct

from callgate.audit.chain import DIGITS, MAX_LINE, ORIGIN, follows, place
from callgate.audit.reading import Line, Pairing, UnreadableError, read_line
from callgate.audit.record import FORMAT
from callgate.digest import fast

MAX_FINDINGS = 100
"""So many findings are kept; the rest is only counted."""

NOT_PROVED = (
    "that no records are missing from the end, unless a hash noted earlier is given with `--head`",
    "that the whole file was not written anew: its hashes can be computed by anybody, unless one was noted",
)


class Finding(Struct, frozen=True):
    """One thing that is wrong. `line` counts from 1; `message` may hold text of the file."""

    code: str
    line: int
    message: str


class Report(Struct):
    """What a file says. `findings` holds the first `MAX_FINDINGS` of `finding_count`.

    `head` is the hash of the last line that has one, `continues` the last hash of the file before this one as
    the first record names it. `proved_to` is the line whose hash is the one that was noted earlier.
    `pairing_exact` is False if more decisions waited for their outcomes than are remembered.
    """

    records: int = 0
    decisions: int = 0
    outcomes: int = 0
    events: int = 0
    first_time: str | None = None
    last_time: str | None = None
    decisions_without_outcome: int = 0
    outcomes_without_decision: int = 0
    pairing_exact: bool = True
    repairs: int = 0
    head: str | None = None
    continues: str | None = None
    proved_to: int | None = None
    findings: list[Finding] = []
    finding_count: int = 0

    @property
    def intact(self) -> bool:
        return self.finding_count == 0

    @property
    def not_proved(self) -> tuple[str, ...]:
        """What this reading cannot show."""
        if self.proved_to is None:
            return NOT_PROVED
        if self.proved_to == self.records:
            return ()
        return (
            f"that nothing after line {self.proved_to}, whose hash was noted, is missing or written anew",
        )


def lines_of(file: BinaryIO) -> Iterable[bytes]:
    """The lines of a file, newlines included. Of one that is too long, the first `MAX_LINE` + 1 bytes."""
    while line := file.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return


def verify(lines: Iterable[bytes], *, head: str | None = None) -> Report:
    """Check every line against the one before it. `head` is a hash noted earlier, 64 lower-case hex digits.

    The findings, by code: AUD101 a record was changed, AUD102 records are missing, AUD103 a record is
    repeated, AUD104 out of order, AUD105 not a record, AUD106 the beginning is missing or of an unknown
    format, AUD107 the last line is cut off, AUD108 the noted hash is nowhere, AUD109 the gate itself saw that
    records had been removed.
    """
    return _Reading(head).run(lines)


class _Reading:
    """One pass over a file."""

    def __init__(self, noted: str | None) -> None:
        self._report = Report()
        self._noted = noted
        self._pairing = Pairing()
        self._sha256 = fast()
        self._tail: bytes | None = ORIGIN
        self._next_seq = 1

    def run(self, lines: Iterable[bytes]) -> Report:
        report = self._report
        number = 0
        for number, line in enumerate(lines, 1):
            if number == 1 and not line.startswith(b'{"kind":"start",'):
                self._find("AUD106", 1, "the first line is not the start of a chain")
            if line.endswith(b"\n") and len(line) <= MAX_LINE:
                self._check(number, line)
            elif len(line) > MAX_LINE:
                self._find("AUD105", number, f"longer than {MAX_LINE} bytes, so no record")
                self._tail = None
                self._next_seq += 1
            else:
                self._find(
                    "AUD107",
                    number,
                    f"the last line is cut off after {len(line)} bytes: by a crash (the gate's next start "
                    "removes it and records that), or by somebody",
                )
        if number == 0:
            self._find("AUD106", 1, "the file is empty: not even the start of a chain is there")
        if self._noted is not None and report.proved_to is None:
            self._find("AUD108", number, self._explain_missing_head())
        report.decisions_without_outcome = self._pairing.decisions_without_outcome
        report.outcomes_without_decision = self._pairing.outcomes_without_decision
        report.pairing_exact = self._pairing.exact
        return report

    def _check(self, number: int, line: bytes) -> None:
        link = place(line)
        if link is None:
            self._find("AUD105", number, "does not end with a sequence number and a hash, so is no record")
            # The next line is then checked by its number alone: one change is one finding.
            self._tail = None
            self._next_seq += 1
            return
        expected = self._next_seq
        if link.seq > expected:
            missing = link.seq - expected
            self._find(
                "AUD102", number, f"{missing} record{'s' * (missing != 1)} missing before record {link.seq}"
            )
        elif link.seq == expected - 1 and self._tail == link.tail:
            self._find("AUD103", number, f"record {link.seq} is repeated")
        elif link.seq < expected:
            self._find("AUD104", number, f"record {link.seq} stands where record {expected} belongs")
        elif self._tail is not None and not follows(line, self._tail, self._sha256):
            self._find(
                "AUD101",
                number,
                f"record {link.seq} is not what its hash was computed from, or does not belong here",
            )
        self._tail = link.tail
        self._next_seq = link.seq + 1
        self._report.head = link.tail[:DIGITS].decode()
        if self._report.head == self._noted:
            self._report.proved_to = number
        self._read(number, line, link.seq)

    def _read(self, number: int, line: bytes, seq: int) -> None:
        report = self._report
        report.records += 1
        try:
            record = read_line(line)
        except UnreadableError as error:
            self._find("AUD105", number, f"not a record of a known format: {error}")
            return
        report.first_time = report.first_time or record.time
        report.last_time = record.time
        if record.kind == "decision":
            report.decisions += 1
            self._pairing.decided(record.id)
        elif record.kind == "outcome":
            report.outcomes += 1
            self._pairing.happened(record.id)
        elif record.kind == "event":
            report.events += 1
            self._note_event(number, record)
        elif seq != 1:
            self._find("AUD104", number, "a chain starts here, in the middle of another one")
        elif record.format != FORMAT:
            self._find(
                "AUD106", number, f"format {record.format} is not known; this version reads format {FORMAT}"
            )
        else:
            report.continues = record.previous

    def _note_event(self, number: int, record: Line) -> None:
        if record.event == "torn_line_removed":
            self._report.repairs += 1
        elif record.event == "records_missing":
            self._find(
                "AUD109",
                number,
                f"the gate noted here that the last {record.size} bytes had been removed, up to the hash "
                f"{record.previous}",
            )

    def _find(self, code: str, line: int, message: str) -> None:
        self._report.finding_count += 1
        if len(self._report.findings) < MAX_FINDINGS:
            self._report.findings.append(Finding(code, line, message))

    def _explain_missing_head(self) -> str:
        if self._noted == self._report.continues:
            return "the noted hash is the end of the file before this one, so it shows nothing about this one"
        return "no record has the noted hash: records were removed, or it was noted of another file"
