"""How long and how much is kept of executions that ended, and of what sessions hand on. Transactions without I/O.

None touches an execution that has not ended. What is too old goes. Where all together is too much, an owner who holds
more than an equal share makes room, the oldest first: nobody loses anything for what others keep.
"""

# Statements are put together of this package's own words; every value is a `?`.
# ruff: noqa: S608

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from callgate.config.runner_model import RetentionConfig
from callgate.runner.journal.driver import Steps

BATCH = 100
YOUNG_MS = 600_000
"""What is younger stays, however much there is: whoever waits for a result has time to fetch it."""

ROW_BYTES = 512
SMALL_ROW_BYTES = 128
_VARIABLES_SHARE = 4

Table = Literal["execution", "variable"]
_ENDED: dict[Table, str] = {"execution": "ended_ms", "variable": "declared_ms"}


class Held(Struct, frozen=True):
    """What one owner holds of a table."""

    owner: bytes
    count: int
    bytes: int


class Surplus(Struct, frozen=True):
    """What is too much: of all together, and of each owner who holds more than an equal share."""

    table: Table
    count: int
    bytes: int
    owners: tuple[Held, ...]


def settle(id: int) -> Steps[None]:
    """An execution has just ended: drop what only another attempt would need, and note how much is left."""
    yield "UPDATE inner_call SET answer = NULL WHERE execution = ? AND answer IS NOT NULL", (id,)
    yield "DELETE FROM document WHERE execution = ? AND kind = 'session'", (id,)
    yield (
        "UPDATE execution SET size = ? "
        "+ (SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM document WHERE execution = ?) "
        "+ (SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM output WHERE execution = ?) "
        "+ (SELECT CAST(count(*) * ? AS BIGINT) FROM inner_call WHERE execution = ?) "
        "WHERE id = ?",
        (ROW_BYTES, id, id, SMALL_ROW_BYTES, id, id),
    )


def held(table: Table) -> Steps[list[Held]]:
    """What each owner holds of what has ended."""
    found = yield (
        "SELECT owner, count(*), CAST(coalesce(sum(size), 0) AS BIGINT) "
        f"FROM {table} WHERE {_ENDED[table]} IS NOT NULL GROUP BY owner",
        (),
    )
    return [Held(bytes(owner), count, size) for owner, count, size in found]


def surplus(bounds: RetentionConfig, executions: Sequence[Held], variables: Sequence[Held]) -> list[Surplus]:
    """What has to go. Variables may take up a quarter of `max_bytes`, executions what those leave."""
    declared = sum(one.bytes for one in variables)
    most = bounds.max_bytes // _VARIABLES_SHARE
    left = bounds.max_bytes - min(declared, most)
    return [
        _surplus("variable", variables, sum(one.count for one in variables), most),
        _surplus("execution", executions, bounds.max_executions, left),
    ]


def remove_old(table: Table, keep: float) -> Steps[int]:
    """Remove up to BATCH that are older than `keep` seconds; returns how many."""
    ended = _ENDED[table]
    found = yield (
        f"SELECT id FROM {table} WHERE {ended} IS NOT NULL AND {ended} < now_ms() - ? "
        f"ORDER BY {ended}, id LIMIT {BATCH} /* skip locked */",
        (round(keep * 1000),),
    )
    yield from _remove(table, [id for (id,) in found])
    return len(found)


def remove_surplus(over: Surplus) -> Steps[tuple[int, Surplus]]:
    """Remove up to BATCH of `over`; returns how many, and what is still to be removed. Only what has been there for a
    while: an owner whose things are all young keeps them for now."""
    ended = _ENDED[over.table]
    count, size = over.count, over.bytes
    removed: list[int] = []
    rest: list[Held] = []
    for place, own in enumerate(over.owners):
        if len(removed) == BATCH or place == BATCH or (count <= 0 and size <= 0):
            rest.extend(over.owners[place:])
            break
        found = yield (
            f"SELECT id, size FROM {over.table} WHERE owner = ? AND {ended} IS NOT NULL "
            f"AND {ended} <= now_ms() - ? ORDER BY {ended}, id LIMIT ? /* skip locked */",
            (own.owner, YOUNG_MS, BATCH - len(removed)),
        )
        own_count, own_size = own.count, own.bytes
        for id, each in found:
            if not ((count > 0 and own_count > 0) or (size > 0 and own_size > 0)):
                break
            removed.append(id)
            count, own_count = count - 1, own_count - 1
            size, own_size = size - each, own_size - each
        if len(removed) == BATCH:
            rest.append(Held(own.owner, own_count, own_size))
    yield from _remove(over.table, removed)
    finished = count <= 0 and size <= 0
    return len(removed), Surplus(over.table, count, size, () if finished else tuple(rest))


def _surplus(table: Table, all: Sequence[Held], most: int, most_bytes: int) -> Surplus:
    level = _level([one.count for one in all], most)
    level_bytes = _level([one.bytes for one in all], most_bytes)
    over = [Held(one.owner, one.count - level, one.bytes - level_bytes) for one in all]
    return Surplus(
        table,
        sum(one.count for one in all) - most,
        sum(one.bytes for one in all) - most_bytes,
        tuple(
            sorted(
                (one for one in over if one.count > 0 or one.bytes > 0),
                key=lambda one: (one.bytes, one.count),
                reverse=True,
            )
        ),
    )


def _level(held: Sequence[int], most: int) -> int:
    """The largest amount that each may hold so that all hold at most `most`: who holds less leaves room to the rest
    (max-min fairness)."""
    left = most
    for place, own in enumerate(sorted(held)):
        share = left // (len(held) - place)
        if own > share:
            return share
        left -= own
    return max(held, default=0)


def _remove(table: Table, ids: Sequence[int]) -> Steps[None]:
    if not ids:
        return
    marks = ", ".join("?" * len(ids))
    values: tuple[Any, ...] = tuple(ids)
    if table == "execution":
        for part in ("document", "output", "inner_call"):
            yield f"DELETE FROM {part} WHERE execution IN ({marks})", values
    yield f"DELETE FROM {table} WHERE id IN ({marks})", values
