"""`callgate calls show`: all that an audit holds of one call."""

import argparse
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from msgspec import Raw, Struct

from callgate.audit.calls import Call, Entry, FullEntry
from callgate.audit.verify import lines_of
from callgate.cli.audit_input import Entries, add_audit_arguments, audit_path, look_of, open_audit
from callgate.cli.calls_text import (
    CALL_SCHEMA,
    call_data,
    cut,
    duration,
    entry_data,
    note,
    outcome_data,
    to_json,
    tool_name,
    word,
)
from callgate.cli.console import paint
from callgate.text import quote

SUMMARY = "show one call of an audit: decision, outcome, and the calls it belongs to"

EXAMPLES = """\
examples:
  callgate calls show 5e884f-1a audit.jsonl
  callgate calls show 5e8 audit.jsonl                   the only call whose id begins so
  callgate calls show 0f6b1c9e-… audit.jsonl            the calls that an execution of code made
  callgate calls show 5e884f-1a -c callgate.yaml --format json

exit status: 0 it is there, 1 it is not, or several could be meant, 5 the file cannot be read
"""

_MAX_RELATED = 100
_MAX_SUGGESTED = 5
_MAX_TEXT = 2_000
_COLOURS = {"allow": "green", "deny": "red", "hold": "yellow", "error": "red"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "id", metavar="ID", help="the decision's id, as `calls tail` shows it, or its beginning"
    )
    add_audit_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print every decision with this id: gates that share an audit make up their own ids."""
    path = audit_path(options)
    entries = Entries(path, arguments=True)
    with open_audit(path) as file:
        found = _find(file, path, entries, options.id)
        could = [] if found.decisions or found.children else _beginning_with(file, path, options.id)
        if len(could) == 1:
            file.seek(0)
            found = _find(file, path, Entries(path, arguments=True), could[0])
    entries.warn(options)
    if not (found.decisions or found.children):
        sys.stderr.write(f"no call {quote(options.id)} in {quote(path, 200)}{_several(could)}\n")
        return 1
    look, color = look_of(options)
    if look == "json":
        sys.stdout.write(to_json(_as_json(found)) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _as_text(found, look == "human", color))
    return 0


class _Found(Struct):
    """What belongs to one id; of each kind no more than `_MAX_RELATED`."""

    decisions: list[Entry] = []
    outcomes: list[Entry] = []
    children: dict[str, Call] = {}
    parents: dict[str, Call] = {}


def _find(file: BinaryIO, path: str, entries: Entries, wanted: str) -> _Found:
    found = _Found()
    for entry in entries.among(lines_of(file)):
        if entry.id == wanted and entry.kind == "decision" and len(found.decisions) < _MAX_RELATED:
            found.decisions.append(entry)
        elif entry.id == wanted and entry.kind == "outcome" and len(found.outcomes) < _MAX_RELATED:
            found.outcomes.append(entry)
        elif entry.parent == wanted or entry.id in found.children:
            _relate(found.children, entry)
    names = {decision.parent for decision in found.decisions if decision.parent is not None}
    if names and file.seekable():
        # A call stands before the calls that are made for it, so the first pass may have missed the parent.
        file.seek(0)
        for entry in Entries(path).among(lines_of(file)):
            if entry.id in names:
                _relate(found.parents, entry)
    return found


def _beginning_with(file: BinaryIO, path: str, beginning: str) -> list[str]:
    """The ids of calls that begin so, of many only some; none for a pipe, which cannot be read again."""
    ids: dict[str, None] = {}
    if beginning and file.seekable():
        file.seek(0)
        for entry in Entries(path).among(lines_of(file)):
            if entry.kind == "decision" and entry.id.startswith(beginning):
                ids[entry.id] = None
                if len(ids) > _MAX_SUGGESTED:
                    break
    return [*ids]


def _several(ids: list[str]) -> str:
    if len(ids) < 2:
        return ""
    more = ", …" if len(ids) > _MAX_SUGGESTED else ""
    return f"; these begin so: {', '.join(quote(id) for id in ids[:_MAX_SUGGESTED])}{more}"


def _relate(calls: dict[str, Call], entry: Entry) -> None:
    known = calls.get(entry.id)
    if entry.kind == "outcome" and known is not None:
        calls[entry.id] = Call(known.decision, entry)
    elif entry.kind == "decision" and known is None and len(calls) < _MAX_RELATED:
        calls[entry.id] = Call(entry)


def _as_json(found: _Found) -> dict[str, object]:
    return {
        "schema": CALL_SCHEMA,
        "decisions": [*map(entry_data, found.decisions)],
        "outcomes": [*map(outcome_data, found.outcomes)],
        "parents": [*map(call_data, found.parents.values())],
        "children": [*map(call_data, found.children.values())],
    }


def _as_text(found: _Found, aligned: bool, on: bool) -> Iterator[str]:
    latest = found.outcomes[-1] if found.outcomes else None
    for decision in found.decisions:
        for name, value in _decision_rows(decision, latest, on):
            yield _row(name, value, aligned, on)
        if decision.parent is not None and decision.parent not in found.parents:
            yield _row("parent", cut(decision.parent, _MAX_TEXT), aligned, on)
    if not found.decisions:
        yield _row(
            "execution",
            cut(next(iter(found.children.values())).decision.parent or "", _MAX_TEXT),
            aligned,
            on,
        )
    for outcome in found.outcomes:
        yield _row("outcome", _outcome(outcome), aligned, on)
    if found.decisions and not found.outcomes:
        yield _row("outcome", "none in this file", aligned, on)
    for name, calls in (("parent", found.parents), ("child", found.children)):
        for call in calls.values():
            yield _row(name, _related(call, on), aligned, on)


def _row(name: str, value: str, aligned: bool, on: bool) -> str:
    return f"{paint(f'{name:<10}', 'dim', on=on)} {value}" if aligned else f"{name}: {value}"


def _decision_rows(decision: Entry, outcome: Entry | None, on: bool) -> Iterator[tuple[str, str]]:
    verdict = word(Call(decision, outcome))
    yield "call", cut(decision.id, _MAX_TEXT)
    yield "tool", cut(f"{decision.server}.{decision.tool}", _MAX_TEXT)
    yield "time", cut(decision.time, _MAX_TEXT)
    yield "verdict", paint(verdict, _COLOURS[verdict], on=on)
    rows: tuple[tuple[str, object], ...] = (
        ("code", decision.code),
        ("rule", decision.rule),
        ("reason", decision.reason),
        ("wait", None if decision.retry_after is None else f"{decision.retry_after:g} s"),
        ("identity", decision.identity),
        ("session", decision.session),
        ("policy", decision.policy),
        ("request", decision.request),
        ("limits", None if decision.charges is None else f"{decision.charges} charged"),
        ("arguments", _arguments(decision)),
    )
    for name, value in rows:
        if value is not None:
            yield name, cut(str(value), _MAX_TEXT)


def _arguments(decision: Entry) -> str | None:
    recorded = decision.arguments if isinstance(decision, FullEntry) else Raw()
    if not bytes(recorded):
        return None
    try:
        value = msgspec.json.decode(recorded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not readable"
    return value if isinstance(value, str) else bytes(recorded).decode("utf-8", "replace")


def _outcome(outcome: Entry) -> str:
    told = cut(outcome.status, _MAX_TEXT)
    if outcome.rpc_code is not None:
        told += f" {outcome.rpc_code}"
    if outcome.duration_ms is not None:
        told += f" after {duration(outcome.duration_ms)}"
    if outcome.response_bytes is not None:
        told += f", {outcome.response_bytes:,} bytes"
    if outcome.task is not None:
        told += f", task {cut(outcome.task, _MAX_TEXT)}"
    return f"{told}, at {cut(outcome.time, _MAX_TEXT)}"


def _related(call: Call, on: bool) -> str:
    verdict = word(call)
    why = note(call)
    told = f"{cut(call.decision.id, _MAX_TEXT)}  {paint(verdict, _COLOURS[verdict], on=on)}  {tool_name(call.decision)}"
    return f"{told}  {why}" if why else told
