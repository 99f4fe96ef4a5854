"""Builds answers with large results one at a time for each owner and few at once in all, aside of the event loop.

Small ones are built at once. Nobody's large results hold up another's answers for longer than one of them takes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from callgate.runner.execution import Owner
from callgate.runner.jobs.contract import View
from callgate.runner.redaction import is_small

_AT_ONCE = 2
"""Large answers that are built at the same time, for whomever."""

_Built = TypeVar("_Built")


class LargeAnswers:
    """One for each server: what it bounds is the process."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._turns: dict[tuple[str, str | None], tuple[asyncio.Lock, int]] = {}

    async def built(
        self,
        owner: Owner,
        view: View | None,
        look: Callable[[], Awaitable[View | None]],
        build: Callable[[View], _Built],
    ) -> _Built | None:
        """`build(view)`; None if there is no such view any more.

        If it is large, waits for its turn, and then for a fresh look: what waits holds no results.
        """
        if view is None:
            return None
        if is_small(view.execution.results):
            return build(view)
        del view
        whose = (owner.identity, owner.session)
        lock, waiting = self._turns.get(whose) or (asyncio.Lock(), 0)
        self._turns[whose] = (lock, waiting + 1)
        try:
            async with lock, self._places:
                fresh = await look()
                return None if fresh is None else await asyncio.to_thread(build, fresh)
        finally:
            waiting = self._turns[whose][1] - 1
            if waiting:
                self._turns[whose] = (lock, waiting)
            else:
                del self._turns[whose]
