"""`callgate calls stats`: how many calls, how many denied and why, how long they took."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from callgate.audit.calls import Entry, Pairs, is_self_test
from callgate.audit.statistics import Group, Statistics
from callgate.audit.verify import lines_of
from callgate.cli.audit_input import (
    Entries,
    add_audit_arguments,
    add_parent_argument,
    audit_path,
    look_of,
    open_audit,
    seconds_of,
    time_of,
)
from callgate.cli.calls_text import cut, duration, to_json
from callgate.cli.console import paint

SUMMARY = "count the calls of an audit: denials, errors, latency"

EXAMPLES = """\
examples:
  callgate calls stats audit.jsonl
  callgate calls stats --since 1h --by identity audit.jsonl
  callgate calls stats --format json -c callgate.yaml

plain lines have a tab between their fields, and no head:
  all, nothing, calls, denied, errors, p50, p95, p99
  group, its name, calls, denied, errors, p50, p95, p99
  denied, the code, calls, what the code means
percentiles are exact to 1 %, and are of allowed calls that were answered
exit status: 0, also without any call; 5 the file cannot be read
"""

SCHEMA = "callgate/call-stats@1"
_SHOWN = 50
_SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--since", metavar="SPAN", help="only calls of the last SPAN: `90s`, `15m`, `1h`, `7d`"
    )
    parser.add_argument("--by", choices=("tool", "server", "identity", "code"), default="tool")
    add_parent_argument(parser)
    add_audit_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Read the audit once, and print what was counted."""
    since = None
    if options.since is not None:
        since = datetime.now(UTC) - timedelta(seconds=seconds_of(options.since))
    path = audit_path(options)
    entries = Entries(path)
    counted = Statistics(options.by)
    pairs = Pairs()
    with open_audit(path) as file:
        for entry in entries.among(lines_of(file)):
            if entry.kind == "outcome" or (
                entry.kind == "decision" and _counts(entry, since, options.parent)
            ):
                for call in pairs.feed(entry):
                    counted.add(call)
    for call in pairs.rest():
        counted.add(call)
    entries.warn(options)
    look, color = look_of(options)
    if look == "json":
        sys.stdout.write(to_json(_as_json(counted, options.by, entries.bad)) + "\n")
    elif look == "plain":
        sys.stdout.writelines(f"{line}\n" for line in _as_plain(counted))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _as_text(counted, options.by, color))
    return 0


def _counts(decision: Entry, since: datetime | None, parent: str | None) -> bool:
    if is_self_test(decision) or (parent is not None and decision.parent != parent):
        return False
    if since is None:
        return True
    time = time_of(decision)
    return time is not None and time >= since


def _as_text(counted: Statistics, by: str, on: bool) -> Iterator[str]:
    everything = counted.all
    if not everything.calls:
        yield "no calls"
        return
    yield _summary(everything, on)
    yield f"  from {cut(counted.first or '', 40)} to {cut(counted.last or '', 40)}"
    rows = [_cells(group) for group in counted.largest()[:_SHOWN]]
    yield ""
    yield from _table((by, "calls", "denied", "errors", *(name for name, _ in _SHARES)), rows, on)
    hidden = len(counted.groups) - len(rows)
    if hidden > 0:
        yield f"and {hidden:,} more"
    if counted.codes:
        yield ""
        yield from _table(("denied", "calls", ""), _code_cells(counted), on)


def _as_plain(counted: Statistics) -> Iterator[str]:
    """A line of fields with a tab between them for the whole, each group and each denial code; see EXAMPLES."""
    rows = [("all", "", *_cells(counted.all)[1:])]
    rows += [("group", *_cells(group)) for group in counted.largest()]
    rows += [("denied", *cells) for cells in _code_cells(counted)]
    for row in rows:
        yield "\t".join("-" if cell == "—" else cell for cell in row)


def _summary(everything: Group, on: bool) -> str:
    denied = f"{everything.denied:,} denied ({_share(everything.denied, everything.calls)})"
    errors = f"{everything.errors:,} failed ({_share(everything.errors, everything.calls)})"
    waiting = f"   {everything.open:,} without outcome" if everything.open else ""
    return (
        f"{everything.calls:,} call{'' if everything.calls == 1 else 's'}   "
        f"{paint(denied, 'red', on=on and everything.denied > 0)}   "
        f"{paint(errors, 'red', on=on and everything.errors > 0)}{waiting}"
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _cells(group: Group) -> tuple[str, ...]:
    numbers = (f"{group.calls:,}", f"{group.denied:,}", f"{group.errors:,}")
    times = [duration(group.latencies.percentile(share)) for _, share in _SHARES]
    return (cut(group.name, 64) or "—", *numbers, *times)


def _code_cells(counted: Statistics) -> list[tuple[str, ...]]:
    from callgate.codes.denials import CODES

    cells: list[tuple[str, ...]] = []
    for code, count in counted.codes.most_common(_SHOWN):
        page = CODES.get(code)
        title = page.title[:1].lower() + page.title[1:] if page else ""
        cells.append((cut(code, 64) or "—", f"{count:,}", title))
    return cells


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], on: bool) -> Iterator[str]:
    """The first column to the left, numbers to the right, a last column without a head to the left."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if column == 0 or not head[column] else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        yield paint(line, "dim", on=on) if row is head else line


def _as_json(counted: Statistics, by: str, bad: int) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "first": counted.first,
        "last": counted.last,
        "unreadable_lines": bad,
        **_group_data(counted.all),
        "codes": dict(counted.codes.most_common()),
        "by": by,
        "groups": [{"name": group.name, **_group_data(group)} for group in counted.largest()],
    }


def _group_data(group: Group) -> dict[str, object]:
    times = {f"{name}_ms": _rounded(group.latencies.percentile(share)) for name, share in _SHARES}
    counts = {"calls": group.calls, "denied": group.denied, "errors": group.errors}
    return {**counts, "without_outcome": group.open, **times}


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else float(f"{milliseconds:.3g}")
