"""URLs of journals. Pure.

A password must never be part of an error, a log line or a repr: `shown` is what people see.
"""

import re
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.parse import quote as percent_quote

from msgspec import Struct

from callgate.errors import JournalError
from callgate.text import quote

HELP = (
    "write `sqlite:/absolute/path.db`, `sqlite:relative/path.db` or "
    "`postgresql://user@host:5432/database?sslmode=verify-full`"
)
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}\Z")


class SqliteAddress(Struct, frozen=True):
    """A file. `sync` None: as the operator's setting says."""

    path: str
    sync: Literal["full", "normal"] | None = None


class PostgresAddress(Struct, frozen=True):
    """`url` is libpq's, with its secrets; it does not print itself."""

    url: str
    shown: str
    options: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PostgresAddress({self.shown})"

    __str__ = __repr__


def read_url(url: str) -> SqliteAddress | PostgresAddress:
    """What `url` says. JournalError JRN001 if it cannot be understood."""
    scheme, colon, _ = url.partition(":")
    if colon and scheme in ("postgresql", "postgres"):
        return _postgres(url)
    if colon and scheme == "sqlite":
        return _sqlite(url)
    # What is no known URL may hold a password all the same.
    shown = quote(url) if "@" not in url and "=" not in url else quote(f"{scheme[:16]}:…")
    raise _unclear(f"journal {shown} is not understood")


def _sqlite(url: str) -> SqliteAddress:
    path, question, query = url.removeprefix("sqlite:").partition("?")
    if path.startswith("//"):
        path = path[2:]
        if not path.startswith("/"):
            raise JournalError(
                "JRN001",
                f"journal {quote(url)} names a host",
                "write `sqlite:///absolute/path.db` for an absolute path, `sqlite:relative/path.db` for a relative one",
            )
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise JournalError("JRN001", f"journal {quote(url)} has a broken `%` escape", "write `%25` for `%`")
    try:
        path = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise _unclear(f"the path of journal {quote(url)} is not UTF-8") from None
    if not path or path.endswith("/") or "\0" in path:
        raise _unclear(f"journal {quote(url)} names no file")
    if not question or query == "sync=full":
        return SqliteAddress(path, "full" if question else None)
    if query == "sync=normal":
        return SqliteAddress(path, "normal")
    raise JournalError(
        "JRN001", f"option {quote(query)} of the journal is unknown", "use `sync=full` or `sync=normal`"
    )


def _postgres(url: str) -> PostgresAddress:
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _unclear("the URL of a journal in PostgreSQL is not understood") from None
    _, at, place = parts.netloc.rpartition("@")
    # A password with `/`, `?`, `#` or `@` in it that was not escaped ends up elsewhere: none of it may be shown.
    socket = _socket_directory(parts.query)
    if parts.fragment or url.count("@") != bool(at) + socket.count("@"):
        raise _unclear(
            "the URL of a journal in PostgreSQL is not understood: "
            "write `%40` for `@`, `%2F` for `/`, `%3F` for `?`, `%23` for `#` in a password"
        )
    shown = f"postgresql://{place}{parts.path}"
    if socket:
        shown += f"?host={percent_quote(unquote(socket), safe='/')}"
    options = [name for name, _ in given]
    if len(set(options)) < len(options):
        raise _unclear(f"an option of journal {quote(shown)} is there twice")
    for name in options:
        if not _NAME.match(name):
            raise _unclear(f"an option of journal {quote(shown)} has an odd name")
    if parts.path.count("/") > 1:
        raise _unclear(f"journal {quote(shown)} names more than a database")
    return PostgresAddress(url, shown, tuple(options))


def _socket_directory(query: str) -> str:
    """The parameter `host` as it is written, if it is the absolute path of the directory of a server's socket."""
    for option in query.split("&"):
        name, _, value = option.partition("=")
        if name == "host" and unquote(value).startswith("/"):
            return value
    return ""


def _unclear(message: str) -> JournalError:
    return JournalError("JRN001", message, HELP)
