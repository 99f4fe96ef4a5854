"""`callgate calls tail`: the last calls of an audit, and with `-f` those that come."""

import argparse
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from callgate.audit.backwards import lines_backwards
from callgate.audit.calls import Call, Entry, Pairs, PairsBackwards, is_self_test
from callgate.audit.verify import lines_of
from callgate.cli.audit_input import (
    Entries,
    add_audit_arguments,
    add_parent_argument,
    audit_path,
    look_of,
    open_audit,
)
from callgate.cli.calls_text import (
    CALL_SCHEMA,
    CALLS_SCHEMA,
    WORDS,
    CallLines,
    call_data,
    plain_line,
    to_json,
    word,
)
from callgate.errors import UsageError

SUMMARY = "show the last calls of an audit, and follow it"

EXAMPLES = """\
examples:
  callgate calls tail audit.jsonl
  callgate calls tail -f --verdict deny audit.jsonl
  callgate calls tail -n 100 --server github --format json -c callgate.yaml

with -f a call is shown when it ends, or after two seconds as one that goes on; JSON is then one object a line
exit status: 0, also without any call; 5 the file cannot be read
"""

_PAUSE = 0.2
_PATIENCE = 2.0
"""Seconds after which a call without an outcome is shown all the same."""

_MAX_LINES = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended")
    parser.add_argument(
        "-n", "--lines", metavar="N", type=int, default=20, help="how many calls (default: 20)"
    )
    parser.add_argument("--server", metavar="NAME", help="only calls of this server")
    parser.add_argument("--tool", metavar="NAME", help="only calls of this tool")
    parser.add_argument("--identity", metavar="NAME", help="only calls of this caller: `key:ann`, or `ann`")
    add_parent_argument(parser)
    parser.add_argument("--verdict", choices=WORDS, help="only calls that were decided, or ended, so")
    add_audit_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the calls, the oldest first."""
    if not 0 <= options.lines <= _MAX_LINES:
        raise UsageError("USE002", f"argument -n: {options.lines} is not between 0 and {_MAX_LINES}")
    path = audit_path(options)
    with open_audit(path) as file:
        entries = Entries(path, arguments=look_of(options)[0] == "json")
        shown = _Shown(options)
        if not file.seekable():
            shown.past(_last_of_stream(file, entries, options))
        else:
            end = file.seek(0, os.SEEK_END)
            last = _last_of_file(file, end, entries, options)
            shown.past(last)
            if options.follow:
                try:
                    _follow(path, file, end, last, entries, shown, options)
                finally:
                    entries.warn(options)
        entries.warn(options)
    return 0


def _last_of_file(file: BinaryIO, end: int, entries: Entries, options: argparse.Namespace) -> list[Call]:
    pairs = PairsBackwards()
    found: list[Call] = []
    if options.lines:
        for entry in entries.among(lines_backwards(file, end)):
            call = pairs.feed(entry)
            if call is not None and _wanted(call, options):
                found.append(call)
                if len(found) == options.lines:
                    break
    found.reverse()
    return found


def _last_of_stream(file: BinaryIO, entries: Entries, options: argparse.Namespace) -> Iterator[Call]:
    """Of a pipe nothing can be read twice: the last calls are those that were the last to end."""
    pairs = Pairs()
    last: deque[Call] = deque(maxlen=options.lines)
    for entry in entries.among(lines_of(file)):
        last.extend(call for call in pairs.feed(entry) if _wanted(call, options))
    last.extend(call for call in pairs.rest() if _wanted(call, options))
    yield from last


def _wanted(call: Call, options: argparse.Namespace) -> bool:
    decision = call.decision
    return (
        (options.server is None or decision.server == options.server)
        and (options.tool is None or decision.tool == options.tool)
        and (options.identity is None or _is_called(decision.identity, options.identity))
        and (options.parent is None or decision.parent == options.parent)
        and (options.verdict is None or word(call) == options.verdict)
        and not is_self_test(decision)
    )


def _is_called(identity: str, name: str) -> bool:
    """Whether `name` is the identity, or what it has behind `key:`, `local:` or the issuer of a token."""
    behind = identity.partition("|" if identity.startswith("jwt:") else ":")[2]
    return name == identity or (name == behind and behind != "")


class _Shown:
    """Writes calls in the look that was asked for."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._look, color = look_of(options)
        self._follow = options.follow
        self._lines = CallLines(color, datetime.now(UTC).astimezone())

    def past(self, calls: "Iterator[Call] | list[Call]") -> None:
        if self._look == "json" and not self._follow:
            sys.stdout.write(to_json({"schema": CALLS_SCHEMA, "calls": [*map(call_data, calls)]}) + "\n")
        else:
            for call in calls:
                self.call(call)

    def call(self, call: Call) -> None:
        if self._look == "json":
            sys.stdout.write(to_json({"schema": CALL_SCHEMA, **call_data(call)}) + "\n")
        elif self._look == "plain":
            sys.stdout.write(f"{plain_line(call)}\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in self._lines.lines(call))


def _follow(
    path: str,
    file: BinaryIO,
    end: int,
    last: list[Call],
    entries: Entries,
    shown: _Shown,
    options: argparse.Namespace,
) -> None:
    from callgate.audit.follow import Follow
    from callgate.clock import SystemClock

    pairs = Pairs()
    # Calls that were shown without an outcome are shown again when it comes.
    for call in last:
        if call.outcome is None:
            _exhaust(pairs.feed(call.decision))
    told = {entry.id for entry in pairs.open()}
    since: dict[str, float] = {}
    # A line may have been half written when the end was looked at.
    following = Follow(path, file, _start_of_line(file, end), SystemClock())
    try:
        while True:
            for entry in entries.among(following.lines()):
                for call in pairs.feed(entry):
                    if _wanted(call, options):
                        shown.call(call)
            _show_slow(pairs.open(), since, told, shown, options)
            sys.stdout.flush()
            time.sleep(_PAUSE)
    finally:
        following.close()


def _show_slow(
    waiting: list[Entry], since: dict[str, float], told: set[str], shown: _Shown, options: argparse.Namespace
) -> None:
    now = time.monotonic()
    alive = {entry.id for entry in waiting}
    told &= alive
    for key in since.keys() - alive:
        del since[key]
    for entry in waiting:
        if entry.id not in told and now - since.setdefault(entry.id, now) >= _PATIENCE:
            told.add(entry.id)
            call = Call(entry)
            if _wanted(call, options):
                shown.call(call)


def _start_of_line(file: BinaryIO, end: int) -> int:
    at = end
    while at > 0:
        size = min(65536, at)
        file.seek(at - size)
        newline = file.read(size).rfind(b"\n")
        if newline >= 0:
            return at - size + newline + 1
        at -= size
    return 0


def _exhaust(calls: Iterator[Call]) -> None:
    for _ in calls:
        pass
