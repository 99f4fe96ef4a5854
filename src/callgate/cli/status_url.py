"""`callgate status --url`: what a running gate says of itself. What it answers is shown escaped and bounded."""

import argparse
import http.client
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from callgate.cli.audit_input import look_of
from callgate.cli.calls_text import cut, to_json
from callgate.cli.console import paint
from callgate.errors import UsageError

SCHEMA = "callgate/gate-status@1"
_MAX_BODY = 256 * 1024
_TIMEOUT = 5.0
_COLOURS = {"up": "green", "down": "red"}
_FAULTS = (OSError, http.client.HTTPException)


class _Ready(Struct):
    status: str
    reasons: list[str] = []
    warnings: list[str] = []
    servers: dict[str, str] = {}


class _Answer(Struct):
    """What came back; `alive` is False if nothing usable did, and `why` says then what happened."""

    alive: bool = False
    ready: _Ready | None = None
    why: str = ""


def ask_and_tell(options: argparse.Namespace) -> int:
    """Ask, print, and return 0 if the gate takes calls, else 1. Raises UsageError (USE032) for a bad URL."""
    answer = _ask(options.url)
    look, color = look_of(options)
    if look == "json":
        ready = None if answer.ready is None else msgspec.structs.asdict(answer.ready)
        data = {"schema": SCHEMA, "alive": answer.alive, "readiness": ready, "error": answer.why or None}
        sys.stdout.write(to_json(data) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _as_text(answer, color))
    return 0 if answer.ready is not None and answer.ready.status == "ready" else 1


def _ask(url: str) -> _Answer:
    host, port, secure = _place(url)
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, port, timeout=_TIMEOUT)
    try:
        status, _ = _get(connection, "/healthz")
        if status != 200:
            return _Answer(why=f"it answered {status}: is it a gate?")
        status, body = _get(connection, "/readyz")
        return _Answer(alive=True, ready=msgspec.json.decode(body, type=_Ready))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Answer(why="its answer is not that of a gate")
    except _FAULTS as error:
        return _Answer(why=f"{getattr(error, 'strerror', None) or error or type(error).__name__}".lower())
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    with connection.getresponse() as response:
        return response.status, response.read(_MAX_BODY)


def _place(url: str) -> tuple[str, int | None, bool]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = None
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or not parts.hostname.isascii()
    ):
        raise UsageError("USE032", "argument --url: no http or https URL", "write `http://127.0.0.1:8722`")
    return parts.hostname, port, parts.scheme == "https"


def _as_text(answer: _Answer, on: bool) -> Iterator[str]:
    ready = answer.ready
    if ready is None:
        yield f"{paint('not reachable', 'red', on=on)}: {cut(answer.why, 200)}"
        return
    yield paint(cut(ready.status, 40), "green" if ready.status == "ready" else "red", on=on)
    for reason in ready.reasons:
        yield f"  {paint('failing', 'red', on=on)}: {cut(reason, 200)}"
    for warning in ready.warnings:
        yield f"  {paint('warning', 'yellow', on=on)}: {cut(warning, 200)}"
    for name, state in sorted(ready.servers.items()):
        shown = cut(state, 40)
        yield f"  {paint(shown, _COLOURS[state], on=on) if state in _COLOURS else shown}  {cut(name, 64)}"
