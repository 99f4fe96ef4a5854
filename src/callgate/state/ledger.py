"""The contract of a limit store. No store implementation is imported here, and the gate imports nothing else.

Law 4: no interval of a limit's window ever holds more than `max` admitted amounts, with any number of
processes on one store, across restarts and clock steps. Law 5: reservations are by id.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from callgate.decision import Amount, Charge, Guard, Limit, Window
from callgate.errors import StateError


class Reserved(Struct, frozen=True, gc=False):
    """All charges were spent, under one reservation."""

    id: str


class Refused(Struct, frozen=True):
    """Nothing was spent. Exactly one of `limit` and `guard` says what refused.

    `retry_after` is the number of seconds after which the same charge could pass if nothing else is spent
    meanwhile; None if waiting does not help (the amount alone exceeds `max`, a guard, too many counters).
    `used` is the counter's value at the time of refusal.
    """

    used: Amount
    retry_after: float | None
    limit: Limit | None = None
    guard: Guard | None = None
    too_many_counters: bool = False


class Ledger(Protocol):
    """Spends amounts against limits, all or nothing. Any method may raise `errors.StateError`: deny then.

    A counter's key belongs to one window: two windows never share a key. Charges of one call that name the
    same key add up. Of several limits that refuse, the one with the longest wait is named. For one thread.
    """

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        """Spend all of `charges` if every one fits its limit and every guard holds, else nothing."""
        ...

    def settle(self, reservation: str, *, spent: bool) -> None:
        """End a reservation: keep what was spent, or give it back (only if the call definitely did not run).

        Settling an unknown or already settled reservation changes nothing.
        """
        ...

    def reserve_many(
        self, batch: Sequence[tuple[Sequence[Charge], Sequence[Guard]]]
    ) -> list[Reserved | Refused | StateError]:
        """`reserve` for each pair of charges and guards, in order, each by itself: the answers, or the errors.

        Never raises StateError. A store behind a network answers all of them in one round trip.
        """
        ...

    def settle_many(self, settlements: Sequence[tuple[str, bool]]) -> None:
        """`settle` for each reservation and whether it was spent. All are tried; the first error is raised."""
        ...

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        """What counter `key` holds now, and in how many seconds all of it will have left the window."""
        ...

    def close(self) -> None:
        """Release files and connections. Unsettled reservations stay spent."""
        ...
