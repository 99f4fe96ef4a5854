"""The counters of a SQLite store as of one transaction. ValueError wherever a stored value is odd."""

from sqlite3 import Connection

from msgspec import Struct

from callgate.decision import Amount, Limit, SlidingWindow, Window
from callgate.state import amounts
from callgate.state.admission import Spending
from callgate.state.window import (
    TICK_NS,
    UNIT_NS,
    Now,
    calendar_start,
    calendar_wait,
    entry_tick,
    latest_calendar_end,
)

_PRUNE_ROWS = 16


class CounterRow(Struct):
    """One row of `counter`, brought up to now in memory; `remove_until` is the last tick that has left.

    What has left is still in `entry` until `_forget_expired`, without which nothing may be saved: the next
    reading would take it off again. `window_ms` is 0 in calendar windows.
    """

    db: Connection
    id: int
    window: str
    window_ms: int
    total: Amount
    entries: int
    first: int
    last: int
    remove_until: int | None = None

    def used(self, now: Now) -> Amount:  # noqa: ARG002
        return self.total

    def wait_ns(self, now: Now, limit: Limit, amount: Amount) -> int:
        if not self.window_ms:
            return calendar_wait(now, self.first + UNIT_NS[self.window])
        left = self.total
        rows = self.db.execute(
            "SELECT tick, amount FROM entry WHERE counter = ? AND tick >= ? ORDER BY tick",
            (self.id, self.first),
        )
        for tick, text in rows:
            left = amounts.subtract(left, amounts.from_text(text))
            if amounts.fits(limit, amounts.add(left, amount)):
                return (_whole(tick) + self.window_ms) * TICK_NS - now.ns
        raise ValueError("a counter is not the sum of its entries")

    def until_empty_ns(self, now: Now) -> int:
        if not self.window_ms:
            return calendar_wait(now, self.first + UNIT_NS[self.window])
        return (self.last + self.window_ms) * TICK_NS - now.ns

    def expire(self, now: Now) -> None:
        """Take off what no longer counts."""
        if not self.window_ms:
            start = calendar_start(self.window, now.calendar_ns)
            if start > self.first:
                self.first = self.last = start
                self.total = 0
            return
        horizon = now.tick - self.window_ms
        if self.first > horizon:
            return
        self.remove_until = horizon
        if self.last <= horizon:
            self.total, self.entries = 0, 0
            return
        gone = self.db.execute(
            "SELECT amount FROM entry WHERE counter = ? AND tick >= ? AND tick <= ?",
            (self.id, self.first, horizon),
        ).fetchall()
        for (text,) in gone:
            self.total = amounts.subtract(self.total, amounts.from_text(text))
        self.entries -= len(gone)
        (first,) = self.db.execute(
            "SELECT min(tick) FROM entry WHERE counter = ? AND tick > ?", (self.id, horizon)
        ).fetchone()
        self.first = _whole(first)
        if self.total < 0:
            raise ValueError("a counter is not the sum of its entries")

    def spend(self, now: Now, amount: Amount) -> int:
        """Put `amount` on the counter; returns the tick it is put under."""
        if not self.window_ms:
            self.total = amounts.add(self.total, amount)
            self._save(now)
            return self.first
        self._forget_expired()
        latest = self.last if self.entries else 0
        tick = entry_tick(now.ns, self.window_ms, self.entries, latest)
        if self.entries and tick == latest:
            self._change_entry(tick, amounts.add(self._entry(tick), amount))
        else:
            self.db.execute(
                "INSERT INTO entry (counter, tick, amount) VALUES (?, ?, ?)",
                (self.id, tick, amounts.to_text(amount)),
            )
            self.first = self.first if self.entries else tick
            self.last = tick
            self.entries += 1
        self.total = amounts.add(self.total, amount)
        self._save(now)
        return tick

    def give_back(self, now: Now, tick: int, amount: Amount) -> None:
        """Take `amount` off again, unless it has left the window."""
        if not self.window_ms:
            if tick != self.first:
                return
        else:
            found = self.db.execute(
                "SELECT count(*) FROM entry WHERE counter = ? AND tick = ?", (self.id, tick)
            ).fetchone()
            if not found[0] or (self.remove_until is not None and tick <= self.remove_until):
                return
            self._forget_expired()
            rest = amounts.subtract(self._entry(tick), amount)
            if rest < 0:
                raise ValueError("a reservation holds more than its counter")
            if rest:
                self._change_entry(tick, rest)
            else:
                self._remove_entry(tick)
        self.total = amounts.subtract(self.total, amount)
        if self.total < 0:
            raise ValueError("a reservation holds more than its counter")
        if self.total:
            self._save(now)
        else:
            remove(self.db, self.id)

    def expires(self, now: Now) -> int:
        """The tick from which nothing counts any more."""
        if self.window_ms:
            return self.last + self.window_ms
        end = now.ns + latest_calendar_end(now, self.first + UNIT_NS[self.window])
        return -(-end // TICK_NS)

    def _forget_expired(self) -> None:
        if self.remove_until is not None:
            self.db.execute("DELETE FROM entry WHERE counter = ? AND tick <= ?", (self.id, self.remove_until))
            self.remove_until = None

    def _entry(self, tick: int) -> Amount:
        row = self.db.execute(
            "SELECT amount FROM entry WHERE counter = ? AND tick = ?", (self.id, tick)
        ).fetchone()
        if row is None:
            raise ValueError("an entry of a counter is missing")
        return amounts.from_text(row[0])

    def _change_entry(self, tick: int, amount: Amount) -> None:
        self.db.execute(
            "UPDATE entry SET amount = ? WHERE counter = ? AND tick = ?",
            (amounts.to_text(amount), self.id, tick),
        )

    def _remove_entry(self, tick: int) -> None:
        self.db.execute("DELETE FROM entry WHERE counter = ? AND tick = ?", (self.id, tick))
        self.entries -= 1
        if self.entries:
            first, last = self.db.execute(
                "SELECT min(tick), max(tick) FROM entry WHERE counter = ?", (self.id,)
            ).fetchone()
            self.first, self.last = _whole(first), _whole(last)

    def _save(self, now: Now) -> None:
        self.db.execute(
            "UPDATE counter SET total = ?, entries = ?, first = ?, last = ?, expires = ? WHERE id = ?",
            (amounts.to_text(self.total), self.entries, self.first, self.last, self.expires(now), self.id),
        )


class CounterTable:
    """Finds, opens and prunes counters within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._rows: dict[str, CounterRow | None] = {}

    def find(self, key: str, window: Window, now: Now) -> CounterRow | None:
        """The counter, or None if nothing counts in it."""
        row = self._rows.get(key)
        if row is None and key not in self._rows:
            row = self._rows[key] = load(self._db, "key", key, now)
            if row is not None and row.window != _window_text(window):
                raise ValueError("a counter's window is not its limit's")
        return row if row is not None and row.total else None

    def has_room(self, limit: Limit, more: int, now: Now) -> bool:
        """Whether `limit` may have `more` counters beyond its live ones."""
        (live,) = self._db.execute(
            "SELECT count(*) FROM counter WHERE limit_id = ? AND expires > ?", (limit.id, now.tick)
        ).fetchone()
        return bool(live + more <= limit.max_counters)

    def spend(self, key: str, spending: Spending, now: Now) -> tuple[str, int]:
        """Put it on the counter. What a reservation has to remember of it, and the tick when that is moot."""
        row = self._rows[key]
        if row is None:
            row = self._insert(key, spending.limit, now)
        if not row.total:
            prune_counters(self._db, now, limit_id=spending.limit.id, except_id=row.id)
        tick = row.spend(now, spending.amount)
        return f"{row.id} {tick} {amounts.to_text(spending.amount)}", row.expires(now)

    def _insert(self, key: str, limit: Limit, now: Now) -> CounterRow:
        window = _window_text(limit.window)
        window_ms = limit.window.milliseconds if isinstance(limit.window, SlidingWindow) else 0
        start = 0 if window_ms else calendar_start(window, now.calendar_ns)
        inserted = self._db.execute(
            "INSERT INTO counter (key, limit_id, window, total, entries, first, last, expires) "
            "VALUES (?, ?, ?, '0', 0, ?, ?, 0)",
            (key, limit.id, window, start, start),
        )
        return CounterRow(
            self._db,
            _whole(inserted.lastrowid),
            window,
            window_ms,
            total=0,
            entries=0,
            first=start,
            last=start,
        )


def load(db: Connection, column: str, value: str | int, now: Now) -> CounterRow | None:
    """The counter whose `column` (`key` or `id`) is `value`, as of now, also if empty; or None."""
    query = f"SELECT id, window, total, entries, first, last FROM counter WHERE {column} = ?"  # noqa: S608
    found = db.execute(query, (value,)).fetchone()
    if found is None:
        return None
    number, window, total, entries, first, last = found
    if type(window) is not str or (window not in UNIT_NS and not window.isdigit()):
        raise ValueError("a counter's window is unknown")
    window_ms = 0 if window in UNIT_NS else int(window)
    row = CounterRow(
        db,
        _whole(number),
        window,
        window_ms,
        total=amounts.from_text(total),
        entries=_whole(entries),
        first=_whole(first),
        last=_whole(last),
    )
    if row.first > row.last or row.entries < 0:
        raise ValueError("a counter's times are out of order")
    row.expire(now)
    return row


def remove(db: Connection, counter: int) -> None:
    """Forget a counter and its entries."""
    db.execute("DELETE FROM entry WHERE counter = ?", (counter,))
    db.execute("DELETE FROM counter WHERE id = ?", (counter,))


def prune_counters(db: Connection, now: Now, *, limit_id: str | None = None, except_id: int = 0) -> None:
    """Forget a few counters that hold nothing, of one limit or of any."""
    query = "SELECT id FROM counter WHERE expires <= ? AND id != ?"
    values: tuple[object, ...] = (now.tick, except_id)
    if limit_id is not None:
        query += " AND limit_id = ?"
        values += (limit_id,)
    for (counter,) in db.execute(f"{query} LIMIT {_PRUNE_ROWS}", values).fetchall():
        remove(db, _whole(counter))


def _window_text(window: Window) -> str:
    return str(window.milliseconds) if isinstance(window, SlidingWindow) else window.unit


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError("a number is missing")
    return value
