"""Whose executions a call may begin and see. Nothing that a client says of itself in MCP has a part in it.

Over stdio whoever started this process answers for it. Over HTTP it is the authenticated caller; where nobody is
asked, a session of the handshake eras, or whoever has an execution's UUID.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from msgspec import Struct
from msgspec.json import encode

from callgate.errors import UsageError
from callgate.http1.contract import Headers, HttpRefusal
from callgate.identity import local_identity
from callgate.principal import Principal
from callgate.runner.execution import Owner

IDENTITY_VARIABLE = "CALLGATE_IDENTITY"
SESSION_VARIABLE = "CALLGATE_SESSION"
IDENTITY_HEADER = b"callgate-identity"
SESSION_HEADER = b"callgate-session"
MAX_NAME = 512

_NO_OCTET = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VERSION = b"mcp-protocol-version"
_HANDSHAKE = frozenset(version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS)


class Caller(Struct, frozen=True):
    """Who makes a call. `shared`: everybody who reaches the listener is this one caller, so that only an execution's
    UUID tells whose it is, and nothing may be listed."""

    owner: Owner
    shared: bool = False


def stdio_caller(environment: Mapping[str, str]) -> Caller:
    """The only caller of a process that is spoken to over stdio. Raises UsageError."""
    for variable in (IDENTITY_VARIABLE, SESSION_VARIABLE):
        if variable in environment and not _is_name(environment[variable]):
            raise UsageError(
                "RUN012",
                f"the environment variable `{variable}` is not a printable name of at most {MAX_NAME} characters",
                "it is set by the gate that starts the runner; leave it unset otherwise",
            )
    return Caller(
        Owner(
            environment.get(IDENTITY_VARIABLE) or local_identity(),
            limit_session=environment.get(SESSION_VARIABLE) or secrets.token_hex(16),
        )
    )


def http_caller(principal: Principal, headers: Headers, trusted_gates: Sequence[str]) -> Caller:
    """Who sends a request with these headers, once `principal` is known. Raises HttpRefusal.

    A gate that is not trusted must not speak for others: under its own name all of its callers would see each
    other's executions, so that its request is refused.
    """
    session = _session(headers)
    told = _one(headers, IDENTITY_HEADER, encoded=True)
    if told is not None:
        if principal.identity not in trusted_gates:
            raise _refused(403, "RUN013", "this caller may not speak for others")
        # The gate has authenticated whom it names, or says that nobody is asked.
        proven = told != "anonymous"
        limits = _one(headers, SESSION_HEADER, encoded=True) or session or told
        return Caller(Owner(told, None if proven else limits, limits, proven))
    if _one(headers, SESSION_HEADER) is not None and principal.identity not in trusted_gates:
        raise _refused(403, "RUN013", "this caller may not speak for others")
    if principal.proven:
        limits = session or principal.identity
        return Caller(Owner(principal.identity, None, limits, True, principal.claims))
    if session is not None:
        return Caller(Owner(principal.identity, session, session))
    return Caller(Owner(principal.identity, None, principal.identity), shared=True)


def _session(headers: Headers) -> str | None:
    """The session of the handshake eras, which the SDK holds against those that there are before anything else.

    In the modern era there is none, and the header means nothing. The SDK looks at the first of several versions.
    """
    versions = headers.all(_VERSION)
    if versions and versions[0] not in _HANDSHAKE:
        return None
    return _one(headers, b"mcp-session-id")


def _one(headers: Headers, name: bytes, *, encoded: bool = False) -> str | None:
    """The only header of this name. Raises HttpRefusal if it stands more than once or is no name.

    `encoded`: gates percent-encode it, so that both sides spell names alike in audit and limits.
    """
    values = headers.all(name)
    if not values:
        return None
    try:
        text = values[0].decode()
        if encoded:
            text = "" if _NO_OCTET.search(text) else unquote(text, errors="strict")
    except UnicodeDecodeError:
        text = ""
    if len(values) > 1 or not _is_name(text):
        raise _refused(400, "RUN012", f"the {name.decode()} header must stand once and be a printable name")
    return text


def _is_name(text: str) -> bool:
    # What is not printable could forge the border between identity and session.
    return 0 < len(text) <= MAX_NAME and text.isprintable()


def _refused(status: int, code: str, text: str) -> HttpRefusal:
    return HttpRefusal(status, encode({"code": code, "error_description": text}), code=code, reason=text)
