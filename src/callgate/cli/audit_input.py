"""The audit that a command reads: which file, opened, line by line, and what of it could not be read."""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO

from callgate.audit.calls import Entry, read_entry
from callgate.cli.console import color_wanted, paint
from callgate.errors import AuditError, UsageError
from callgate.text import quote

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare AUDIT and `-c`, and how to show it."""
    parser.add_argument("audit", metavar="AUDIT", nargs="?", help="the audit; `-` is standard input")
    parser.add_argument("-c", "--config", metavar="FILE", help="the callgate.yaml that names the audit")
    add_look_arguments(parser)


def add_parent_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--parent`."""
    parser.add_argument("--parent", metavar="UUID", help="only calls that this execution of code made")


def add_look_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--format` and `--color`."""
    parser.add_argument("--format", choices=("human", "plain", "json"), default=None)
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def look_of(options: argparse.Namespace) -> tuple[str, bool]:
    """The format, and whether it has colour."""
    color = color_wanted(sys.stdout, options.color)
    look = options.format or ("human" if sys.stdout.isatty() else "plain")
    return look, look == "human" and color


def audit_path(options: argparse.Namespace) -> str:
    """The file to read. Raises UsageError (USE030) if none is named, ConfigError for a bad callgate.yaml."""
    if options.audit is not None:
        path: str = options.audit
        return path
    if options.config is None:
        raise UsageError("USE030", "no audit is named", "give its path, or `-c callgate.yaml`")
    from callgate.config.load import load_config

    config, _ = load_config(options.config)
    if config.audit is None:
        raise UsageError("USE030", f"{quote(options.config)} names no audit", "set `audit: FILE` in it")
    return config.audit


def open_audit(path: str) -> BinaryIO:
    """Open the file. Raises AuditError (AUD010)."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: OSError) -> AuditError:
    """The error for a file that cannot be read."""
    reason = (error.strerror or str(error)).lower()
    return AuditError("AUD010", f"the audit {quote(path, 200)} cannot be read: {reason}")


class Entries:
    """The records among lines, if asked with their arguments; counts the lines that are none."""

    def __init__(self, path: str, *, arguments: bool = False) -> None:
        self._path = path
        self._arguments = arguments
        self.bad = 0

    def among(self, lines: Iterable[bytes]) -> Iterator[Entry]:
        """Every record. A last line without its newline is still being written, or torn: it is no record yet."""
        try:
            for line in lines:
                entry = read_entry(line, arguments=self._arguments)
                if entry is not None:
                    yield entry
                elif line.endswith(b"\n"):
                    self.bad += 1
        except OSError as error:
            raise unreadable(self._path, error) from error

    def warn(self, options: argparse.Namespace) -> None:
        """Say on stderr how many lines could not be read."""
        if self.bad and sys.stderr is not None:
            told = "1 line is no record" if self.bad == 1 else f"{self.bad:,} lines are no records"
            label = paint("warning:", "yellow", on=color_wanted(sys.stderr, options.color))
            sys.stderr.write(f"{label} {told}; `callgate audit verify` says more\n")


def time_of(entry: Entry) -> datetime | None:
    """When the record says that it was written; None if that is no time."""
    try:
        time = datetime.fromisoformat(entry.time)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def seconds_of(text: str) -> float:
    """Seconds of a span such as `90s`, `15m`, `1h`, `7d` or `2w`. Raises UsageError (USE031)."""
    found = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if found is None:
        raise UsageError("USE031", f"{quote(text)} is no span of time", "write `90s`, `15m`, `1h` or `7d`")
    return int(found[1]) * _UNITS[found[2]]
