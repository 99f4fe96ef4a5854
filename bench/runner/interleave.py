"""Measures rows in turn (A B C A B C …), so that what else the machine does falls on all of them, and sums up.

Ratios are made within a round and only then reduced to their median.
"""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median

from msgspec import Struct

SETTLE_SECONDS = 0.08
"""After a row that leaves work behind (a pool that is refilled), before the next."""


class Row(Struct, frozen=True):
    """One thing to measure. `once` does it once and answers with seconds: one figure, or one for each of many calls.

    `floor` is the row that it is divided by. `heavy` rows run in every third round. `settled` returns when nothing of
    it is under way any more.
    """

    table: str
    name: str
    on: str
    floor: str
    once: Callable[[], Awaitable[Sequence[float]]]
    settled: Callable[[], Awaitable[None]] | None = None
    heavy: bool = False


class Figures(Struct, frozen=True):
    """Milliseconds of one row over all rounds; `ratio` to its floor."""

    count: int
    p50: float
    p99: float
    ratio: float | None


class Measured(Struct):
    """`rounds`: for each row what each round brought, in seconds; a row that failed is in `failed` and nowhere else."""

    rounds: dict[str, list[tuple[int, list[float]]]]
    failed: dict[str, str]

    def figures(self, row: Row) -> Figures:
        """The row's figures."""
        own = self.rounds[row.name]
        every = [one for _, many in own for one in many]
        floor = {number: median(many) for number, many in self.rounds.get(row.floor, [])}
        ratios = [median(many) / floor[number] for number, many in own if number in floor]
        return Figures(
            count=len(every),
            p50=median(every) * 1e3,
            p99=percentile(every, 0.99) * 1e3,
            ratio=median(ratios) if ratios else None,
        )

    def added(self, row: str, base: str) -> float | None:
        """The median over the rounds of what `row` takes more than `base`, in milliseconds."""
        below = {number: median(many) for number, many in self.rounds.get(base, [])}
        more = [median(many) - below[number] for number, many in self.rounds.get(row, []) if number in below]
        return median(more) * 1e3 if more else None


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


async def measure(rows: Sequence[Row], rounds: int, failed: Mapping[str, str]) -> Measured:
    """`rounds` interleaved rounds, after one that is not counted. A row that fails once is left out."""
    found = Measured({row.name: [] for row in rows}, dict(failed))
    for number in range(rounds + 1):
        if number % 10 == 1:
            print(f"round {number} of {rounds}", file=sys.stderr)
        for row in rows:
            if row.name in found.failed or (row.heavy and number % 3 != 1 and number):
                continue
            try:
                times = await asyncio.wait_for(row.once(), 120)
                if row.settled is not None:
                    await row.settled()
            except Exception as error:
                found.failed[row.name] = f"{type(error).__name__}: {error}"[:200]
                continue
            if number:
                found.rounds[row.name].append((number, list(times)))
    for name in found.failed:
        found.rounds.pop(name, None)
    return found


async def settle() -> None:
    """Leave other processes the time to refill what they keep ready."""
    await asyncio.sleep(SETTLE_SECONDS)
