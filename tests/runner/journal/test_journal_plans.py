"""No statement of an execution's life looks at all executions that ever were."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any

from journal_stores import ALICE, DONE, call, execution

from callgate.config.runner_model import RetentionConfig
from callgate.runner.journal import attempts, calls, executions, output, retention, rows
from callgate.runner.journal.contract import Fence, Output
from callgate.runner.journal.driver import Steps
from callgate.runner.journal.sqlite_file import SCHEMA

NEW = execution(session_id="s")
FENCE = Fence(NEW.uuid, 1)
BOUNDS = RetentionConfig()
END = rows.encode(rows.End(None, None))
CURSOR = "MS5hYmM"

LIFE: dict[str, Callable[[], Steps[Any]]] = {
    "submit": lambda: executions.submit(NEW, *rows.split(NEW), BOUNDS),
    "due": lambda: executions.due(100),
    "get": lambda: executions.get(NEW.uuid, ALICE),
    "claim": lambda: attempts.claim(NEW.uuid, "w", 15_000),
    "list": lambda: executions.page(ALICE, limit=10, cursor=CURSOR, session_id=None),
    "list of a session": lambda: executions.page(ALICE, limit=10, cursor=CURSOR, session_id="s"),
    "running": lambda: attempts.running(FENCE, "b", "t"),
    "renew": lambda: attempts.renew([FENCE], 15_000),
    "call": lambda: calls.started(FENCE, call(0)),
    "answer": lambda: calls.ended(FENCE, call(0, state="answered")),
    "calls": lambda: calls.of(NEW.uuid),
    "append": lambda: output.append(FENCE, [Output(0, "stdout", b"0123456789")]),
    "drop": lambda: output.drop(FENCE, 3, 6),
    "output": lambda: output.read(NEW.uuid, 1, 100),
    "cancel": lambda: executions.request_cancel(NEW.uuid, ALICE),
    "finish": lambda: attempts.finish(FENCE, DONE, END, b"{}", {"x": b"1"}),
    "removal of old executions": lambda: retention.remove_old("execution", -1.0),
    "removal of old variables": lambda: retention.remove_old("variable", -1.0),
    "removal of a surplus of executions": lambda: retention.remove_surplus(_surplus("execution")),
    "removal of a surplus of variables": lambda: retention.remove_surplus(_surplus("variable")),
}


def _surplus(table: retention.Table) -> retention.Surplus:
    return retention.Surplus(table, 1, 1, (retention.Held(rows.owner_digest(ALICE), 1, 1),))


# Scans of what is under way, or of constants.
BOUNDED = re.compile(
    r"SCAN (\d+ CONSTANT ROWS?|CONSTANT ROW|execution USING (COVERING )?INDEX execution_(open|queued|ended))"
)


def _plans(db: sqlite3.Connection, steps: Steps[Any]) -> list[str]:
    """How SQLite means to do each statement; they are done, too."""
    found: list[str] = []
    try:
        statement, values = next(steps)
        while True:
            found += [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            statement, values = steps.send(db.execute(statement, values).fetchall())
    except StopIteration:
        return found


def test_every_statement_finds_its_rows_by_an_index() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.create_function("now_ms", 0, lambda: 1_000_000, deterministic=True)
    for statement in SCHEMA:
        db.execute(statement)
    seen = 0
    for what, steps in LIFE.items():
        for plan in _plans(db, steps()):
            seen += 1
            assert "SCAN" not in plan or BOUNDED.match(plan), f"{what}: {plan}"
            assert "TEMP B-TREE" not in plan, f"{what}: {plan}"
    assert seen > 40
    assert db.execute("SELECT count(*) FROM execution").fetchone() == (0,)
    db.close()
