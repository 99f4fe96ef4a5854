"""Counters held in memory, one class per kind of window. They know time only as it is passed to them."""

from bisect import bisect_left

from callgate.decision import Amount, CalendarWindow, Limit, SlidingWindow, Window
from callgate.state import amounts
from callgate.state.window import (
    TICK_NS,
    UNIT_NS,
    Now,
    calendar_start,
    calendar_wait,
    earliest_calendar_end,
    entry_tick,
)

_COMPACT_FROM = 512


class SlidingCounter:
    """What was admitted in the last `window` milliseconds: ascending ticks, and the amount under each.

    Entries before `head` have left the window. `total` is the sum of the others.
    """

    __slots__ = ("amounts", "head", "limit_id", "ticks", "total", "window")

    def __init__(self, window: SlidingWindow, limit_id: str) -> None:
        self.window = window.milliseconds
        self.limit_id = limit_id
        self.ticks: list[int] = []
        self.amounts: list[Amount] = []
        self.head = 0
        self.total: Amount = 0

    def expire(self, now_tick: int) -> None:
        """Forget what has left the window."""
        ticks, head, horizon = self.ticks, self.head, now_tick - self.window
        if not ticks or ticks[head] > horizon:
            return
        if ticks[-1] <= horizon:
            self.ticks, self.amounts, self.head, self.total = [], [], 0, 0
            return
        total, spent = self.total, self.amounts
        while ticks[head] <= horizon:
            total = amounts.subtract(total, spent[head])
            head += 1
        if head > _COMPACT_FROM and head * 2 > len(ticks):
            del ticks[:head], spent[:head]
            head = 0
        self.head, self.total = head, total

    def used(self, now: Now) -> Amount:
        self.expire(now.tick)
        return self.total

    def wait_ns(self, now: Now, limit: Limit, amount: Amount) -> int:
        left = self.total
        for index in range(self.head, len(self.ticks)):
            left = amounts.subtract(left, self.amounts[index])
            if amounts.fits(limit, amounts.add(left, amount)):
                return (self.ticks[index] + self.window) * TICK_NS - now.ns
        return 0

    def empty_ns(self, now: Now) -> int:
        """In how many ns nothing is left, at the earliest."""
        self.expire(now.tick)
        return (self.ticks[-1] + self.window) * TICK_NS - now.ns if self.ticks else 0

    def until_empty_ns(self, now: Now) -> int:
        return self.empty_ns(now)

    def spend(self, now: Now, amount: Amount) -> int:
        """Put `amount` on the counter; the tick it is put under is what `give_back` needs."""
        ticks = self.ticks
        latest = ticks[-1] if ticks else 0
        tick = entry_tick(now.ns, self.window, len(ticks) - self.head, latest)
        if ticks and tick == latest:
            self.amounts[-1] = amounts.add(self.amounts[-1], amount)
        else:
            ticks.append(tick)
            self.amounts.append(amount)
        self.total = amounts.add(self.total, amount)
        return tick

    def give_back(self, tick: int, amount: Amount) -> bool:
        """Take `amount` off again, unless it has left the window. True if nothing is left."""
        index = bisect_left(self.ticks, tick, self.head)
        if index < len(self.ticks) and self.ticks[index] == tick:
            self.total = amounts.subtract(self.total, amount)
            rest = amounts.subtract(self.amounts[index], amount)
            if rest:
                self.amounts[index] = rest
            else:
                del self.ticks[index], self.amounts[index]
        return self.head == len(self.ticks)


class CalendarCounter:
    """What was admitted since `start`, the beginning of the latest window seen."""

    __slots__ = ("limit_id", "start", "total", "unit")

    def __init__(self, window: CalendarWindow, limit_id: str) -> None:
        self.unit = window.unit
        self.limit_id = limit_id
        self.start = 0
        self.total: Amount = 0

    def used(self, now: Now) -> Amount:
        start = calendar_start(self.unit, now.calendar_ns)
        if start > self.start:
            self.start, self.total = start, 0
        return self.total

    def wait_ns(self, now: Now, limit: Limit, amount: Amount) -> int:  # noqa: ARG002
        return calendar_wait(now, self.start + UNIT_NS[self.unit])

    def empty_ns(self, now: Now) -> int:
        """In how many ns nothing is left, at the earliest."""
        return earliest_calendar_end(now, self.start + UNIT_NS[self.unit]) if self.used(now) else 0

    def until_empty_ns(self, now: Now) -> int:
        return calendar_wait(now, self.start + UNIT_NS[self.unit]) if self.used(now) else 0

    def spend(self, now: Now, amount: Amount) -> int:
        """Put `amount` on the counter; the window it is put in is what `give_back` needs."""
        self.total = amounts.add(self.used(now), amount)
        return self.start

    def give_back(self, tick: int, amount: Amount) -> bool:
        """Take `amount` off again, unless its window is over. True if nothing is left."""
        if tick == self.start:
            self.total = amounts.subtract(self.total, amount)
        return not self.total


def new_counter(window: Window, limit_id: str) -> SlidingCounter | CalendarCounter:
    """An empty counter for `window`."""
    if isinstance(window, SlidingWindow):
        return SlidingCounter(window, limit_id)
    return CalendarCounter(window, limit_id)
