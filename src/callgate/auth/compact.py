"""The compact form of a signed token (RFC 7515 section 7.1, RFC 8725): bytes → header, claims, what was signed.

There is one way to spell a token here: unpadded base64url whose unused bits are zero, strict JSON, no extension
that must be understood. Nothing is verified, so nothing that comes out of here may be believed yet. Keys and
places of keys inside a token (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from msgspec import Struct

from callgate.auth.challenge import Denied
from callgate.auth.strict_json import read_object

_FORM = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

_TYPES = {"jwt", "at+jwt", "application/at+jwt", "application/jwt"}
"""RFC 9068 and plain ones: what is typed as something else (a logout token, a proof of possession) lets nobody in."""

_NOT_UNDERSTOOD = ("crit", "b64", "enc", "zip")

MAX_KID = 256


class CompactToken(Struct, frozen=True):
    """The parts of a token, none of them verified."""

    algorithm: str
    kid: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read_compact(token: bytes) -> CompactToken:
    """Take a token apart. Raises Denied (AUTH005)."""
    parts = _FORM.fullmatch(token)
    if parts is None:
        raise Denied("AUTH005", "the token is not a signed JWT")
    try:
        header = read_object(_decode(parts[1]))
        claims = read_object(_decode(parts[2]))
        signature = _decode(parts[3])
    except ValueError:
        raise Denied("AUTH005", "the token is not spelled as a JWT must be") from None
    if any(name in header for name in _NOT_UNDERSTOOD):
        raise Denied("AUTH005", "the token has a header that is not understood here")
    typ = header.get("typ", "JWT")
    if type(typ) is not str or typ.lower() not in _TYPES:
        raise Denied("AUTH005", "the token is not of the type of an access token")
    algorithm, kid = header.get("alg"), header.get("kid")
    if type(algorithm) is not str or not (kid is None or (type(kid) is str and len(kid) <= MAX_KID)):
        raise Denied("AUTH005", "the token does not say how it is signed")
    return CompactToken(algorithm, kid, claims, token[: parts.end(2)], signature)


def _decode(segment: bytes) -> bytes:
    data = urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != segment:
        raise ValueError("unused bits are not zero")
    return data
