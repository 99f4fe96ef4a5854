"""Judges the calls of every agent in turns: what came in together is decided, charged and recorded together.

No call may go on before the turn it belongs to has been recorded (laws 3, 5 and 6). A limit store or an audit
that may block has a thread of its own; while that thread works, the next turn collects.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from msgspec import Struct

from callgate import denial_codes as code
from callgate.audit.record import Event, Status
from callgate.decision import Amount
from callgate.errors import AuditError, StateError
from callgate.gate.admit import Gate
from callgate.gate.call import Admission, Call, Caller
from callgate.gate.denial import Denial

RECORDS_SECONDS = 0.002
"""How long an outcome may wait for a decision to be written with."""

_UNRECORDED = Denial(
    code.AUDIT_UNAVAILABLE, None, "the audit cannot be written, and nothing is forwarded unrecorded"
)
Done = Callable[[Admission], None]
Usage = list[tuple[str, str, Amount, Amount]]


class Settlement(Struct, gc=False):
    """What came of an admitted call; `ran` False: not a byte of it left."""

    admission: Admission
    status: Status
    ran: bool = True
    rpc_code: int | None = None
    size: int | None = None
    task: str | None = None


class Judging:
    """`threaded`: the store or the audit may block.

    `failed(error)` is told when the audit begins to fail, and with None when it ends to; `store_changed` the same of
    the limit store.
    """

    def __init__(
        self,
        gate: Gate,
        loop: AbstractEventLoop,
        *,
        threaded: bool,
        failed: Callable[[AuditError | None], None],
        store_changed: Callable[[StateError | None], None],
    ) -> None:
        self._gate = gate
        self._loop = loop
        self._failed = failed
        self._store_changed = store_changed
        self._calls: list[Call] = []
        self._waiting: list[Done] = []
        self._settlements: list[Settlement] = []
        self._events: list[tuple[Event, str | None, str, Caller | None, str | None]] = []
        self._usage: Callable[[Usage], None] | None = None
        self._scheduled = False
        self._flush_scheduled = False
        self._busy = False
        self._closed = False
        self._audit_failed = False
        self._store_failed = False
        self._idle: Callable[[], None] | None = None
        self._queue: SimpleQueue[_Turn | None] = SimpleQueue()
        self._thread: Thread | None = None
        if threaded:
            self._thread = Thread(target=self._work, name="judging", daemon=True)
            self._thread.start()

    @property
    def waiting(self) -> int:
        """How many calls wait to be judged."""
        return len(self._waiting)

    @property
    def audit_failed(self) -> bool:
        """Whether the last turn could not be recorded."""
        return self._audit_failed

    @property
    def store_failed(self) -> bool:
        """Whether the limit store could not answer when it was last asked."""
        return self._store_failed

    def judge(self, call: Call, done: Done) -> None:
        """Judge `call`; `done` gets its admission once that is recorded, never before this method has returned."""
        self._calls.append(call)
        self._waiting.append(done)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def settle(self, settlement: Settlement) -> None:
        """Record what came of a call; written with the next turn or soon."""
        self._settlements.append(settlement)
        self._flush_soon()

    def event(
        self,
        event: Event,
        event_code: str | None,
        text: str,
        caller: Caller | None = None,
        revision: str | None = None,
    ) -> None:
        """Record something that is not a call."""
        self._events.append((event, event_code, text, caller, revision))
        self._flush_soon()

    def usage(self, told: Callable[["Usage"], None]) -> None:
        """Ask what limits have been charged with; `told` gets server, rule, use and maximum of each.

        That also finds out whether store and audit work, which no call may be needed for.
        """
        self._usage = told
        self._begin()

    def finish(self, idle: Callable[[], None]) -> None:
        """Write what waits, then call `idle`. Nothing may be judged afterwards."""
        self._idle = idle
        self._begin()

    def close(self) -> None:
        """End the thread. What was not finished is lost."""
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _flush_soon(self) -> None:
        if not self._flush_scheduled and not self._closed:
            self._flush_scheduled = True
            self._loop.call_later(RECORDS_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._settlements or self._events:
            self._begin()

    def _begin(self) -> None:
        self._scheduled = False
        if self._busy or self._closed:
            return
        turn = _Turn(self._calls, self._waiting, self._settlements, self._events, self._usage)
        self._calls, self._waiting, self._settlements, self._events = [], [], [], []
        self._usage = None
        if turn.calls or turn.settlements or turn.events or turn.usage is not None:
            if self._thread is None:
                self._end(turn, *run_turn(self._gate, turn))
            else:
                self._busy = True
                self._queue.put(turn)
        elif self._idle is not None:
            idle, self._idle = self._idle, None
            idle()

    def _work(self) -> None:
        while (turn := self._queue.get()) is not None:
            admissions, error = run_turn(self._gate, turn)
            try:
                self._loop.call_soon_threadsafe(self._ended, turn, admissions, error)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return

    def _ended(self, turn: "_Turn", admissions: list[Admission], error: AuditError | None) -> None:
        self._busy = False
        # The thread works on while this loop goes on with what it finished.
        if self._calls or self._settlements or self._events or self._usage:
            self._begin()
        self._end(turn, admissions, error)

    def _end(self, turn: "_Turn", admissions: list[Admission], error: AuditError | None) -> None:
        if (error is not None) != self._audit_failed:
            self._audit_failed = error is not None
            self._failed(error)
        if (turn.store_failure is not None) != self._store_failed:
            self._store_failed = turn.store_failure is not None
            self._store_changed(turn.store_failure)
        if turn.usage is not None:
            turn.usage(turn.used)
        for done, admission in zip(turn.waiting, admissions, strict=True):
            done(admission)
        if self._idle is not None and not self._busy:
            self._loop.call_soon(self._begin)


class _Turn(Struct):
    calls: list[Call]
    waiting: list[Done]
    settlements: list[Settlement]
    events: list[tuple[Event, str | None, str, Caller | None, str | None]]
    usage: Callable[[Usage], None] | None = None
    used: Usage = []
    store_failure: StateError | None = None


def run_turn(gate: Gate, turn: _Turn) -> tuple[list[Admission], AuditError | None]:
    """Judge, charge and record one turn. Blocks as long as store and audit do. Never raises."""
    gate.begin_turn()
    if turn.usage is not None:
        gate.probe()
        if gate.store_failure is None:
            with suppress(StateError):
                turn.used = gate.usage()
    for one in turn.settlements:
        if one.ran:
            gate.settle(one.admission, one.status, rpc_code=one.rpc_code, size=one.size, task=one.task)
        else:
            gate.not_forwarded(one.admission)
    for event, event_code, text, caller, revision in turn.events:
        gate.event(event, event_code, text, caller=caller, revision=revision)
    admissions = gate.admit_all(turn.calls)
    turn.store_failure = gate.store_failure
    try:
        gate.commit(retry=turn.usage is not None)
    except AuditError as error:
        for admission in admissions:
            if admission.denial is None:
                gate.refuse(admission, _UNRECORDED)
        return admissions, error
    return admissions, None
