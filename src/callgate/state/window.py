"""Window arithmetic, apart from any storage. Pure: ints in, ints out.

Sliding windows count in ticks of 1 ms of a clock that never goes back. "Now" is rounded down and the moment
of an admission up, so every rounding makes an amount count longer, never shorter: an amount admitted at t
counts at least until t + window, and if t is a whole millisecond, exactly until then.

Calendar windows follow the wall clock, which anyone may step. So they read a *slewed* calendar: it moves with
monotonic time and drifts towards the wall clock by at most 1 % of the time passed. A wall clock set forth
cannot end a window early by more than that; one set back can neither bring an old window back nor keep one
open for ever. The price: where the wall clock was wrong when the calendar began (before the first NTP
correction after a boot, say), windows keep their length but begin at the wrong moment until the drift has
made up for it: 100 hours for one hour. 1 % is far above the drift of any quartz (0.01 %) and above NTP's own
slewing (0.05 %), so ordinary corrections are followed at once, and it is the most that stepping can win.
"""

from math import inf, nextafter

from msgspec import Struct

TICK_NS = 1_000_000
"""Nanoseconds in a tick."""

EXACT_ENTRIES = 4096
"""How many separate ticks a counter holds before new ones are rounded up to 1/4096 of the window."""

DRIFT = 100
"""The calendar gains or loses at most one part in this many of the time passed."""

UNIT_NS: dict[str, int] = {
    "minute": 60 * 1_000_000_000,
    "hour": 3600 * 1_000_000_000,
    "day": 86_400 * 1_000_000_000,
}

_DIGEST_KEYS_FROM = 256


class Now(Struct):
    """One reading: `ns` never goes back, `calendar_ns` is the slewed UTC, `wall_ns` the wall clock."""

    ns: int
    calendar_ns: int
    wall_ns: int

    @property
    def tick(self) -> int:
        return self.ns // TICK_NS


def entry_tick(now_ns: int, window_ms: int, entries: int, latest: int) -> int:
    """The tick under which a counter of `entries` ticks, the last `latest`, records an admission at `now_ns`.

    Never before `now_ns` nor before `latest`. Bounds a counter to about twice EXACT_ENTRIES ticks, however
    much is admitted.
    """
    tick = -(-now_ns // TICK_NS)
    if entries >= EXACT_ENTRIES:
        step = window_ms // EXACT_ENTRIES or 1
        tick = -(-tick // step) * step
    return max(tick, latest)


def seconds(ns: int) -> float:
    """`ns` in seconds, rounded up where a float cannot say it exactly."""
    value = ns / 1e9
    while round(value * 1e9) < ns:
        value = nextafter(value, inf)
    return value


def slew(calendar_ns: int, elapsed_ns: int, wall_ns: int) -> int:
    """Where the calendar stands `elapsed_ns` after it stood at `calendar_ns`, the wall clock at `wall_ns`."""
    drift = elapsed_ns // DRIFT
    on_time = calendar_ns + elapsed_ns
    return max(on_time - drift, min(wall_ns, on_time + drift))


def calendar_start(unit: str, calendar_ns: int) -> int:
    """When the minute, hour or day that `calendar_ns` lies in began, in ns since 1970 UTC."""
    return calendar_ns - calendar_ns % UNIT_NS[unit]


def calendar_wait(now: Now, end_ns: int) -> int:
    """In how many ns the calendar reaches `end_ns`, if the wall clock is not stepped meanwhile."""
    missing = end_ns - now.calendar_ns
    if missing <= 0:
        return 0
    by_wall = end_ns - now.wall_ns
    if now.wall_ns >= now.calendar_ns:
        return max(by_wall, _least(missing, 1))
    return min(by_wall, _least(missing, -1))


def latest_calendar_end(now: Now, end_ns: int) -> int:
    """In how many ns the calendar has reached `end_ns` whatever the wall clock does."""
    return _least(max(0, end_ns - now.calendar_ns), -1)


def earliest_calendar_end(now: Now, end_ns: int) -> int:
    """For how many ns the calendar cannot reach `end_ns` whatever the wall clock does."""
    return max(0, end_ns - now.calendar_ns) * DRIFT // (DRIFT + 1)


def _least(missing: int, sign: int) -> int:
    """The least t with t + sign times (t // DRIFT) ≥ missing."""
    t = missing * DRIFT // (DRIFT + sign) - 2
    while t + sign * (t // DRIFT) < missing:
        t += 1
    return t


def storable_key(key: str) -> str:
    """`key`, or a digest of it if it is long or not Unicode: an agent chooses parts of it."""
    if len(key) <= _DIGEST_KEYS_FROM and (key.isascii() or _is_unicode(key)):
        return key
    from hashlib import sha256

    head = key[:64].encode("utf-8", "replace").decode("utf-8")
    return f"{head}#{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
