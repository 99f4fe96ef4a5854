"""`callgate status`: how the gate does, from its audit or from the running gate itself."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from callgate.audit.backwards import lines_backwards
from callgate.audit.calls import Entry, PairsBackwards, is_self_test
from callgate.cli.audit_input import Entries, add_audit_arguments, audit_path, look_of, open_audit, time_of
from callgate.cli.calls_text import cut, to_json, word
from callgate.cli.console import paint
from callgate.errors import UsageError

SUMMARY = "say how the gate does: since when, with which policies, what it denied, what fails"

EXAMPLES = """\
examples:
  callgate status audit.jsonl
  callgate status -c callgate.yaml --format json
  callgate status --url http://127.0.0.1:8722      ask a running gate

what failed and works again is told, and counts as well
exit status: 0 all is well, 1 something fails, or the gate is not there; 5 the audit cannot be read
"""

SCHEMA = "callgate/status@1"
_HOUR = timedelta(hours=1)
_RECOVERED_BY: dict[str, frozenset[str]] = {
    "store_failed": frozenset(("gate_started", "charged")),
    "policy_refused": frozenset(("gate_started", "policy_reloaded")),
    "records_not_written": frozenset(("gate_started", "decided")),
    "torn_line_removed": frozenset(("gate_started", "decided")),
    # Somebody removed them: nothing that comes later says that all is well.
    "records_missing": frozenset(),
}
"""What has failed → what may follow to show that it works again: an event, a decision, a limit that was charged."""
_MAX_SERVERS = 1_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--url", metavar="URL", help="ask the gate that listens there, instead of an audit")
    add_audit_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the state, and say with the exit status whether all is well."""
    if options.url is not None:
        from callgate.cli.status_url import ask_and_tell

        if options.audit is not None or options.config is not None:
            raise UsageError("USE002", "argument --url: not together with an audit", "give one of them")
        return ask_and_tell(options)
    path = audit_path(options)
    if path == "-":
        raise UsageError(
            "USE002", "argument AUDIT: standard input cannot be read from its end", "name a file"
        )
    entries = Entries(path)
    with open_audit(path) as file:
        found = _read(entries, lines_backwards(file), datetime.now(UTC) - _HOUR)
    entries.warn(options)
    look, color = look_of(options)
    if look == "json":
        sys.stdout.write(to_json(_as_json(found, entries.bad)) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _as_text(found, color))
    return 1 if found.failures else 0


class _State(Struct):
    """What the end of an audit says. `policies` has the revision of the newest record of each server.

    `failures` and `recovered` count events of the last hour by their kind, of which the latest fails on, or not.
    """

    verdicts: Counter[str]
    failures: Counter[str]
    recovered: Counter[str]
    started: str | None = None
    stopped: str | None = None
    version: str | None = None
    last: str | None = None
    policies: dict[str, str] = {}
    latest_failure: Entry | None = None
    later: set[str] = set()
    """What stands behind the record that is looked at, of what may show that something works again."""
    past: bool = False
    """Whether the reading is beyond the last hour."""


def _read(entries: Entries, lines: Iterator[bytes], since: datetime) -> _State:
    """From the end to the last start of a gate, or an hour back if that is further."""
    found = _State(Counter(), Counter(), Counter())
    pairs = PairsBackwards()
    for entry in entries.among(_needed(lines, found)):
        found.last = found.last or entry.time
        time = time_of(entry)
        recent = time is not None and time >= since
        if entry.server and entry.policy and not _is_the_gates(entry) and len(found.policies) < _MAX_SERVERS:
            found.policies.setdefault(entry.server, entry.policy)
        call = pairs.feed(entry)
        if call is not None and recent and not is_self_test(call.decision):
            found.verdicts[word(call)] += 1
            found.later.add("decided")
            if call.decision.effect == "allow" and call.decision.charges:
                found.later.add("charged")
        elif entry.kind == "event":
            _take_event(found, entry, recent)
        found.past = found.past or (time is not None and not recent)
        if found.past and found.started is not None:
            break
    return found


def _needed(lines: Iterator[bytes], found: _State) -> Iterator[bytes]:
    """All lines of the last hour, and before that only those of events: the start may be a million calls back."""
    for line in lines:
        if not found.past or line.startswith(b'{"kind":"event"'):
            yield line


def _is_the_gates(entry: Entry) -> bool:
    """Whether an event of `callgate serve` stands under the gate's own name, which is no server's."""
    return entry.kind == "event" and entry.server == "callgate" and entry.session.startswith("serve-")


def _take_event(found: _State, entry: Entry, recent: bool) -> None:
    if entry.event == "gate_started" and found.started is None:
        found.started, found.version = entry.time, entry.detail
    elif entry.event == "gate_stopped" and found.started is None and found.stopped is None:
        found.stopped = entry.time
    elif entry.event in _RECOVERED_BY and recent:
        # The newest comes first, and says which it is.
        fails = entry.event in found.failures or not (
            entry.event in found.recovered or _RECOVERED_BY[entry.event] & found.later
        )
        (found.failures if fails else found.recovered)[entry.event] += 1
        found.latest_failure = found.latest_failure or entry
    if entry.event in ("gate_started", "policy_reloaded"):
        found.later.add(entry.event)


def _as_text(found: _State, on: bool) -> Iterator[str]:
    if found.last is None:
        yield "no records"
        return
    if found.stopped is not None:
        yield f"{paint('stopped', 'yellow', on=on)} at {cut(found.stopped, 40)}"
    if found.started is not None:
        version = f"   {cut(found.version, 200)}" if found.version else ""
        yield f"started at {cut(found.started, 40)}{version}"
    else:
        yield "started before this file"
    yield f"last record at {cut(found.last, 40)}"
    for server, revision in sorted(found.policies.items()):
        yield f"policy {cut(revision, 64)}   {cut(server, 64)}"
    calls = sum(found.verdicts.values())
    told = [f"{found.verdicts[name]:,} {text}" for name, text in _TOLD if found.verdicts[name]]
    detail = f": {', '.join(told)}" if told else ""
    yield f"last hour: {calls:,} call{'' if calls == 1 else 's'}{detail}"
    for event, count in sorted(found.failures.items()):
        yield f"{paint('failing', 'red', on=on)}: {event.replace('_', ' ')}, {count:,} in the last hour"
    for event, count in sorted(found.recovered.items()):
        which = f"{event.replace('_', ' ')}, {count:,} in the last hour"
        yield f"{paint('failed, since recovered', 'yellow', on=on)}: {which}"
    latest = found.latest_failure
    if latest is not None:
        why = ": ".join(part for part in (latest.code, latest.detail) if part)
        yield f"  the latest at {cut(latest.time, 40)}{f': {cut(why, 200)}' if why else ''}"


_TOLD = (("allow", "allowed"), ("deny", "denied"), ("hold", "held"), ("error", "failed"))


def _as_json(found: _State, bad: int) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "started": found.started,
        "stopped": found.stopped,
        "last": found.last,
        "policies": found.policies,
        "last_hour": {name: found.verdicts[name] for name, _ in _TOLD},
        "failing": dict(found.failures),
        "recovered": dict(found.recovered),
        "unreadable_lines": bad,
    }
