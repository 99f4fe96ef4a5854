"""`callgate key list`: whose keys a key file holds, and which of them work now. Shows no hash."""

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from callgate.cli.console import color_wanted, escape, paint

if TYPE_CHECKING:
    from callgate.auth.apikeys import ApiKey

SUMMARY = "list the API keys of a key file"

EXAMPLES = """\
examples:
  callgate key list -f keys.yaml
  callgate key list -f keys.yaml --format json

exit status: 0 the file is valid, 3 it is not
"""

_COLOURS = {"active": "green", "expired": "yellow", "disabled": "red"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("-f", "--file", required=True, metavar="FILE", help="the key file")
    parser.add_argument("--format", choices=("human", "plain", "json"), default=None)


def run(options: argparse.Namespace) -> int:
    """Print one line for each key; warnings of the file go to standard error."""
    from callgate.auth.apikeys import identity_of
    from callgate.auth.keyfile import read_keyfile
    from callgate.cli.render import render_human, render_plain
    from callgate.clock import SystemClock

    now = SystemClock().wall_ns() / 1e9
    file = read_keyfile(options.file)
    format = options.format or ("human" if sys.stdout.isatty() else "plain")
    if format == "human":
        sys.stderr.write(render_human(file.warnings, color=color_wanted(sys.stderr)))
    else:
        sys.stderr.write(render_plain(file.warnings))
    if format == "json":
        from msgspec.json import encode

        listed = [
            {
                "id": key.id,
                "identity": identity_of(key.identity),
                "status": _status(key, now),
                "expires": _date(key),
                "claims": key.claims,
            }
            for key in file.keys
        ]
        sys.stdout.write(encode({"schema": "callgate/keys@1", "keys": listed}).decode() + "\n")
        return 0
    on = format == "human" and color_wanted(sys.stdout)
    for key in file.keys:
        status = _status(key, now)
        until = f"  until {_date(key)}" if key.expires is not None else ""
        claims = "".join(f"  {escape(name)}={escape(str(value))}" for name, value in key.claims.items())
        shown = paint(f"{status:<8}" if format == "human" else status, _COLOURS[status], on=on)
        sys.stdout.write(f"{key.id}  {shown}  {identity_of(key.identity)}{until}{claims}\n")
    return 0


def _status(key: "ApiKey", now: float) -> str:
    if key.disabled:
        return "disabled"
    return "expired" if key.expires is not None and now >= key.expires else "active"


def _date(key: "ApiKey") -> str | None:
    if key.expires is None:
        return None
    return datetime.fromtimestamp(key.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
