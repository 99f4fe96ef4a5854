"""Which failure of PostgreSQL is which code, and which may pass by itself. Pure.

libpq's messages name hosts, users and databases, never passwords; they are escaped all the same, being a server's text.
"""

import psycopg

from callgate.errors import JournalError
from callgate.text import escape

_RETRY = "the next execution tries again by itself"
_GONE = frozenset({"57P01", "57P02", "57P03", "57P05", "53300", "25P03", "25P04"})
_UNDONE = frozenset({"40001", "40P01"})


def is_passing(error: psycopg.Error) -> bool:
    """Whether trying again on another connection could help: the server restarts, or two transactions collided."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _GONE or state in _UNDONE or state.startswith("08")


def is_undone(error: psycopg.Error) -> bool:
    """Whether the server itself says that the transaction was not written."""
    return error.sqlstate is not None and error.sqlstate not in _GONE and not error.sqlstate.startswith("08")


def failure(error: psycopg.Error, shown: str, *, in_doubt: bool = False) -> JournalError:
    """`in_doubt`: the connection broke while the transaction was being written."""
    journal = f"journal `{shown}`"
    said = _words(error)
    state = error.sqlstate or ""
    if in_doubt:
        return JournalError(
            "JRN015", f"{journal} broke off while writing; it is not known whether it did: {said}", _RETRY
        )
    if state in ("57014", "55P03"):
        return JournalError("JRN009", f"{journal} is locked, or too slow: {said}", _RETRY)
    if state in ("53100", "53400"):
        return JournalError("JRN008", f"{journal} is full: {said}", f"free space on its disk; {_RETRY}")
    if state == "25006":
        return JournalError("JRN010", f"{journal} is read-only", "name the primary server")
    if state.startswith("28") or state in ("3D000", "42501", "3F000"):
        return JournalError(
            "JRN016",
            f"{journal} does not let this user in: {said}",
            "check user, password, database and grants",
        )
    if state.startswith("XX") or state in ("42P01", "42703"):
        return JournalError("JRN007", f"{journal} is damaged: {said}", "restore the database from a copy")
    if is_passing(error):
        return JournalError(
            "JRN015",
            f"cannot reach {journal}: {said}",
            f"check that the server runs and is reachable; {_RETRY}",
        )
    return JournalError("JRN014", f"{journal} failed: {said}", _RETRY)


def unreachable(shown: str) -> JournalError:
    return JournalError(
        "JRN015",
        f"journal `{shown}` does not answer in time",
        f"check that the server runs and is reachable; {_RETRY}",
    )


def _words(error: psycopg.Error) -> str:
    """The server's one line, or the first of libpq's."""
    said = error.diag.message_primary or next(iter(str(error).splitlines()), "") or type(error).__name__
    return escape(said[:1].lower() + said[1:300])
