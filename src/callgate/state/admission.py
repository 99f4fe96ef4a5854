"""Whether charges fit, whatever the counters are stored in. Reads counters, changes none."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from callgate.decision import Amount, Charge, Guard, Limit, Window
from callgate.state import amounts
from callgate.state.guards import holds
from callgate.state.ledger import Refused
from callgate.state.window import Now, seconds, storable_key


class Counter(Protocol):
    """One counter as of now."""

    def used(self, now: Now) -> Amount:
        """The sum of what still counts."""
        ...

    def wait_ns(self, now: Now, limit: Limit, amount: Amount) -> int:
        """After how many ns `amount` more would fit `limit`; only asked if it fits an empty counter."""
        ...


class Counters(Protocol):
    """Where the counters are, as of one moment."""

    def find(self, key: str, window: Window, now: Now) -> Counter | None:
        """The counter, or None if nothing counts in it."""
        ...

    def has_room(self, limit: Limit, more: int, now: Now) -> bool:
        """Whether `limit` may have `more` counters beyond its live ones."""
        ...


class Spending(Struct):
    """What is to be put on one counter."""

    limit: Limit
    amount: Amount


def admit(
    counters: Counters, charges: Sequence[Charge], guards: Sequence[Guard], now: Now
) -> Refused | dict[str, Spending]:
    """What to put on which counter, by storable key; or why nothing may be.

    Where several limits refuse, the one with the longest wait is named, for that is how long the call has to
    wait. Charges that name one counter twice add up.
    """
    for guard in guards:
        found = counters.find(storable_key(guard.key), guard.window, now)
        value: Amount = 0 if found is None else found.used(now)
        if not holds(guard, value):
            return Refused(used=value, retry_after=None, guard=guard)

    spendings: dict[str, Spending] = {}
    opened: dict[str, int] = {}
    longest = -1
    refused: tuple[Limit, Amount] | None = None
    for charge in charges:
        limit, amount, key = charge.limit, charge.amount, storable_key(charge.key)
        counter = counters.find(key, limit.window, now)
        used: Amount = 0 if counter is None else counter.used(now)
        if limit.max is not None and exceeds(amount, limit):
            return Refused(used=used, retry_after=None, limit=limit)
        amounts.check(amount)
        spending = spendings.get(key)
        wanted = amount if spending is None else amounts.add(spending.amount, amount)
        if not amounts.fits(limit, amounts.add(used, wanted)):
            if counter is None or not amounts.fits(limit, wanted):
                return Refused(used=used, retry_after=None, limit=limit)
            wait = counter.wait_ns(now, limit, wanted)
            if wait > longest:
                longest, refused = wait, (limit, used)
        if spending is not None:
            spending.amount = wanted
        elif amount:
            spendings[key] = Spending(limit, amount)
            if counter is None:
                more = opened[limit.id] = opened.get(limit.id, 0) + 1
                if not counters.has_room(limit, more, now):
                    return Refused(used=used, retry_after=None, limit=limit, too_many_counters=True)
    if refused is not None:
        return Refused(used=refused[1], retry_after=seconds(longest), limit=refused[0])
    return spendings


def exceeds(amount: Amount, limit: Limit) -> bool:
    """Whether `amount` alone is above `max`; asked first, so that a huge amount is a refusal and no error."""
    try:
        return not amounts.fits(limit, amount)
    except ArithmeticError:
        return False
