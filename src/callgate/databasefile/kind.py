"""What tells one kind of database file from others: its tables, and the words and codes of its failures."""

import sqlite3

from msgspec import Struct

from callgate.errors import CallgateError

# SQLite's primary result codes.
BUSY, LOCKED = 5, 6
_PERM, _READONLY, _CORRUPT, _FULL, _CANTOPEN, _PROTOCOL, _NOTADB = 3, 8, 11, 13, 14, 15, 26


class Codes(Struct, frozen=True, kw_only=True):
    """The stable code of each failure. `no_wal`: the file system cannot hold a write-ahead log."""

    cannot_open: str
    unsafe: str
    foreign: str
    newer: str
    damaged: str
    full: str
    locked: str
    read_only: str
    gone: str
    failed: str
    no_wal: str


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of database file.

    `name` is what a person calls such a file, `short` the same in a sentence about it; `retry` and `begin_again` end
    a help. `layout` is a pragma for a new file. `private`: others may not even read it. `shrinks`: it may become
    smaller while in use. `harmless` are the codes that work in a transaction may raise as an answer, after which the
    connection is as good as before.
    """

    error: type[CallgateError]
    codes: Codes
    name: str
    short: str
    retry: str
    begin_again: str
    application_id: int
    version: int
    tables: tuple[str, ...]
    layout: str
    private: bool
    shrinks: bool
    harmless: tuple[str, ...] = ()

    def cannot_open(self, path: str, error: OSError) -> CallgateError:
        return self.error(
            self.codes.cannot_open,
            f"cannot open {self.name} `{path}`: {(error.strerror or 'unknown error').lower()}",
            "create its directory, or give this user the right to it",
        )

    def unsafe(self, path: str, what: str) -> CallgateError:
        return self.error(
            self.codes.unsafe,
            f"{self.name} `{path}` {what}",
            "name a regular file of your own, with mode 0600",
        )

    def unsafe_directory(self, path: str) -> CallgateError:
        return self.error(
            self.codes.unsafe,
            f"the directory of {self.name} `{path}` belongs to or can be changed by other users",
            f"keep the {self.short} in a directory of your own, with mode 0700",
        )

    def foreign(self, path: str) -> CallgateError:
        return self.error(
            self.codes.foreign,
            f"`{path}` is a database of another program",
            f"give the {self.short} a path of its own",
        )

    def emptied(self, path: str) -> CallgateError:
        return self.error(
            self.codes.foreign, f"{self.name} `{path}` has been emptied", "put the file back from a copy"
        )

    def newer(self, path: str, version: int) -> CallgateError:
        return self.error(
            self.codes.newer,
            f"{self.name} `{path}` has format {version}, this callgate knows format {self.version}",
            "run the newer callgate, or give this one a file of its own",
        )

    def damaged(self, path: str, what: str) -> CallgateError:
        return self.error(
            self.codes.damaged, f"{self.name} `{path}` is damaged: {what}", "restore the file from a copy"
        )

    def gone(self, path: str, what: str) -> CallgateError:
        return self.error(
            self.codes.gone, f"{self.name} `{path}` {what}", f"put it back, or restart to {self.begin_again}"
        )

    def no_wal(self, path: str) -> CallgateError:
        return self.error(
            self.codes.no_wal,
            f"the file system of `{path}` cannot hold a write-ahead log",
            f"put the {self.name} on a local file system",
        )

    def failure(self, path: str, error: sqlite3.Error) -> CallgateError:
        """What SQLite said, as an error of this kind."""
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        codes, file = self.codes, f"{self.name} `{path}`"
        if primary in (BUSY, LOCKED, _PROTOCOL):
            return self.error(codes.locked, f"{file} is locked by another process", self.retry)
        if primary == _FULL:
            return self.error(codes.full, f"{file} is full", f"free space on its disk; {self.retry}")
        if primary == _READONLY:
            return self.error(codes.read_only, f"{file} is read-only", f"make it writable; {self.retry}")
        if primary in (_PERM, _CANTOPEN):
            return self.error(codes.cannot_open, f"cannot open {file}", "give this user the right to it")
        if primary == _NOTADB:
            return self.error(codes.foreign, f"`{path}` is not a SQLite database", "check the path")
        if primary == _CORRUPT or code is None:
            return self.damaged(path, str(error).lower())
        return self.error(codes.failed, f"{file} failed: {str(error).lower()}", self.retry)
