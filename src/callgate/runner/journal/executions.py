"""Executions as those who asked for them see them: accept, look, list, cancel. Transactions without I/O."""

# Statements are put together of this package's own words; every value is a `?`.
# ruff: noqa: S608

import base64
import binascii

from callgate.config.runner_model import RetentionConfig
from callgate.errors import JournalError, JournalFull
from callgate.runner.execution import Execution, Owner
from callgate.runner.journal import rows
from callgate.runner.journal.contract import Page
from callgate.runner.journal.driver import Row, Steps
from callgate.runner.journal.retention import settle
from callgate.runner.journal.states import CANCELLABLE_SQL

_LARGEST_PAGE = 200
_SHARE = 8


def submit(execution: Execution, head: bytes, given: bytes, bounds: RetentionConfig) -> Steps[None]:
    """Accept an execution, unless too many wait.

    No owner may have more waiting than eight times the places that are still free. So a single one can take almost
    all of them, but never the last ones: whoever has none waiting is refused last.
    """
    owner = rows.owner_digest(execution.owner)
    [(queued, own)] = yield (
        "SELECT (SELECT count(*) FROM execution WHERE state = 'queued'), "
        "(SELECT count(*) FROM execution WHERE state = 'queued' AND owner = ?)",
        (owner,),
    )
    if queued >= bounds.max_queued:
        raise JournalFull(
            "JRN017",
            f"{queued} executions wait, which is as many as the operator allows",
            "wait until some have run, or raise `retention.max_queued`",
        )
    if own >= _SHARE * (bounds.max_queued - queued):
        raise JournalFull(
            "JRN018",
            f"{own} executions of this caller wait; the places left are kept for others",
            "wait until some have run, or raise `retention.max_queued`",
        )
    made = yield (
        "INSERT INTO execution (uuid, owner, session, state, attempt, version, created_ms, cancel_requested, "
        "output_bytes, calls, denied_calls, size) VALUES (?, ?, ?, 'queued', 0, 0, "
        "coalesce(nullif(?, 0), now_ms()), 0, 0, 0, 0, 0) ON CONFLICT (uuid) DO NOTHING RETURNING id",
        (execution.uuid, owner, rows.session_digest(execution.spec.session_id), execution.created_ms),
    )
    if not made:
        return
    yield (
        "INSERT INTO document (execution, kind, data) VALUES (?, 'head', ?), (?, 'input', ?)",
        (made[0][0], head, made[0][0], given),
    )


def get(uuid: str, owner: Owner | None) -> Steps[Execution | None]:
    if owner is None:
        found = yield f"{rows.WHOLE} WHERE e.uuid = ?", (uuid,)
    else:
        found = yield f"{rows.WHOLE} WHERE e.uuid = ? AND e.owner = ?", (uuid, rows.owner_digest(owner))
    return _readable(found[0]) if found else None


def page(owner: Owner, *, limit: int, cursor: str | None, session_id: str | None) -> Steps[Page]:
    limit = max(1, min(limit, _LARGEST_PAGE))
    where, values = "e.owner = ?", [rows.owner_digest(owner)]
    session = rows.session_digest(session_id)
    if session is not None:
        where += " AND e.session = ?"
        values.append(session)
    place: tuple[int | str, ...] = ()
    if cursor is not None:
        where += " AND (e.created_ms, e.uuid) < (?, ?)"
        place = _read_cursor(cursor)
    found = yield (
        f"{rows.BRIEF} WHERE {where} ORDER BY e.created_ms DESC, e.uuid DESC LIMIT ?",
        (*values, *place, limit + 1),
    )
    executions = tuple(_listed(row, owner) for row in found[:limit])
    more = len(found) > limit
    return Page(executions, _cursor(executions[-1]) if more else None)


def request_cancel(uuid: str, owner: Owner) -> Steps[Execution | None]:
    changed = yield (
        "UPDATE execution SET version = version + 1, cancel_requested = 1, "
        "state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE 'cancelling' END, "
        "cause = CASE WHEN state = 'queued' THEN 'cancelled' END, "
        "ended_ms = CASE WHEN state = 'queued' THEN now_ms() END "
        f"WHERE uuid = ? AND owner = ? AND state IN {CANCELLABLE_SQL} RETURNING id, state",
        (uuid, rows.owner_digest(owner)),
    )
    if changed and changed[0][1] == "cancelled":
        yield from settle(changed[0][0])
    return (yield from get(uuid, owner))


def due(limit: int) -> Steps[list[tuple[str, int]]]:
    found = yield (
        "SELECT uuid, attempt FROM execution WHERE ended_ms IS NULL "
        "AND (state = 'queued' OR lease_until_ms <= now_ms()) ORDER BY created_ms, id LIMIT ?",
        (limit,),
    )
    return [(uuid, attempt) for uuid, attempt in found]


def now_ms() -> Steps[int]:
    [(now,)] = yield "SELECT now_ms()", ()
    return int(now)


def unreadable(uuid: str, error: rows.Unreadable) -> JournalError:
    return JournalError(
        "JRN012",
        f"the record of execution `{uuid}` cannot be read: {error}",
        "restore the journal from a copy; other executions are not affected",
    )


def _readable(row: Row) -> Execution:
    try:
        return rows.execution(row)
    except rows.Unreadable as error:
        raise unreadable(str(row[0]), error) from None


def _listed(row: Row, owner: Owner) -> Execution:
    try:
        return rows.execution(row)
    except rows.Unreadable:
        return rows.stand_in(row, owner)


def _cursor(last: Execution) -> str:
    return base64.urlsafe_b64encode(f"{last.created_ms}.{last.uuid}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    """Agents send anything. Raises JournalError JRN019."""
    try:
        if len(cursor) > 200:
            raise ValueError
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
        created, _, uuid = text.partition(".")
        if not (created.isdigit() and len(created) <= 18 and rows.is_id(uuid)):
            raise ValueError
        return int(created), uuid
    except (ValueError, binascii.Error):
        raise JournalError(
            "JRN019", "the cursor is none that a list of executions gave", "list again from the beginning"
        ) from None
