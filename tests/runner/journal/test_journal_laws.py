"""Whatever workers, clients and time do in whatever order, the journal and a plain model of it agree."""

import asyncio
import shutil
import tempfile
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from journal_stores import ALICE, DONE, LEASE_MS, call, execution
from msgspec.structs import replace

from callgate.clock import ManualClock
from callgate.runner.execution import NEXT, TERMINAL, Ending, Execution, InnerCall, State
from callgate.runner.journal.contract import Fence, Lost, Output
from callgate.runner.journal.open import open_journal

PICK = st.integers(0, 1_000)
ENDINGS: list[Ending] = [
    DONE,
    Ending(state="failed", cause="exception"),
    Ending(state="timed_out", cause="wall_clock"),
    Ending(state="interrupted", cause="in_doubt_call"),
    Ending(state="cancelled", cause="cancelled"),
]


class Known:
    """What the model knows of one execution."""

    def __init__(self) -> None:
        self.state: State = "queued"
        self.attempt = 0
        self.lease_until = 0
        self.answered: dict[int, InnerCall] = {}
        self.begun: set[int] = set()
        self.written = 0
        self.end: Execution | None = None


class Machine(RuleBasedStateMachine):
    """Several workers, each holding fences that may be lost without its knowledge, on one journal."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp(prefix="cg-journal-")
        self.clock = ManualClock()
        self.now = 0
        self.journal = open_journal(None, state_dir=self.folder, sync="normal", clock=self.clock)
        self.do(self.journal.open())
        self.known: dict[str, Known] = {}
        self.fences: list[Fence] = []

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.journal.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def pick(self, number: int) -> tuple[str, Known]:
        uuid = list(self.known)[number % len(self.known)]
        return uuid, self.known[uuid]

    def fence(self, number: int) -> tuple[Fence, Known, bool]:
        """A fence that some worker holds or held, and whether it still counts."""
        fence = self.fences[number % len(self.fences)]
        known = self.known[fence.uuid]
        live = known.attempt == fence.attempt and known.state not in (*TERMINAL, "queued")
        return fence, known, live

    def attempt(self, work: Any, live: bool) -> None:
        """Do what counts only while the fence does."""
        try:
            self.do(work)
        except Lost:
            assert not live
        else:
            assert live

    def ended(self, uuid: str, state: State) -> None:
        known = self.known[uuid]
        known.state = state
        known.end = self.do(self.journal.get(uuid, None))

    @rule()
    def submit(self) -> None:
        new = execution()
        self.do(self.journal.submit(new))
        self.known[new.uuid] = Known()

    @rule(seconds=st.sampled_from([1, 10, 16]), step=st.sampled_from([0, 0, 0, -90_000, 5, 90_000]))
    def time_passes(self, seconds: int, step: int) -> None:
        self.clock.advance(seconds)
        self.clock.step_wall(step)
        self.now += seconds * 1_000

    @precondition(lambda self: self.known)
    @rule(number=PICK)
    def claim(self, number: int) -> None:
        uuid, known = self.pick(number)
        run_out = known.lease_until <= self.now
        claim = self.do(self.journal.claim(uuid, "w", LEASE_MS))
        if known.state == "queued" or (known.state in ("preparing", "running") and run_out):
            assert claim.fence == Fence(uuid, known.attempt + 1)
            known.state, known.attempt, known.written = "preparing", claim.fence.attempt, 0
            known.lease_until = self.now + LEASE_MS
            self.fences.append(claim.fence)
            assert {one.seq: one for one in claim.calls if one.state == "answered"} == known.answered
            assert {one.seq for one in claim.calls} == known.begun
        else:
            assert claim is None
            if known.state == "cancelling" and run_out:
                self.ended(uuid, "cancelled")

    @precondition(lambda self: self.fences)
    @rule(number=PICK)
    def running(self, number: int) -> None:
        fence, known, live = self.fence(number)
        self.attempt(self.journal.running(fence, backend="b", tier="t"), live)
        if live and known.state == "preparing":
            known.state = "running"

    @precondition(lambda self: self.fences)
    @rule(number=PICK)
    def renew(self, number: int) -> None:
        fence, known, live = self.fence(number)
        told = self.do(self.journal.renew([fence], LEASE_MS))
        if not live:
            assert told == [(fence, "lost")]
            return
        assert told == ([(fence, "cancel")] if known.state == "cancelling" else [])
        known.lease_until = self.now + LEASE_MS

    @precondition(lambda self: self.fences)
    @rule(number=PICK, answered=st.booleans())
    def inner_call(self, number: int, answered: bool) -> None:
        fence, known, live = self.fence(number)
        seq = len(known.answered)
        self.attempt(self.journal.call_started(fence, call(seq, attempt=fence.attempt)), live)
        if live:
            known.begun.add(seq)
        if live and answered:
            end = call(seq, attempt=fence.attempt, state="answered")
            self.do(self.journal.call_ended(fence, end))
            known.answered[seq] = end

    @precondition(lambda self: self.fences)
    @rule(number=PICK)
    def write(self, number: int) -> None:
        fence, known, live = self.fence(number)
        self.attempt(self.journal.append_output(fence, [Output(known.written, "stdout", b"abc")]), live)
        known.written += 3 * live

    @precondition(lambda self: self.fences)
    @rule(number=PICK, ending=st.sampled_from(ENDINGS))
    def finish(self, number: int, ending: Ending) -> None:
        fence, known, live = self.fence(number)
        try:
            self.attempt(self.journal.finish(fence, ending), live)
        except ValueError:
            assert ending.state not in NEXT[known.state]
        else:
            if live:
                self.ended(fence.uuid, ending.state)

    @precondition(lambda self: self.fences)
    @rule(number=PICK)
    def release(self, number: int) -> None:
        fence, known, live = self.fence(number)
        self.attempt(self.journal.release(fence), live)
        if live and known.state == "cancelling":
            self.ended(fence.uuid, "cancelled")
        elif live:
            known.state = "queued"

    @precondition(lambda self: self.known)
    @rule(number=PICK)
    def cancel(self, number: int) -> None:
        uuid, known = self.pick(number)
        self.do(self.journal.request_cancel(uuid, ALICE))
        if known.state == "queued":
            self.ended(uuid, "cancelled")
        elif known.state in ("preparing", "running"):
            known.state = "cancelling"

    @invariant()
    def they_agree(self) -> None:
        due = []
        for uuid, known in self.known.items():
            found = self.do(self.journal.get(uuid, ALICE))
            assert (found.state, found.attempt) == (known.state, known.attempt)
            if known.end is not None:
                assert found == known.end
            else:
                assert found.output_bytes == known.written or known.state == "queued"
            if known.state == "queued" or (not found.ended and known.lease_until <= self.now):
                due.append((uuid, known.attempt))
        assert sorted(self.do(self.journal.due())) == sorted(due)

    @invariant()
    def no_answer_is_lost_that_another_attempt_may_need(self) -> None:
        for uuid, known in self.known.items():
            kept = self.do(self.journal.inner_calls(uuid))
            ended = known.end is not None
            answered = {
                seq: replace(one, answer=None) if ended else one for seq, one in known.answered.items()
            }
            assert {one.seq: one for one in kept if one.state == "answered"} == answered
            assert {one.seq for one in kept} == known.begun


TestTheJournalAndItsModel = Machine.TestCase
TestTheJournalAndItsModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
