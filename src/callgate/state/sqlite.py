"""Limits in a SQLite file: they outlive the process, and any number of processes on one machine share them.

Every reservation is one write transaction, so processes take turns and admit exactly `max` together; killing
one at any point leaves either the whole reservation or none of it. Must never answer from memory: a file that
cannot be asked denies.

Processes that share a file must share the machine and its monotonic clock (and time namespace). For one
thread.
"""

import os
from collections.abc import Sequence
from sqlite3 import Connection
from typing import Literal

from callgate.clock import Clock
from callgate.decision import Amount, Charge, Guard, Window
from callgate.errors import StateError
from callgate.state import amounts, sqlite_time
from callgate.state.admission import admit
from callgate.state.batch import reserve_each, settle_each
from callgate.state.ledger import Refused, Reserved
from callgate.state.sqlite_counters import CounterTable, load, prune_counters
from callgate.state.sqlite_file import SqliteFile
from callgate.state.window import Now, seconds, storable_key

_PRUNE_EVERY = 256
_PRUNE_RESERVATIONS = 64


class SqliteLedger:
    """A `Ledger` in the file `path`, which is created (mode 0600, its directory 0700) if it is not there.

    `synchronous="FULL"`: an admitted call's charge is on the disk before `reserve` returns. "NORMAL": a power
    cut or a crash of the system may take back the last charges, a crash of the process never. What a
    settlement changes may be lost in a power cut either way, which leaves the charge spent. `busy_timeout_ms`
    is how long a call waits for another process's transaction; once one has waited in vain, the following
    ones fail fast until one succeeds. The file is opened by the first call.
    """

    def __init__(
        self,
        path: str,
        clock: Clock,
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        busy_timeout_ms: int = 2_000,
    ) -> None:
        self._clock = clock
        self._boot = clock.boot_id() or ""
        self._file = SqliteFile(path, synchronous=synchronous, busy_timeout_ms=busy_timeout_ms)
        self._until_prune = 0

    @property
    def path(self) -> str:
        """The absolute path of the file."""
        return self._file.path

    def open(self) -> None:
        """Open the file now, to find out early whether it can be used. StateError if it cannot."""
        self._file.transact(lambda db: sqlite_time.read(db, self._clock, self._boot), durable=False)

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        def work(db: Connection) -> Reserved | Refused:
            now = sqlite_time.read(db, self._clock, self._boot)
            counters = CounterTable(db)
            admitted = admit(counters, charges, guards, now)
            if isinstance(admitted, Refused):
                return admitted
            name = os.urandom(16).hex()
            spent: list[str] = []
            moot = 0
            for key, spending in admitted.items():
                line, expires = counters.spend(key, spending, now)
                spent.append(line)
                moot = max(moot, expires)
            if spent:
                db.execute(
                    "INSERT INTO reservation (id, expires, spent) VALUES (?, ?, ?)",
                    (name, moot, "\n".join(spent)),
                )
            self._prune(db, now)
            return Reserved(name)

        return self._file.transact(work, durable=True)

    def check(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Refused | None:
        """Why `reserve` would refuse now; None if it would not. Spends nothing."""

        def work(db: Connection) -> Refused | None:
            admitted = admit(CounterTable(db), charges, guards, sqlite_time.read(db, self._clock, self._boot))
            return admitted if isinstance(admitted, Refused) else None

        return self._file.transact(work, durable=False)

    def settle(self, reservation: str, *, spent: bool) -> None:
        def work(db: Connection) -> None:
            if spent:
                db.execute("DELETE FROM reservation WHERE id = ?", (reservation,))
                return
            found = db.execute("SELECT spent FROM reservation WHERE id = ?", (reservation,)).fetchone()
            if found is None:
                return
            now = sqlite_time.read(db, self._clock, self._boot)
            for counter, tick, amount in _parse(found[0]):
                row = load(db, "id", counter, now)
                if row is not None:
                    row.give_back(now, tick, amount)
            db.execute("DELETE FROM reservation WHERE id = ?", (reservation,))

        if reservation.isascii():
            self._file.transact(work, durable=False)

    def reserve_many(
        self, batch: Sequence[tuple[Sequence[Charge], Sequence[Guard]]]
    ) -> list[Reserved | Refused | StateError]:
        return reserve_each(self.reserve, batch)

    def settle_many(self, settlements: Sequence[tuple[str, bool]]) -> None:
        settle_each(self, settlements)

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        def work(db: Connection) -> tuple[Amount, float]:
            now = sqlite_time.read(db, self._clock, self._boot)
            row = CounterTable(db).find(storable_key(key), window, now)
            return (0, 0.0) if row is None else (row.total, seconds(row.until_empty_ns(now)))

        return self._file.transact(work, durable=False)

    def close(self) -> None:
        self._file.close()

    def _prune(self, db: Connection, now: Now) -> None:
        if self._until_prune:
            self._until_prune -= 1
            return
        self._until_prune = _PRUNE_EVERY
        prune_counters(db, now)
        db.execute(
            "DELETE FROM reservation WHERE id IN (SELECT id FROM reservation WHERE expires <= ? LIMIT ?)",
            (now.tick, _PRUNE_RESERVATIONS),
        )


def _parse(text: object) -> list[tuple[int, int, Amount]]:
    """The lines of a stored reservation. ValueError if it is odd."""
    if type(text) is not str:
        raise ValueError("a reservation is not text")
    parsed: list[tuple[int, int, Amount]] = []
    for line in text.splitlines():
        counter, tick, amount = line.split(" ")
        parsed.append((int(counter), int(tick), amounts.from_text(amount)))
    return parsed
