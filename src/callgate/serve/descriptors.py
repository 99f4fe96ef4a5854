"""How many files one process may have open, and how many of them may be connections.

Clients need no credential to connect: what they use up must leave room to read changed files and reach the servers.
"""

import resource

from msgspec import structs

from callgate.http1.contract import Limits

PER_CONNECTION = 2
"""Descriptors: the client's, and that of its request at the server."""
REFUSED_AT_ONCE = 256
"""Connections beyond the bound that are open for as long as it takes to tell them so."""
RESERVE = 128
"""Descriptors for the files, the store, the log, the reader of changed files."""


def raise_limit() -> int:
    """Let this process open as many files as it is allowed to allow itself; returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard or hard == resource.RLIM_INFINITY:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            # Some systems refuse what they allow; what there is counts.
            pass
    return soft


def within(limits: Limits, files: int) -> Limits:
    """`limits` with as many connections as go with so many open files; -1 files are without bound."""
    if files == resource.RLIM_INFINITY:
        return limits
    room = max((files - RESERVE - REFUSED_AT_ONCE) // PER_CONNECTION, files // 8, 1)
    return structs.replace(limits, max_connections=min(limits.max_connections, room))
