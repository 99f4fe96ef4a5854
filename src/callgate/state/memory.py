"""Limits of one process, gone with it. Exact, and the fastest store: the default for the scope `session`.

Sliding windows see the monotonic clock alone. Must never read anything but its clock, and keeps nothing of a
settled call but the entry in its counter. For one thread.
"""

from collections.abc import Sequence

from callgate.clock import Clock
from callgate.decision import Amount, CalendarWindow, Charge, Guard, Limit, Window
from callgate.errors import StateError
from callgate.state.admission import Spending, admit
from callgate.state.batch import reserve_each, settle_each
from callgate.state.counters import CalendarCounter, SlidingCounter, new_counter
from callgate.state.ledger import Refused, Reserved
from callgate.state.window import EXACT_ENTRIES, TICK_NS, Now, entry_tick, seconds, slew, storable_key

_Counter = SlidingCounter | CalendarCounter

_FIRST_SWEEP = 64


class _Family:
    """The counters of one limit id. `full_until` (ns): no counter of it can be empty before."""

    __slots__ = ("full_until", "keys")

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.full_until = 0


class MemoryLedger:
    """A `Ledger` in memory. Ids are decimal numbers, unique in this ledger."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._monotonic_ns = clock.monotonic_ns
        self._calendar_ns = clock.wall_ns()
        self._calendar_at = clock.monotonic_ns()
        self._counters: dict[str, _Counter] = {}
        self._sliding: dict[str, SlidingCounter] = {}
        self._families: dict[str, _Family] = {}
        self._unsettled: dict[str, tuple[str, int, Amount] | list[tuple[str, int, Amount]]] = {}
        self._last_id = 0
        self._sweep_at = _FIRST_SWEEP

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        now_ns = self._monotonic_ns()
        if len(charges) == 1 and not guards:
            # The usual call: one sliding limit, whole amounts, room left. Everything else takes the long way.
            charge = charges[0]
            key, amount, limit = charge.key, charge.amount, charge.limit
            counter = self._sliding.get(key)
            if counter is not None and type(amount) is int and amount > 0 and not limit.strict:
                tick = -(-now_ns // TICK_NS)
                ticks = counter.ticks
                if ticks and ticks[counter.head] + counter.window <= tick:
                    counter.expire(now_ns // TICK_NS)
                    ticks = counter.ticks
                total, maximum = counter.total, limit.max
                if type(total) is int and type(maximum) is int and (total := total + amount) <= maximum:
                    counter.total = total
                    if len(ticks) >= EXACT_ENTRIES:
                        tick = entry_tick(now_ns, counter.window, len(ticks) - counter.head, ticks[-1])
                    if ticks and ticks[-1] >= tick:
                        tick = ticks[-1]
                        counter.amounts[-1] += amount
                    else:
                        ticks.append(tick)
                        counter.amounts.append(amount)
                    self._last_id = number = self._last_id + 1
                    name = str(number)
                    self._unsettled[name] = (key, tick, amount)
                    return Reserved(name)

        now = self._now(now_ns)
        admitted = admit(self, charges, guards, now)
        if isinstance(admitted, Refused):
            return admitted
        self._last_id += 1
        name = str(self._last_id)
        self._unsettled[name] = [
            (key, self._open(key, spending, now).spend(now, spending.amount), spending.amount)
            for key, spending in admitted.items()
        ]
        return Reserved(name)

    def settle(self, reservation: str, *, spent: bool) -> None:
        entries = self._unsettled.pop(reservation, None)
        if spent or entries is None:
            return
        for key, tick, amount in [entries] if isinstance(entries, tuple) else entries:
            counter = self._counters.get(key)
            if counter is None:
                continue
            self._families[counter.limit_id].full_until = 0
            if counter.give_back(tick, amount):
                self._drop(key, counter)

    def reserve_many(
        self, batch: Sequence[tuple[Sequence[Charge], Sequence[Guard]]]
    ) -> list[Reserved | Refused | StateError]:
        return reserve_each(self.reserve, batch)

    def settle_many(self, settlements: Sequence[tuple[str, bool]]) -> None:
        settle_each(self, settlements)

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        now = self._now(self._monotonic_ns())
        counter = self.find(storable_key(key), window, now)
        if counter is None:
            return 0, 0.0
        return counter.used(now), seconds(counter.until_empty_ns(now))

    def close(self) -> None:
        """Forget everything."""
        self._counters.clear()
        self._sliding.clear()
        self._families.clear()
        self._unsettled.clear()

    def find(self, key: str, window: Window, now: Now) -> _Counter | None:
        """The counter, unless it is empty or of another kind than `window`."""
        counter = self._counters.get(key)
        if counter is None or isinstance(counter, CalendarCounter) is not isinstance(window, CalendarWindow):
            return None
        return counter if counter.used(now) else None

    def has_room(self, limit: Limit, more: int, now: Now) -> bool:
        """Whether `limit` may have `more` counters; empties are dropped first, and only if it matters."""
        family = self._families.get(limit.id)
        if family is None:
            return more <= limit.max_counters
        if len(family.keys) + more > limit.max_counters and family.full_until <= now.ns:
            family.full_until = now.ns + self._drop_empty(tuple(family.keys), now)
        return len(family.keys) + more <= limit.max_counters

    def _now(self, now_ns: int) -> Now:
        wall_ns = self._clock.wall_ns()
        self._calendar_ns = slew(self._calendar_ns, now_ns - self._calendar_at, wall_ns)
        self._calendar_at = now_ns
        return Now(now_ns, self._calendar_ns, wall_ns)

    def _open(self, key: str, spending: Spending, now: Now) -> _Counter:
        counter = self._counters.get(key)
        if counter is None:
            if len(self._counters) >= self._sweep_at:
                self._drop_empty(tuple(self._counters), now)
                self._sweep_at = 2 * len(self._counters) + _FIRST_SWEEP
            limit = spending.limit
            counter = self._counters[key] = new_counter(limit.window, limit.id)
            if isinstance(counter, SlidingCounter):
                self._sliding[key] = counter
            family = self._families.get(limit.id)
            if family is None:
                family = self._families[limit.id] = _Family()
            family.keys.add(key)
        return counter

    def _drop_empty(self, keys: Sequence[str], now: Now) -> int:
        """Drop those of `keys` that hold nothing; in how many ns the next one may."""
        soonest = None
        for key in keys:
            counter = self._counters[key]
            wait = counter.empty_ns(now)
            if wait <= 0:
                self._drop(key, counter)
            elif soonest is None or wait < soonest:
                soonest = wait
        return soonest or 0

    def _drop(self, key: str, counter: _Counter) -> None:
        del self._counters[key]
        self._sliding.pop(key, None)
        family = self._families[counter.limit_id]
        family.keys.discard(key)
        if not family.keys:
            del self._families[counter.limit_id]
