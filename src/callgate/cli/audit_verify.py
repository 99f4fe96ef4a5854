"""`callgate audit verify`: is the audit whole? Says as well what that cannot be told from."""

import argparse
import sys
from collections.abc import Iterator

import msgspec

from callgate.audit.verify import Finding, Report, lines_of, verify
from callgate.cli.console import color_wanted, escape, paint
from callgate.errors import AuditError, UsageError

SUMMARY = "find any changed, missing, repeated or reordered record of an audit"

EXAMPLES = """\
examples:
  callgate audit verify audit.jsonl
  callgate audit verify audit.jsonl --head 5f0c…   # a hash that was noted earlier is still in the chain
  callgate audit verify - --format json < audit.jsonl

exit status: 0 intact, 1 something is wrong, 5 the file cannot be read
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", help="the audit; `-` is standard input")
    parser.add_argument(
        "--head", metavar="HASH", help="a hash printed by an earlier run: must still be there"
    )
    parser.add_argument("--format", choices=("human", "plain", "json"), default=None)


def run(options: argparse.Namespace) -> int:
    """Verify the file and print the report on standard output."""
    head = _parse_head(options.head)
    report = _verify(options.file, head)
    format = options.format or ("human" if sys.stdout.isatty() else "plain")
    if format == "json":
        sys.stdout.write(msgspec.json.encode(_as_json(options.file, report)).decode("utf-8") + "\n")
    else:
        on = format == "human" and color_wanted(sys.stdout)
        sys.stdout.writelines(f"{line}\n" for line in _as_text(options.file, report, on))
    return 0 if report.intact else 1


def _parse_head(text: str | None) -> str | None:
    if text is None:
        return None
    head = text.strip().lower().removeprefix("sha256:")
    if len(head) != 64 or not set(head) <= set("0123456789abcdef"):
        raise UsageError(
            "AUD009", f"`{text}` is no hash", "give the 64 hex digits that an earlier run printed"
        )
    return head


def _verify(name: str, head: str | None) -> Report:
    try:
        if name == "-":
            return verify(lines_of(sys.stdin.buffer), head=head)
        with open(name, "rb") as file:
            return verify(lines_of(file), head=head)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise AuditError("AUD010", f"the audit `{name}` cannot be read: {reason}") from error


def _as_text(name: str, report: Report, on: bool) -> Iterator[str]:
    for finding in report.findings:
        yield _finding_line(name, finding, on)
    hidden = report.finding_count - len(report.findings)
    if hidden:
        yield f"and {hidden} more"
    verdict = (
        paint("intact", "green", "bold", on=on)
        if report.intact
        else paint(f"not intact: {_count(report.finding_count, 'finding')}", "red", "bold", on=on)
    )
    yield f"{escape(name)}: {verdict}"
    yield (
        f"  {_count(report.records, 'record')}: {_count(report.decisions, 'decision')}, "
        f"{_count(report.outcomes, 'outcome')}, {_count(report.events, 'event')}"
    )
    if report.first_time is not None and report.last_time is not None:
        yield f"  from {escape(report.first_time)} to {escape(report.last_time)}"
    about = "" if report.pairing_exact else "at least some of "
    if report.decisions_without_outcome:
        yield f"  {about}{_count(report.decisions_without_outcome, 'decision')} without outcome"
    if report.outcomes_without_decision:
        yield f"  {about}{_count(report.outcomes_without_decision, 'outcome')} without decision in this file"
    if report.repairs:
        yield f"  {_count(report.repairs, 'torn line')} removed after a crash"
    if report.continues is not None:
        yield f"  continues the file that ends with {escape(report.continues)}"
    if report.head is not None:
        yield f"  head {report.head}"
    for text in report.not_proved if report.intact else ():
        yield f"  {paint('not proved:', 'dim', on=on)} {text}"


def _finding_line(name: str, finding: Finding, on: bool) -> str:
    code = paint(f"error[{finding.code}]", "red", on=on)
    return f"{escape(name)}:{finding.line}: {code}: {escape(finding.message)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _as_json(name: str, report: Report) -> dict[str, object]:
    return {
        "schema": "callgate/audit-verify@1",
        "file": escape(name),
        "intact": report.intact,
        **msgspec.structs.asdict(report),
        "not_proved": report.not_proved,
    }
