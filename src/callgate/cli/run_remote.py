"""`callgate run --upstream`: the part of the command that is about a server over HTTP."""

import os
import re
from typing import TYPE_CHECKING

from callgate.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import SimpleNamespace

    from callgate.agent_gate import GateOptions
    from callgate.config.model import Secret

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_ELSEWHERE = re.compile(r"((?:[A-Za-z0-9-]+ )?)(env|file):(.+)")
_OURS = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "last-event-id",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_MAX_TIMEOUT = 86_400.0


def configure(parser: "ArgumentParser") -> None:
    """Declare the options."""
    group = parser.add_argument_group("a server over HTTP, instead of a command")
    group.add_argument("--upstream", metavar="URL", help="reach the server at URL, over Streamable HTTP")
    group.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        help="send this header to the server; VALUE may be `env:VARIABLE` or `file:PATH`, with a word before it as in "
        "'Authorization: Bearer env:TOKEN', so that a secret shows in no list of processes (repeatable)",
    )
    group.add_argument(
        "--ca-file", metavar="FILE", help="trust the authorities in FILE (PEM) instead of the system's"
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="how long the server may take until its answer begins (default: 300)",
    )


def run_remote(options: "Namespace | SimpleNamespace", gate_options: "GateOptions") -> int:
    """Guard the server at `options.upstream` until the agent ends the connection. Returns the exit status."""
    headers = read_headers(options.header or ())
    timeout = _read_timeout(options.timeout)
    # The reading of the policy is begun before what would be in its process's way is loaded.
    import msgspec.json  # noqa: F401

    from callgate.policyloader import PolicyLoad

    load = PolicyLoad(options.config)

    from callgate.app_remote import RemoteOptions, guard_remote
    from callgate.cli.run_log import make_log

    return guard_remote(
        load,
        RemoteOptions(gate_options, options.upstream, headers, options.ca_file, timeout),
        make_log(options.log_level),
    )


def guessed_name(url: str) -> str:
    """What to call the server at `url` if nobody says. Raises UpstreamError if it is no URL of a server."""
    from callgate.errors import UpstreamError
    from callgate.http1.origin import read_url

    try:
        return read_url(url)[0].host
    except ValueError as error:
        raise UpstreamError("UPS030", str(error), "as in `https://mcp.example.org/mcp`") from None


def read_headers(given: "list[str] | tuple[()]") -> "dict[str, str | Secret]":
    """The headers of `--header`. Raises UsageError, which never shows a value."""
    from callgate.config.model import Secret

    headers: dict[str, str | Secret] = {}
    for text in given:
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name) or not value or not value.isprintable():
            raise _unusable("is not of the form 'Name: value'")
        lower = name.lower()
        if lower in _OURS or lower.startswith("mcp-"):
            raise _unusable(f"names `{name}`, which the gate itself writes")
        if lower in headers:
            raise _unusable(f"names `{name}` a second time")
        elsewhere = _ELSEWHERE.fullmatch(value)
        if elsewhere is None:
            headers[lower] = value
        elif elsewhere[2] == "env":
            headers[lower] = Secret(env=elsewhere[3], prefix=elsewhere[1])
        else:
            headers[lower] = Secret(file=os.path.abspath(elsewhere[3]), prefix=elsewhere[1])
    return headers


def _read_timeout(text: str | None) -> float:
    try:
        seconds = 300.0 if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MAX_TIMEOUT:
        raise UsageError("USE002", "`--timeout` wants a number of seconds above 0, of at most 86400")
    return seconds


def _unusable(why: str) -> UsageError:
    return UsageError(
        "UPS035", f"one `--header` {why}", "write it as in --header 'Authorization: Bearer env:TOKEN'"
    )
