"""Large answers are built few at once, one for each owner, and not on the event loop; small ones are not held up."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from callgate.runner.execution import Execution, Owner, Spec
from callgate.runner.jobs.contract import View
from callgate.runner.server.large_answers import LargeAnswers

OWNERS = [Owner(f"o{number}", claims={"a": 1}) for number in range(3)]


def large(owner: Owner) -> View:
    spec = Spec(script="x")
    return View(execution=Execution(uuid="u", owner=owner, spec=spec, results={"a": ["x"] * 200_000}))


def small(owner: Owner) -> View:
    return View(execution=Execution(uuid="u", owner=owner, spec=Spec(script="x"), results={"a": 1}))


class Building:
    """Building that goes on until it is let go; knows who is at it."""

    def __init__(self) -> None:
        self.at_it: list[str] = []
        self.most = 0
        self._let_go = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def _one(self, owner: str) -> Iterator[None]:
        with self._lock:
            assert owner not in self.at_it
            self.at_it.append(owner)
            self.most = max(self.most, len(self.at_it))
        yield
        with self._lock:
            self.at_it.remove(owner)

    def build(self, view: View) -> str:
        assert threading.current_thread() is not threading.main_thread()
        with self._one(view.execution.owner.identity):
            assert self._let_go.wait(60)
        return view.execution.owner.identity

    def let_go(self) -> None:
        self._let_go.set()


async def _several() -> None:
    answers, building = LargeAnswers(), Building()

    def ask(owner: Owner) -> "asyncio.Task[str | None]":
        async def look() -> View | None:
            return large(owner)

        return asyncio.create_task(answers.built(owner, large(owner), look, building.build))

    asked = [ask(owner) for owner in OWNERS for _ in range(3)]
    while len(building.at_it) < 2:
        await asyncio.sleep(0)
    # Who asks for little is answered meanwhile, at once.
    assert await answers.built(OWNERS[2], small(OWNERS[2]), _never, lambda view: view.execution.uuid) == "u"
    building.let_go()
    assert await asyncio.gather(*asked) == [owner.identity for owner in OWNERS for _ in range(3)]
    assert building.most == 2


async def _never() -> View | None:
    raise AssertionError("a small answer needs no second look")


async def _gone() -> View | None:
    return None


def test_two_are_built_at_once_each_for_another_owner_and_small_answers_wait_for_none() -> None:
    asyncio.run(_several())


def test_what_is_gone_when_its_turn_comes_is_no_answer() -> None:
    async def ask() -> None:
        answers = LargeAnswers()
        assert await answers.built(OWNERS[0], large(OWNERS[0]), _gone, lambda view: view.next_offset) is None
        assert await answers.built(OWNERS[0], None, _never, lambda view: view.next_offset) is None

    asyncio.run(ask())
