"""Under which key a counter is kept: the limit's id, whose counter it is, then the values of `per`.

Each part carries its own length or type, so that no value a caller picks can name another counter.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from callgate.decision import Request, Scope
from callgate.digest import lean as sha256
from callgate.policy.model import Path
from callgate.policy.numbers import as_double, canonical, exact
from callgate.policy.paths import compile_path

LONGEST_VALUE = 64
"""Characters of a `per` value that a key holds as they are; longer ones are hashed."""

KeyMaker = Callable[[Request], str | None]


def compile_key(limit_id: str, scope: Scope, per: Sequence[Path]) -> KeyMaker:
    """Return the function that names the counter of a request; it gives None if a `per` value is unusable."""
    whose = _SCOPES[scope]
    if not per:
        return lambda request: f"{limit_id}{whose(request)}"
    getters = [compile_path(path) for path in per]

    def key(request: Request) -> str | None:
        parts = [limit_id, whose(request)]
        for get in getters:
            value = _value_part(get(request))
            if value is None:
                return None
            parts.append(value)
        return "".join(parts)

    return key


def _session(request: Request) -> str:
    return f"/s{len(request.server)}:{request.server}/{len(request.session)}:{request.session}"


def _identity(request: Request) -> str:
    return f"/i{len(request.server)}:{request.server}/{len(request.identity)}:{request.identity}"


def _global(request: Request) -> str:
    return f"/g{len(request.server)}:{request.server}"


def _grant(request: Request) -> str:
    if request.grant is None:
        return _session(request)
    return f"/a{len(request.server)}:{request.server}/{len(request.grant)}:{request.grant}"


_SCOPES: dict[str, Callable[[Request], str]] = {
    "session": _session,
    "identity": _identity,
    "global": _global,
    "grant": _grant,
}


def _value_part(value: Any) -> str | None:
    """Return one text for each value, different for different ones; None for what names no counter."""
    if type(value) is str:
        if len(value) <= LONGEST_VALUE:
            return f"/t{len(value)}:{value}"
        return f"/h{sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    if type(value) is bool:
        return "/yes" if value else "/no"
    number = exact(value)
    if number is None:
        return None
    # Numbers that are one double may be one account to the server: they share the counter.
    number = as_double(number)
    if type(number) is Decimal and number.is_infinite():
        return f"/n{number}"
    try:
        text = canonical(number)
    except ValueError:
        return None
    return f"/n{text}" if len(text) <= LONGEST_VALUE else f"/d{sha256(text.encode()).hexdigest()}"
