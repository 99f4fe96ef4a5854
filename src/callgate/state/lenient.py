"""A ledger that lets calls through uncounted while its store fails. Only for gates that are configured so.

Limits do not hold for that long, so it must never be silent: each time the store begins to fail, and every
minute while it does, `notify` is told; and once more when it works again.
"""

from collections.abc import Callable, Sequence

from callgate.clock import Clock
from callgate.decision import Amount, Charge, Guard, Window
from callgate.errors import StateError
from callgate.state.ledger import Ledger, Refused, Reserved

UNCOUNTED = "uncounted"
"""The reservation of every call that was let through uncounted; settling it changes nothing."""

_REMIND_NS = 60 * 1_000_000_000
_NOT_THE_STORE = "STA012"


class LenientLedger:
    """`inner`, but its StateErrors admit. An amount that cannot be counted is still an error: the caller's."""

    def __init__(self, inner: Ledger, clock: Clock, notify: Callable[[StateError], None] | None) -> None:
        self._inner = inner
        self._clock = clock
        self._notify = notify
        self._told_ns: int | None = None
        self._uncounted = 0

    @property
    def uncounted(self) -> int:
        """How many calls were admitted without being counted since the store last worked."""
        return self._uncounted

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        try:
            answer = self._inner.reserve(charges, guards)
        except StateError as error:
            answer = self._admit(error)
        else:
            self._worked()
        return answer

    def reserve_many(
        self, batch: Sequence[tuple[Sequence[Charge], Sequence[Guard]]]
    ) -> list[Reserved | Refused | StateError]:
        answers: list[Reserved | Refused | StateError] = []
        for answer in self._inner.reserve_many(batch):
            if not isinstance(answer, StateError):
                self._worked()
                answers.append(answer)
            elif answer.code == _NOT_THE_STORE:
                answers.append(answer)
            else:
                answers.append(self._admit(answer))
        return answers

    def settle(self, reservation: str, *, spent: bool) -> None:
        if reservation != UNCOUNTED:
            self._inner.settle(reservation, spent=spent)

    def settle_many(self, settlements: Sequence[tuple[str, bool]]) -> None:
        counted = [settlement for settlement in settlements if settlement[0] != UNCOUNTED]
        if counted:
            self._inner.settle_many(counted)

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        return self._inner.used(key, window)

    def close(self) -> None:
        self._inner.close()

    def _admit(self, error: StateError) -> Reserved:
        """Let through, and say so if it was not said lately. Raises `error` if it is the amount's fault."""
        if error.code == _NOT_THE_STORE:
            raise error
        self._uncounted += 1
        now_ns = self._clock.monotonic_ns()
        if self._told_ns is None or now_ns - self._told_ns >= _REMIND_NS:
            self._told_ns = now_ns
            self._tell(
                f"calls are let through UNCOUNTED ({self._uncounted} so far): {error.message}", error.help
            )
        return Reserved(UNCOUNTED)

    def _worked(self) -> None:
        if self._told_ns is not None:
            self._told_ns = None
            count, self._uncounted = self._uncounted, 0
            self._tell(f"the state store works again; {count} calls were let through uncounted", None)

    def _tell(self, message: str, help: str | None) -> None:
        if self._notify is not None:
            self._notify(StateError("STA031", message, help))
