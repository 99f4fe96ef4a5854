"""URLs of Redis and Valkey stores. Pure but for reading a password from a file or the environment.

The password must never be part of an error, a log line or a repr: `shown` is what people see.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct

from callgate.errors import StateError

SCHEMES = (
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "unix",
    "redis+unix",
    "redis+sentinel",
    "rediss+sentinel",
)
HELP = (
    "write `redis://host:6379/0`, `rediss://host/0` for TLS, `unix:///path.sock?db=0`, or "
    "`redis+sentinel://host1,host2/master/0`; keep the password out with `?password_file=/path`"
)
_PORTS = {"redis": 6379, "sentinel": 26379}
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}\Z")


class Password(Struct, frozen=True):
    """A secret that does not print itself."""

    text: str

    def __repr__(self) -> str:
        return "Password(…)"

    __str__ = __repr__


class RedisAddress(Struct, frozen=True, kw_only=True):
    """Where a store is and how to reach it. `hosts` are the sentinels if `master` is named.

    `timeout` and `connect_timeout` are in seconds. `replicas` is how many must have a charge before it counts
    as made. `goes_on` says that after a loss of counters the gates begin at zero instead of waiting it out.
    """

    shown: str
    hosts: tuple[tuple[str, int], ...] = ()
    socket: str | None = None
    master: str | None = None
    tls: bool = False
    ca_certs: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    username: str | None = None
    password: Password | None = None
    db: int = 0
    prefix: str = "callgate"
    timeout: float = 0.25
    connect_timeout: float = 0.25
    replicas: int = 0
    goes_on: bool = False


def read_url(url: str, environ: Mapping[str, str] | None = None) -> RedisAddress:
    """What `url` says. StateError STA001 if it cannot be understood, STA020 if a file it names cannot be read."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        options = dict(pairs)
        if len(options) < len(pairs):
            raise ValueError("an option is there twice")
    except ValueError:
        raise _unclear("a state store's URL is not understood") from None
    _, at, place = parts.netloc.rpartition("@")
    # A password with `/`, `?` or `#` in it that was not escaped ends up elsewhere: none of it may be shown.
    if parts.scheme not in SCHEMES or parts.fragment or url.count("@") != bool(at):
        raise _unclear(
            "a state store's URL is not understood: write `%40` for `@`, `%2F` for `/` in a password"
        )
    login = parts.netloc[: -len(place) - 1] if at else ""
    username, _, password = login.partition(":")
    shown = f"{parts.scheme}://{place}{parts.path}"
    secret = _password(options, unquote(password), shown, os.environ if environ is None else environ)
    hosts, path, master, db = _place(parts, place, options, shown)
    found = RedisAddress(
        shown=shown,
        hosts=hosts,
        socket=path,
        master=master,
        tls=parts.scheme in ("rediss", "valkeys", "rediss+sentinel"),
        ca_certs=options.pop("ssl_ca_certs", None),
        client_cert=options.pop("ssl_certfile", None),
        client_key=options.pop("ssl_keyfile", None),
        username=unquote(username) or None,
        password=secret,
        db=_whole(db, "db", shown, 0, 1_000_000),
        prefix=options.pop("prefix", "callgate"),
        timeout=_seconds(options, "timeout", shown),
        connect_timeout=_seconds(options, "connect_timeout", shown),
        replicas=_whole(options.pop("replicas", "0"), "replicas", shown, 0, 16),
        goes_on=_choice(options, "after_loss", ("deny", "continue"), shown) == "continue",
    )
    for name in options:
        raise _unclear(f"option `{name if _NAME.match(name) else '…'}` of state store `{shown}` is unknown")
    if not _PREFIX.match(found.prefix):
        raise _unclear(
            f"the prefix of state store `{shown}` has other characters than letters, digits and `_.:-`"
        )
    if not found.tls and (found.ca_certs or found.client_cert or found.client_key):
        raise _unclear(f"state store `{shown}` has options for TLS but does not use it: write `rediss://`")
    return found


def _place(
    parts: SplitResult, place: str, options: dict[str, str], shown: str
) -> tuple[tuple[tuple[str, int], ...], str | None, str | None, str]:
    """Hosts, socket, master and database."""
    if parts.scheme.endswith("unix"):
        path = unquote(parts.path)
        if place or not path.startswith("/") or path.endswith("/") or "\0" in path:
            raise _unclear(f"state store `{shown}` names no absolute path of a socket")
        return (), path, None, options.pop("db", "0")
    sentinel = parts.scheme.endswith("sentinel")
    hosts = tuple(_host(one, _PORTS["sentinel" if sentinel else "redis"], shown) for one in place.split(","))
    segments = [unquote(segment) for segment in parts.path.split("/")[1:] if segment]
    master = None
    if sentinel:
        if not segments:
            raise _unclear(f"state store `{shown}` does not name the master that its sentinels watch")
        master = segments.pop(0)
    elif len(hosts) > 1:
        raise _unclear(f"state store `{shown}` names several hosts: only sentinels may be several")
    if len(segments) > 1 or (segments and "db" in options):
        raise _unclear(f"state store `{shown}` names more than a database")
    return hosts, None, master, segments[0] if segments else options.pop("db", "0")


def _host(text: str, port: int, shown: str) -> tuple[str, int]:
    try:
        found = urlsplit(f"//{text}")
        host, port = found.hostname or "", port if found.port is None else found.port
    except ValueError:
        host = ""
    if not host or not port:
        raise _unclear(f"state store `{shown}` names no host, or no port from 1 to 65535")
    return host, port


def _password(
    options: dict[str, str], inline: str, shown: str, environ: Mapping[str, str]
) -> Password | None:
    """The password, from wherever the URL says; one place only."""
    path, variable = options.pop("password_file", None), options.pop("password_env", None)
    if sum(place is not None for place in (path, variable)) + bool(inline) > 1:
        raise _unclear(f"state store `{shown}` has its password in two places")
    if variable is not None:
        if variable not in environ:
            raise _unclear(f"the environment has no `{variable}`, which state store `{shown}` wants")
        inline = environ[variable]
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                inline = file.read(65536).rstrip("\r\n")
        except (OSError, ValueError):
            raise StateError(
                "STA020",
                f"cannot read the password of state store `{shown}` from `{path}`",
                "give this user the right to read the file",
            ) from None
    if not inline and (path is not None or variable is not None):
        raise _unclear(f"the password of state store `{shown}` is empty")
    return Password(inline) if inline else None


def _seconds(options: dict[str, str], name: str, shown: str) -> float:
    text = options.pop(name, None)
    if text is None:
        return 0.25
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 60:
        raise _unclear(f"`{name}` of state store `{shown}` is not a number of seconds from 0.01 to 60")
    return value


def _whole(text: str, name: str, shown: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise _unclear(f"`{name}` of state store `{shown}` is not a number from {least} to {most}")
    return int(text)


def _choice(options: dict[str, str], name: str, choices: tuple[str, ...], shown: str) -> str:
    text = options.pop(name, choices[0])
    if text not in choices:
        raise _unclear(f"`{name}` of state store `{shown}` is none of {', '.join(choices)}")
    return text


def _unclear(message: str) -> StateError:
    return StateError("STA001", message, HELP)
