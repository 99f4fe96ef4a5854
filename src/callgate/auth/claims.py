"""What verified claims must say before they let somebody in, and who that is then (RFC 7519, RFC 9068). Pure."""

import re
from decimal import Decimal
from typing import Any

from msgspec import Struct

from callgate.auth.challenge import Denied
from callgate.config.model import JwtConfig
from callgate.principal import Principal

MAX_IDENTITY = 256
"""Characters of the claim that names the caller."""

_LAST_SECOND = 253_402_300_800
"""The year 10000: what lies beyond is not a time but a way to never expire."""

_UPSTREAM_PATH = re.compile(r"/[A-Za-z0-9][A-Za-z0-9._-]*/mcp", re.ASCII)


class Admitted(Struct, frozen=True):
    """A caller, and the only request paths the token is meant for, None for all."""

    principal: Principal
    paths: tuple[str, ...] | None


def admit(claims: dict[str, Any], config: JwtConfig, resource: str | None, now: float) -> Admitted:
    """Check the claims of a token whose signature by `config`'s issuer holds. `now` in seconds since 1970.

    Raises Denied (AUTH010 to AUTH013).
    """
    if claims.get("iss") != config.issuer:
        raise Denied("AUTH007", "the token's issuer is not accepted here")
    expires = _times(claims, config.leeway, now)
    paths = _paths(claims.get("aud"), config.audience, resource)
    if paths is not None and not paths:
        raise Denied("AUTH011", "the token is meant for another audience")
    name = claims.get(config.identity_claim)
    if type(name) is not str or not _is_name(name):
        raise Denied("AUTH012", "the token does not name its caller in a usable way")
    if not set(config.required_scopes) <= _scopes(claims):
        raise Denied("AUTH013", "the token lacks a scope that is required here", "insufficient_scope")
    return Admitted(Principal(identity_of(config.issuer, name), True, claims, expires), paths)


def identity_of(issuer: str, name: str) -> str:
    """The identity of `name` at `issuer`.

    The issuer comes first, and no issuer holds a `|`: so no name can make itself a caller of another issuer or
    kind, neither for a rule that compares nor for one that looks at the beginning.
    """
    return f"jwt:{issuer}|{name}"


def _times(claims: dict[str, Any], leeway: float, now: float) -> float:
    expires = _time(claims, "exp")
    if expires is None or now >= expires + leeway:
        raise Denied("AUTH010", "the token has expired" if expires is not None else "the token never expires")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and now < begins - leeway:
            raise Denied("AUTH010", "the token is not valid yet")
    return expires + leeway


def _time(claims: dict[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if (type(value) is not int and type(value) is not Decimal) or not 0 <= value < _LAST_SECOND:
        raise Denied("AUTH010", f"the token's {name} is not a time")
    return float(value)


def _paths(audience: Any, accepted: str, resource: str | None) -> tuple[str, ...] | None:
    """None if the token is meant for every upstream; else the paths of those that it names as RFC 8707 has it."""
    named = audience if type(audience) is list else [audience]
    if any(type(each) is not str for each in named):
        return ()
    if accepted in named:
        return None
    if resource is None:
        return ()
    base = resource.rstrip("/")
    paths = (each[len(base) :] for each in named if each.startswith(base))
    return tuple(path for path in paths if _UPSTREAM_PATH.fullmatch(path))


def _is_name(name: str) -> bool:
    return (
        0 < len(name) <= MAX_IDENTITY
        and name.isprintable()
        and not name[0].isspace()
        and not name[-1].isspace()
    )


def _scopes(claims: dict[str, Any]) -> set[str]:
    """`scope` is text with blanks between (RFC 9068); `scp` is that or a list, depending on who issues it."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if type(value) is str:
            found.update(value.split(" "))
        elif type(value) is list:
            found.update(each for each in value if type(each) is str)
    return found
