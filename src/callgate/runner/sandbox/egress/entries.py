"""What the operator allows: entries, and the decision about a host and its addresses. No I/O of its own.

    api.example.com:443             this name, at this port, if it resolves to a public address
    *.example.com:443               any name below it, not the name itself
    private:git.corp.example:443    this name, also if it resolves to a private network (RFC 1918, RFC 4193, RFC 6598)
    10.1.2.3:8080, [fd00::1]:80     this very address, wherever it leads

Names are compared, never patterns of addresses. A name that resolves to this machine, to loopback or to link-local is
refused even with `private:`; such an address must be written as an address.
"""

import contextlib
from collections.abc import Sequence

from msgspec import Struct

from callgate.errors import SandboxError
from callgate.runner.sandbox.egress.addresses import place_of
from callgate.runner.sandbox.egress.hosts import Address, NoHost, Target, read_target
from callgate.text import quote

_PRIVATE = "private:"


class Entry(Struct, frozen=True):
    """`below`: names under the target's host are meant, and not itself."""

    target: Target
    below: bool = False
    private: bool = False

    def names(self, asked: Target) -> bool:
        """Whether the entry is for what was asked."""
        if asked.port != self.target.port or (asked.address is None) != (self.target.address is None):
            return False
        if self.target.address is not None:
            return asked.address == self.target.address
        return asked.host.endswith(f".{self.target.host}") if self.below else asked.host == self.target.host


def read_entry(text: str) -> Entry:
    """Return the entry that `text` is. Raises NoHost, which says what is wrong with it."""
    rest = text.removeprefix(_PRIVATE)
    private = rest != text
    below = rest.startswith("*.")
    rest = rest.removeprefix("*.")
    if not rest.isascii():
        with contextlib.suppress(UnicodeError):
            rest = rest.encode("idna").decode()
    target = read_target(rest)
    if target.address is not None and (below or private):
        raise NoHost("an address is allowed as it stands, without `*.` and `private:`")
    return Entry(target, below, private)


def read_entries(texts: Sequence[str]) -> tuple[Entry, ...]:
    """Return all entries. Raises SandboxError (SBX060) for the first that is none."""
    entries: list[Entry] = []
    for text in texts:
        try:
            entries.append(read_entry(text))
        except NoHost as error:
            raise SandboxError(
                "SBX060",
                f"{quote(text)} is no host that could be allowed: {error}",
                "write `HOST:PORT`, `*.HOST:PORT`, `private:HOST:PORT` or `ADDRESS:PORT`",
            ) from None
    return tuple(entries)


def find(entries: Sequence[Entry], asked: Target) -> Entry | None:
    """Return the entry that allows `asked`; of several the one that is marked `private:`."""
    found = [entry for entry in entries if entry.names(asked)]
    return max(found, key=lambda entry: entry.private, default=None)


def reachable(entry: Entry, addresses: Sequence[Address]) -> list[Address]:
    """Return those of the addresses that the entry lets a name lead to."""
    places = ("public", "private") if entry.private else ("public",)
    return [address for address in addresses if place_of(address) in places]
