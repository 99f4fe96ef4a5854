"""The clock of a journal in SQLite: the wall clock, read so that setting it cannot end a lease.

Within a boot the time is an anchor, kept in the file, plus what the monotonic clock has counted since; all processes
share both. When the wall clock is found to have been set by more than a second, the anchor moves to it, and every
running lease moves along in the same transaction: a lease lasts as long as the monotonic clock says, whatever is done
to the wall clock. After a reboot nobody can hold a lease from before, so all have run out.

Where boots have no names (macOS), a boot is known by a monotonic clock that went back.
"""

from sqlite3 import Connection

from callgate.clock import Clock

SCHEMA = (
    "CREATE TABLE clock (only INTEGER PRIMARY KEY, boot TEXT NOT NULL, monotonic_ms INTEGER NOT NULL, "
    "wall_ms INTEGER NOT NULL)"
)

_STEP_MS = 1_000
# Year 2116. A wall clock set beyond what a column holds must not look like a damaged file.
_LATEST_MS = (1 << 62) // 1_000_000


class FileClock:
    """Reads journal time from a file's anchor and this machine's clocks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boot = clock.boot_id() or ""

    def read(self, db: Connection, *, writing: bool) -> int:
        """Milliseconds since 1970. Only while `writing`, inside a write transaction, the anchor moves.

        ValueError if the stored anchor is odd.
        """
        monotonic = self._clock.monotonic_ns() // 1_000_000
        wall = max(0, min(self._clock.wall_ns() // 1_000_000, _LATEST_MS))
        anchor = db.execute("SELECT boot, monotonic_ms, wall_ms FROM clock WHERE only = 1").fetchone()
        if anchor is None:
            if writing:
                self._move(db, monotonic, wall)
            return wall
        boot, then, at_anchor = anchor
        if type(boot) is not str or type(then) is not int or type(at_anchor) is not int:
            raise ValueError("the clock's anchor is not a number")
        if boot != self._boot or monotonic < then:
            if writing:
                self._move(db, monotonic, wall)
                db.execute(
                    "UPDATE execution SET lease_until_ms = 0 "
                    "WHERE ended_ms IS NULL AND lease_until_ms IS NOT NULL"
                )
            return wall
        now = at_anchor + monotonic - then
        step = wall - now
        if abs(step) <= _STEP_MS or not writing:
            return now
        self._move(db, monotonic, wall)
        db.execute(
            "UPDATE execution SET lease_until_ms = lease_until_ms + ? "
            "WHERE ended_ms IS NULL AND lease_until_ms IS NOT NULL",
            (step,),
        )
        return wall

    def _move(self, db: Connection, monotonic: int, wall: int) -> None:
        db.execute(
            "INSERT INTO clock (only, boot, monotonic_ms, wall_ms) VALUES (1, ?, ?, ?) ON CONFLICT (only) "
            "DO UPDATE SET boot = excluded.boot, monotonic_ms = excluded.monotonic_ms, "
            "wall_ms = excluded.wall_ms",
            (self._boot, monotonic, wall),
        )
