"""One ledger made of two: charges of the scope `session` go to one, all others to a durable one.

Still all or nothing. Must not open the durable ledger before something needs it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from callgate.decision import Amount, Charge, Guard, Window
from callgate.errors import StateError
from callgate.state.batch import reserve_each, settle_each
from callgate.state.ledger import Ledger, Refused, Reserved

_DURABLE = "d:"


class CheckingLedger(Ledger, Protocol):
    """A ledger that can also say what would come of charges, and spend nothing."""

    def check(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Refused | None:
        """Why `reserve` would refuse now; None if it would not."""
        ...


class RoutedLedger:
    """A `Ledger` over `session` and over what `durable` returns, which is called once, at the first need.

    The ids of `session` must not begin with `d:`; those of the durable ledger must not contain `:`.
    """

    def __init__(self, session: Ledger, durable: Callable[[], CheckingLedger]) -> None:
        self._session = session
        self._open_durable = durable
        self._durable: CheckingLedger | None = None

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        if len(charges) == 1 and not guards and charges[0].limit.scope == "session":
            return self._session.reserve(charges)
        for charge in charges:
            if charge.limit.scope != "session":
                return self._reserve_both(charges, guards)
        for guard in guards:
            if guard.scope != "session":
                return self._reserve_both(charges, guards)
        return self._session.reserve(charges, guards)

    def settle(self, reservation: str, *, spent: bool) -> None:
        if not reservation.startswith(_DURABLE):
            self._session.settle(reservation, spent=spent)
            return
        _, durable, session = reservation.split(":", 2)
        if session:
            self._session.settle(session, spent=spent)
        self.durable().settle(durable, spent=spent)

    def reserve_many(
        self, batch: Sequence[tuple[Sequence[Charge], Sequence[Guard]]]
    ) -> list[Reserved | Refused | StateError]:
        return reserve_each(self.reserve, batch)

    def settle_many(self, settlements: Sequence[tuple[str, bool]]) -> None:
        settle_each(self, settlements)

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        """What counter `key` holds, wherever it is."""
        found = self._session.used(key, window)
        return found if found[0] else self.durable().used(key, window)

    def close(self) -> None:
        self._session.close()
        if self._durable is not None:
            self._durable.close()

    def durable(self) -> CheckingLedger:
        """The durable ledger, opened if it was not."""
        if self._durable is None:
            self._durable = self._open_durable()
        return self._durable

    def _reserve_both(self, charges: Sequence[Charge], guards: Sequence[Guard]) -> Reserved | Refused:
        """The session first, as giving back there cannot fail; then what is durable."""
        there = [charge for charge in charges if charge.limit.scope != "session"]
        there_guards = [guard for guard in guards if guard.scope != "session"]
        session_id = ""
        if len(there) < len(charges) or len(there_guards) < len(guards):
            first = self._session.reserve(
                [charge for charge in charges if charge.limit.scope == "session"],
                [guard for guard in guards if guard.scope == "session"],
            )
            if isinstance(first, Refused):
                return first if first.retry_after is None else self._longer(first, there, there_guards)
            session_id = first.id
        try:
            second = self.durable().reserve(there, there_guards)
        except BaseException:
            self._give_back(session_id)
            raise
        if isinstance(second, Refused):
            self._give_back(session_id)
            return second
        return Reserved(f"{_DURABLE}{second.id}:{session_id}")

    def _longer(self, first: Refused, there: Sequence[Charge], guards: Sequence[Guard]) -> Refused:
        """The refusal that lasts longer, if the durable ledger refuses too."""
        second = self.durable().check(there, guards)
        if second is None or first.retry_after is None:
            return first
        if second.retry_after is not None and second.retry_after <= first.retry_after:
            return first
        return second

    def _give_back(self, session_id: str) -> None:
        if session_id:
            self._session.settle(session_id, spent=False)
