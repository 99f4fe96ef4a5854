"""Inner calls: begun, then answered, each once. Transactions without I/O.

What has an answer is never changed again: it stands for a side effect that happened. A time that is 0 is now.
"""

# Statements are put together of this package's own words; every value is a `?`.
# ruff: noqa: S608

from callgate.errors import JournalError
from callgate.runner.execution import InnerCall
from callgate.runner.journal import rows
from callgate.runner.journal.attempts import hold
from callgate.runner.journal.contract import Fence
from callgate.runner.journal.driver import Steps
from callgate.runner.journal.executions import unreadable


def started(fence: Fence, call: InnerCall) -> Steps[None]:
    """Begin a call, or begin one again that an earlier attempt left without an answer. Raises Lost."""
    id = yield from hold(fence)
    known = yield (
        "UPDATE inner_call SET attempt = ?, function = ?, arguments_sha256 = ?, repeatable = ?, "
        "started_ms = coalesce(nullif(?, 0), now_ms()) "
        "WHERE execution = ? AND seq = ? AND state = 'started' RETURNING seq",
        (
            call.attempt,
            call.function.encode(),
            call.arguments_sha256,
            int(call.repeatable),
            call.started_ms,
            id,
            call.seq,
        ),
    )
    if not known:
        yield from _insert(id, fence, call)


def ended(fence: Fence, call: InnerCall) -> Steps[None]:
    """Keep an answer or a denial. Raises Lost."""
    id = yield from hold(fence)
    known = yield (
        "UPDATE inner_call SET attempt = ?, state = ?, ended_ms = coalesce(nullif(?, 0), now_ms()), answer = ?, "
        "decision_id = ? WHERE execution = ? AND seq = ? AND state = 'started' RETURNING seq",
        (call.attempt, call.state, call.ended_ms, call.answer, call.decision_id, id, call.seq),
    )
    if not known:
        yield from _insert(id, fence, call)
    elif call.state == "denied":
        yield "UPDATE execution SET denied_calls = denied_calls + 1 WHERE id = ?", (id,)


def of(uuid: str) -> Steps[list[InnerCall]]:
    found = yield (
        f"{rows.CALL} WHERE execution = (SELECT id FROM execution WHERE uuid = ?) ORDER BY seq",
        (uuid,),
    )
    try:
        return [rows.inner_call(row) for row in found]
    except rows.Unreadable as error:
        raise unreadable(uuid, error) from None


def _insert(id: int, fence: Fence, call: InnerCall) -> Steps[None]:
    made = yield (
        "INSERT INTO inner_call (execution, seq, attempt, function, arguments_sha256, state, repeatable, "
        "started_ms, ended_ms, answer, decision_id) VALUES (?, ?, ?, ?, ?, ?, ?, "
        "coalesce(nullif(?, 0), now_ms()), CASE WHEN ? = 0 THEN now_ms() ELSE ? END, ?, ?) "
        "ON CONFLICT (execution, seq) DO NOTHING RETURNING seq",
        (
            id,
            call.seq,
            call.attempt,
            call.function.encode(),
            call.arguments_sha256,
            call.state,
            int(call.repeatable),
            call.started_ms,
            call.ended_ms,
            call.ended_ms,
            call.answer,
            call.decision_id,
        ),
    )
    if made:
        yield (
            "UPDATE execution SET calls = calls + 1, denied_calls = denied_calls + ? WHERE id = ?",
            (int(call.state == "denied"), id),
        )
        return
    [row] = yield f"{rows.CALL} WHERE execution = ? AND seq = ?", (id, call.seq)
    if not _same_end(rows.inner_call(row), call):
        raise JournalError(
            "JRN021",
            f"inner call {call.seq} of execution `{fence.uuid}` already has an end",
            "this is a fault of the runner: please report it",
        )


def _same_end(kept: InnerCall, call: InnerCall) -> bool:
    """Whether `call` was written before, by a try whose outcome was not known."""
    return (kept.attempt, kept.state, kept.ended_ms, kept.answer, kept.decision_id) == (
        call.attempt,
        call.state,
        call.ended_ms or kept.ended_ms,
        call.answer,
        call.decision_id,
    )
