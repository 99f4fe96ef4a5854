"""`callgate key new`: makes an API key and shows it once. Stores nothing and changes no file."""

import argparse
import re
import sys
from datetime import UTC, datetime

from callgate.errors import UsageError
from callgate.text import quote

SUMMARY = "make an API key for a caller of `callgate serve`"

EXAMPLES = """\
examples:
  callgate key new --identity ci-bot
  callgate key new --identity ci-bot --claim team=billing --expires 90d
  callgate key new --identity ci-bot -f keys.yaml      check the file that the entry will go to

The key goes to standard output, once and nowhere else. Its entry for the key file goes to standard error: it holds
the hash of the key, not the key. No file is changed.
"""

_SPAN = re.compile(r"([1-9]\d{0,3})([hdw])", re.ASCII)
_SECONDS = {"h": 3_600, "d": 86_400, "w": 604_800}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--identity", required=True, metavar="NAME", help="whose key it is; rules see `key:NAME`"
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="rules see `identity.NAME`; may be repeated",
    )
    parser.add_argument("--expires", metavar="WHEN", help="12h, 90d, 8w, or a date (UTC) such as 2027-01-31")
    parser.add_argument("-f", "--file", metavar="FILE", help="the key file: checked, never changed")
    parser.add_argument("--format", choices=("human", "json"), default="human")


def run(options: argparse.Namespace) -> int:
    """Print a new key and its entry."""
    from callgate.auth.apikeys import identity_of, new_key
    from callgate.auth.keyfile import IDENTITY

    if IDENTITY.fullmatch(options.identity) is None:
        help = "use letters, digits and `._@+-`, beginning with a letter or digit, at most 128"
        raise UsageError("AUTH040", f"{quote(options.identity)} cannot be an identity", help)
    claims = _claims(options.claim)
    expires = None if options.expires is None else _expires(options.expires)
    if options.file is not None:
        _check(options.file)
    key, id, digest = new_key()
    entry = {"id": id, "sha256": digest, "identity": options.identity}
    if options.format == "json":
        from msgspec.json import encode

        more = {"claims": claims} | ({"expires": expires} if expires else {})
        data = {"schema": "callgate/key@1", "key": key, "entry": entry | more}
        sys.stdout.write(encode(data).decode() + "\n")
        return 0
    sys.stdout.write(f"{key}\n")
    sys.stdout.flush()
    where = quote(options.file, 200) if options.file else "the key file"
    sys.stderr.write(f"the key is shown this once; add this to `keys:` in {where}:\n\n")
    sys.stderr.write(_as_yaml(entry, claims, expires))
    sys.stderr.write(f"\nrules see the caller as `{identity_of(options.identity)}`\n")
    return 0


def _claims(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or name in found or not word.isprintable():
            raise UsageError(
                "AUTH040", f"{quote(word)} is no claim", "write `--claim NAME=TEXT`, each name once"
            )
        found[name] = value
    return found


def _expires(word: str) -> str:
    from callgate.auth.keyfile import parse_expires
    from callgate.clock import SystemClock

    now = SystemClock().wall_ns() / 1e9
    span = _SPAN.fullmatch(word)
    seconds = now + int(span[1]) * _SECONDS[span[2]] if span else parse_expires(word)
    if seconds is None:
        raise UsageError("AUTH040", f"{quote(word)} is no time", "write `90d`, `12h`, `8w` or a date")
    if seconds <= now:
        raise UsageError("AUTH040", f"{quote(word)} has passed", "name a time to come")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(file: str) -> None:
    """Read the file as the gate would. Raises PolicyError."""
    from callgate.auth.keyfile import read_keyfile
    from callgate.cli.console import color_wanted
    from callgate.cli.render import render_human

    sys.stderr.write(render_human(read_keyfile(file).warnings, color=color_wanted(sys.stderr)))


def _as_yaml(entry: dict[str, str], claims: dict[str, str], expires: str | None) -> str:
    from msgspec.json import encode

    lines = [f'{name}: "{value}"' for name, value in entry.items()]
    if claims:
        inside = ", ".join(
            f"{encode(name).decode()}: {encode(value).decode()}" for name, value in claims.items()
        )
        lines.append(f"claims: {{{inside}}}")
    if expires:
        lines.append(f"expires: {expires}")
    return "  - " + "\n    ".join(lines) + "\n"
