"""Batches for stores that answer one call as fast alone as together: one after the other."""

from collections.abc import Callable, Sequence

from callgate.decision import Charge, Guard
from callgate.errors import StateError
from callgate.state.ledger import Ledger, Refused, Reserved


def reserve_each(
    reserve: Callable[[Sequence[Charge], Sequence[Guard]], Reserved | Refused],
    batch: Sequence[tuple[Sequence[Charge], Sequence[Guard]]],
) -> list[Reserved | Refused | StateError]:
    """What `Ledger.reserve_many` answers, by `reserve` alone."""
    answers: list[Reserved | Refused | StateError] = []
    for charges, guards in batch:
        try:
            answers.append(reserve(charges, guards))
        except StateError as error:
            answers.append(error)
    return answers


def settle_each(ledger: Ledger, settlements: Sequence[tuple[str, bool]]) -> None:
    """What `Ledger.settle_many` does, by `settle` alone."""
    first: StateError | None = None
    for reservation, spent in settlements:
        try:
            ledger.settle(reservation, spent=spent)
        except StateError as error:
            first = first or error
    if first is not None:
        raise first
