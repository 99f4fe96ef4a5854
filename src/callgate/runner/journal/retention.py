"""How long executions that ended are kept. Transactions without I/O; none touches one that has not ended."""

# Statements are put together of this package's own words; every value is a `?`.
# ruff: noqa: S608

from msgspec import Struct

from callgate.config.runner_model import RetentionConfig
from callgate.runner.journal.driver import Steps

BATCH = 100
_ROW_BYTES = 512


class Weight(Struct, frozen=True):
    """All executions that ended, together."""

    count: int
    bytes: int


def weigh(id: int) -> Steps[None]:
    """Note how much an execution that has just ended takes up: nothing is added to it any more."""
    yield (
        "UPDATE execution SET size = ? "
        "+ (SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM document WHERE execution = ?) "
        "+ (SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM output WHERE execution = ?) "
        "+ (SELECT CAST(coalesce(sum(? + coalesce(length(answer), 0)), 0) AS BIGINT) FROM inner_call "
        "WHERE execution = ?) "
        "+ (SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM variable WHERE execution = ?) "
        "WHERE id = ?",
        (_ROW_BYTES, id, id, _ROW_BYTES // 4, id, id, id),
    )


def weight() -> Steps[Weight]:
    [(count, size)] = yield (
        "SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT) FROM execution WHERE ended_ms IS NOT NULL",
        (),
    )
    return Weight(count, size)


def remove_oldest(bounds: RetentionConfig, kept: Weight) -> Steps[Weight]:
    """Remove up to BATCH of the oldest that are too old or too many; returns what was removed."""
    found = yield (
        "SELECT id, now_ms() - ended_ms, size FROM execution WHERE ended_ms IS NOT NULL "
        f"ORDER BY ended_ms, id LIMIT {BATCH} /* skip locked */",
        (),
    )
    count, size = kept.count, kept.bytes
    removed: list[int] = []
    for id, age_ms, own in found:
        if age_ms <= bounds.keep * 1000 and count <= bounds.max_executions and size <= bounds.max_bytes:
            break
        removed.append(id)
        count -= 1
        size -= own
    if removed:
        marks = ", ".join("?" * len(removed))
        for table in ("document", "output", "inner_call", "variable"):
            yield f"DELETE FROM {table} WHERE execution IN ({marks})", tuple(removed)
        yield f"DELETE FROM execution WHERE id IN ({marks})", tuple(removed)
    return Weight(len(removed), kept.bytes - size)
