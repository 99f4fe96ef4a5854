"""Store time: one clock for all processes that share a SQLite file.

Within one boot it advances by the monotonic clock, which the processes share; nothing else moves it, so the
wall clock may be stepped at will. It never goes back.

In a boot that the store has not seen, nothing that survives a power-off can be trusted entirely. The time
that passed is taken to be, counted from the last reading of the boot before,

* what the wall clock says, if that is plausible: set (not before 2025) at both ends, and between 0 and 400
  days apart. The wall clock is trusted here and nowhere else; without it, a limit of one day on a machine
  that runs eight hours a day would span three days. Whoever may set the clock and then reboot the machine
  could as well edit the file. A difference shorter than this boot is old means a clock that was set back, or
  a file that came from another machine: the shorter time is taken.
* else the time since this boot began, which certainly passed. The machine was off for longer: strict.

A machine without a name for its boots never uses its wall clock: where the monotonic clock went on, it is
the same boot or a later one that is already older, so the difference is at most what passed; where it went
back, the boot is new and its age is what passed. Every boot keeps its own anchor, so that two machines that
use a file in turn do not each count the other's time as a reboot. Anchors are written once a second, so
after a boot without a plausible wall clock, store time may begin up to a second late: strict again.

The calendar (see `window`) never moves faster than store time by more than 1 %, over reboots too.
"""

from sqlite3 import Connection

from msgspec import Struct

from callgate.clock import Clock
from callgate.state.window import Now, slew

_SET_SINCE_NS = 1_735_689_600 * 1_000_000_000
_LONGEST_OFF_NS = 400 * 86_400 * 1_000_000_000
# Year 2116. A wall clock set beyond what a column holds must not look like a damaged file.
_LATEST_WALL_NS = 1 << 62
_ANCHOR_EVERY_NS = 1_000_000_000
_KEEP_BOOTS = 16


class Anchor(Struct, frozen=True):
    """The last reading of one boot, in ns. `boot` is empty where boots have no names."""

    boot: str
    monotonic_ns: int
    store_ns: int
    wall_ns: int
    calendar_ns: int


def advance(anchors: list[Anchor], boot: str, monotonic_ns: int, wall_ns: int) -> Anchor:
    """The reading of now, given the last reading of every boot seen."""
    if not anchors:
        return Anchor(boot, monotonic_ns, 0, wall_ns, wall_ns)
    latest = max(anchors, key=lambda anchor: anchor.store_ns)
    own = next((anchor for anchor in anchors if anchor.boot == boot), None)
    if own is not None and boot:
        elapsed = max(0, monotonic_ns - own.monotonic_ns)
    elif boot and latest.boot:
        own, elapsed = latest, _since_last_boot(latest, monotonic_ns, wall_ns)
    else:
        own = own or latest
        went_on = monotonic_ns >= own.monotonic_ns
        elapsed = monotonic_ns - own.monotonic_ns if went_on else monotonic_ns
    return Anchor(
        boot,
        monotonic_ns,
        max(latest.store_ns, own.store_ns + elapsed),
        wall_ns,
        max(latest.calendar_ns, slew(own.calendar_ns, elapsed, wall_ns)),
    )


def _since_last_boot(last: Anchor, uptime_ns: int, wall_ns: int) -> int:
    off_and_on = wall_ns - last.wall_ns
    was_set = last.wall_ns >= _SET_SINCE_NS and wall_ns >= _SET_SINCE_NS
    if was_set and 0 <= off_and_on <= _LONGEST_OFF_NS:
        return off_and_on
    return uptime_ns


def read(db: Connection, clock: Clock, boot: str) -> Now:
    """Store time now; to be called inside a write transaction. ValueError if a stored anchor is odd."""
    anchors = [Anchor(*row) for row in db.execute("SELECT boot, monotonic, store, wall, calendar FROM boot")]
    for anchor in anchors:
        numbers = (anchor.monotonic_ns, anchor.store_ns, anchor.wall_ns, anchor.calendar_ns)
        if type(anchor.boot) is not str or not all(type(number) is int for number in numbers):
            raise ValueError("a clock reading is not a number")
    wall_ns = max(0, min(clock.wall_ns(), _LATEST_WALL_NS))
    now = advance(anchors, boot, clock.monotonic_ns(), wall_ns)
    known = next((anchor for anchor in anchors if anchor.boot == boot), None)
    if known is None or not 0 <= now.monotonic_ns - known.monotonic_ns < _ANCHOR_EVERY_NS:
        _remember(db, now, anchors if known is None else [])
    return Now(now.store_ns, now.calendar_ns, now.wall_ns)


def _remember(db: Connection, now: Anchor, others: list[Anchor]) -> None:
    db.execute(
        "INSERT OR REPLACE INTO boot (boot, monotonic, store, wall, calendar) VALUES (?, ?, ?, ?, ?)",
        (now.boot, now.monotonic_ns, now.store_ns, now.wall_ns, now.calendar_ns),
    )
    if len(others) >= _KEEP_BOOTS:
        oldest = min(others, key=lambda anchor: anchor.store_ns)
        db.execute("DELETE FROM boot WHERE boot = ?", (oldest.boot,))
