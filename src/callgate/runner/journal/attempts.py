"""Attempts as workers see them: take up, hold, report, end, give back. Transactions without I/O.

Every write of a worker begins with `hold`, which locks the row and proves the fence.
"""

# Statements are put together of this package's own words; every value is a `?`.
# ruff: noqa: S608

from collections.abc import Sequence
from typing import Any, Literal

from callgate.runner.execution import NEXT, Ending, State
from callgate.runner.journal import rows
from callgate.runner.journal.contract import Claim, Fence, Lost
from callgate.runner.journal.driver import Steps
from callgate.runner.journal.retention import settle
from callgate.runner.journal.states import LIVE_SQL, REQUEUED_SQL, before, sql_list
from callgate.runner.journal.variables import remember, snapshot


def hold(fence: Fence, changes: str = "", values: tuple[Any, ...] = ()) -> Steps[int]:
    """Make `changes` to the execution if `fence` is its current attempt; returns its id. Raises Lost."""
    changed = yield (
        f"UPDATE execution SET version = version + 1{', ' if changes else ''}{changes} "
        f"WHERE uuid = ? AND attempt = ? AND state IN {LIVE_SQL} RETURNING id",
        (*values, fence.uuid, fence.attempt),
    )
    if not changed:
        raise Lost(fence)
    return int(changed[0][0])


def claim(uuid: str, worker: str, lease_ms: int) -> Steps[Claim | None]:
    taken = yield (
        "UPDATE execution SET version = version + 1, state = 'preparing', attempt = attempt + 1, worker = ?, "
        "lease_until_ms = now_ms() + ?, started_ms = coalesce(started_ms, now_ms()), progress = NULL, "
        "progress_text = NULL, backend = NULL, tier = NULL, output_bytes = 0 WHERE uuid = ? AND "
        f"(state = 'queued' OR (state IN {REQUEUED_SQL} AND lease_until_ms <= now_ms())) "
        "RETURNING id, attempt, owner, session",
        (worker, lease_ms, uuid),
    )
    if not taken:
        yield from _end_abandoned(uuid)
        return None
    [(id, attempt, owner, session)] = taken
    yield "DELETE FROM output WHERE execution = ?", (id,)
    try:
        variables = yield from snapshot(id, owner, session)
        [row] = yield f"{rows.WHOLE} WHERE e.id = ?", (id,)
        execution = rows.execution(row)
        found = yield f"{rows.CALL} WHERE execution = ? ORDER BY seq", (id,)
        calls = tuple(rows.inner_call(one) for one in found)
    except rows.Unreadable:
        # Nobody could ever run it: it must not come back with every look for due executions.
        yield from _end(id, "state = 'failed', cause = 'crashed'")
        return None
    return Claim(fence=Fence(uuid, attempt), execution=execution, calls=calls, session_vars=variables)


def renew(fences: Sequence[Fence], lease_ms: int) -> Steps[list[tuple[Fence, Literal["lost", "cancel"]]]]:
    told: list[tuple[Fence, Literal["lost", "cancel"]]] = []
    # In one order for all workers, so that none waits for another in a circle.
    for fence in sorted(fences, key=lambda fence: (fence.uuid, fence.attempt)):
        held = yield (
            "UPDATE execution SET lease_until_ms = now_ms() + ? "
            f"WHERE uuid = ? AND attempt = ? AND state IN {LIVE_SQL} RETURNING cancel_requested",
            (lease_ms, fence.uuid, fence.attempt),
        )
        if not held:
            told.append((fence, "lost"))
        elif held[0][0]:
            told.append((fence, "cancel"))
    return told


def running(fence: Fence, backend: str, tier: str) -> Steps[None]:
    """One that is to be cancelled stays `cancelling`."""
    yield from hold(
        fence,
        "state = CASE WHEN state = 'preparing' THEN 'running' ELSE state END, backend = ?, tier = ?",
        (backend, tier),
    )


def progress(fence: Fence, fraction: float | None, text: str | None) -> Steps[None]:
    yield from hold(fence, "progress = ?, progress_text = ?", (fraction, rows.text_bytes(text)))


def finish(
    fence: Fence, ending: Ending, end: bytes, results: bytes | None, variables: dict[str, bytes]
) -> Steps[None]:
    """Raises Lost; ValueError if the state that it is in may not become `ending.state`."""
    ended = yield (
        "UPDATE execution SET version = version + 1, state = ?, cause = ?, ended_ms = now_ms(), "
        "lease_until_ms = NULL WHERE uuid = ? AND attempt = ? "
        f"AND state IN {LIVE_SQL} AND state IN {sql_list(before(ending.state))} RETURNING id, owner, session",
        (ending.state, ending.cause, fence.uuid, fence.attempt),
    )
    if not ended:
        yield from _explain(fence, ending.state)
    [(id, owner, session)] = ended
    yield "DELETE FROM document WHERE execution = ? AND kind IN ('end', 'results')", (id,)
    yield "INSERT INTO document (execution, kind, data) VALUES (?, 'end', ?)", (id, end)
    if results is not None:
        yield "INSERT INTO document (execution, kind, data) VALUES (?, 'results', ?)", (id, results)
    if session is not None:
        yield from remember(owner, session, variables)
    yield from settle(id)


def release(fence: Fence) -> Steps[None]:
    """One that is to be cancelled is `cancelled`: nobody need take it up for that."""
    given = yield (
        "UPDATE execution SET version = version + 1, worker = NULL, lease_until_ms = NULL, "
        "cause = CASE WHEN state = 'cancelling' THEN 'cancelled' END, "
        "ended_ms = CASE WHEN state = 'cancelling' THEN now_ms() END, "
        "state = CASE WHEN state = 'cancelling' THEN 'cancelled' ELSE 'queued' END "
        f"WHERE uuid = ? AND attempt = ? AND state IN {LIVE_SQL} RETURNING id, state",
        (fence.uuid, fence.attempt),
    )
    if not given:
        raise Lost(fence)
    if given[0][1] == "cancelled":
        yield from settle(given[0][0])


def _end_abandoned(uuid: str) -> Steps[None]:
    """An execution that was to be cancelled, and whose worker is gone, has no more to wait for."""
    ended = yield (
        "UPDATE execution SET version = version + 1, state = 'cancelled', cause = 'cancelled', "
        "ended_ms = now_ms(), lease_until_ms = NULL "
        "WHERE uuid = ? AND state = 'cancelling' AND lease_until_ms <= now_ms() RETURNING id",
        (uuid,),
    )
    if ended:
        yield from settle(ended[0][0])


def _end(id: int, changes: str) -> Steps[None]:
    yield f"UPDATE execution SET {changes}, ended_ms = now_ms(), lease_until_ms = NULL WHERE id = ?", (id,)
    yield from settle(id)


def _explain(fence: Fence, wanted: State) -> Steps[None]:
    """Why an attempt could not end as wanted."""
    found = yield (
        f"SELECT state FROM execution WHERE uuid = ? AND attempt = ? AND state IN {LIVE_SQL}",
        (fence.uuid, fence.attempt),
    )
    if found and wanted not in NEXT.get(found[0][0], frozenset()):
        raise ValueError(f"an execution that is {found[0][0]} cannot become {wanted}")
    raise Lost(fence)
