"""The variables that the runs of one session hand on. Transactions without I/O.

They belong to an owner and a session, and are kept as long as an execution that ended when they were declared last,
whatever becomes of the run that declared them. Every attempt of a run is given what
the first one was given, though other runs may have ended since: a script that is run again must find the same.
"""

from typing import Any

from callgate.runner.journal.driver import Steps
from callgate.runner.journal.retention import SMALL_ROW_BYTES
from callgate.runner.journal.rows import encode, json_object


def snapshot(id: int, owner: bytes, session: bytes | None) -> Steps[dict[str, Any]]:
    """What execution `id` is given. Raises rows.Unreadable."""
    if session is None:
        return {}
    kept = yield "SELECT data FROM document WHERE execution = ? AND kind = 'session'", (id,)
    if kept:
        return json_object(bytes(kept[0][0]))
    found = yield (
        "SELECT name, data FROM variable WHERE owner = ? AND session = ? ORDER BY name",
        (owner, session),
    )
    members = b",".join(encode(bytes(name).decode()) + b":" + bytes(data) for name, data in found)
    whole = b"{" + members + b"}"
    variables = json_object(whole)
    yield "INSERT INTO document (execution, kind, data) VALUES (?, 'session', ?)", (id, whole)
    return variables


def remember(owner: bytes, session: bytes, variables: dict[str, bytes]) -> Steps[None]:
    """Keep what a run of the session declared; each is the JSON of its value."""
    for name, data in sorted(variables.items()):
        key = name.encode()
        yield (
            "INSERT INTO variable (owner, session, name, declared_ms, size, data) VALUES (?, ?, ?, now_ms(), ?, ?) "
            "ON CONFLICT (owner, session, name) DO UPDATE SET declared_ms = excluded.declared_ms, "
            "size = excluded.size, data = excluded.data",
            (owner, session, key, SMALL_ROW_BYTES + len(key) + len(data), data),
        )
