"""Judges calls in turns: those that come together are decided, charged and recorded together, off the event loop
where store or audit may block.

No call goes on before its record is written (laws 3, 5 and 6). A call that nobody waits for any more is given back.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from msgspec import Struct

from callgate import denial_codes as code
from callgate.audit.record import Event, Status
from callgate.errors import AuditError, StateError
from callgate.gate.admit import Gate
from callgate.gate.call import Admission, Call, Caller
from callgate.gate.denial import Denial

RECORDS_SECONDS = 0.002
"""How long an outcome may wait for a decision to be written with."""

_UNRECORDED = Denial(
    code.AUDIT_UNAVAILABLE, None, "the audit cannot be written, and nothing is forwarded unrecorded"
)


class Settlement(Struct, gc=False):
    """What came of an admitted call; `ran` False: not a byte of it left."""

    admission: Admission
    status: Status
    ran: bool = True
    rpc_code: int | None = None
    size: int | None = None


class _Told(Struct):
    event: Event
    code: str | None
    text: str
    caller: Caller
    revision: str | None


class Turns:
    """`threaded`: the store or the audit may block. `failure` is why the last turn could not be recorded or counted."""

    def __init__(self, gate: Gate, *, threaded: bool) -> None:
        self._gate = gate
        self._executor = ThreadPoolExecutor(1, "judging") if threaded else None
        self._calls: list[tuple[Call, asyncio.Future[Admission]]] = []
        self._settlements: list[Settlement] = []
        self._told: list[_Told] = []
        self._working: asyncio.Task[None] | None = None
        self._flush: asyncio.TimerHandle | None = None
        self.failure: AuditError | StateError | None = None

    async def judge(self, call: Call) -> Admission:
        """Judge `call`, and return when that is recorded."""
        done: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self._calls.append((call, done))
        self._work()
        return await done

    def settle(self, settlement: Settlement) -> None:
        """Record what came of a call; written with the next turn or soon."""
        self._settlements.append(settlement)
        self._soon()

    def event(
        self, event: Event, event_code: str | None, text: str, caller: Caller, revision: str | None
    ) -> None:
        """Record something that is not a call."""
        self._told.append(_Told(event, event_code, text, caller, revision))
        self._soon()

    async def close(self) -> None:
        """Write what waits, and end the thread. Nothing may be judged afterwards."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._work()
        while self._working is not None:
            await asyncio.shield(self._working)
        if self._executor is not None:
            self._executor.shutdown()

    def _soon(self) -> None:
        if self._flush is None and self._working is None:
            self._flush = asyncio.get_running_loop().call_later(RECORDS_SECONDS, self._work)

    def _work(self) -> None:
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._turns())

    async def _turns(self) -> None:
        try:
            # What else comes in this turn of the loop is judged with it.
            await asyncio.sleep(0)
            while self._calls or self._settlements or self._told:
                if self._flush is not None:
                    self._flush.cancel()
                    self._flush = None
                calls, settlements, told = self._calls, self._settlements, self._told
                self._calls, self._settlements, self._told = [], [], []
                asked = [call for call, _ in calls]
                if self._executor is None:
                    admissions = self._turn(asked, settlements, told)
                else:
                    loop = asyncio.get_running_loop()
                    admissions = await loop.run_in_executor(
                        self._executor, self._turn, asked, settlements, told
                    )
                for (_, done), admission in zip(calls, admissions, strict=True):
                    if not done.done():
                        done.set_result(admission)
                    elif admission.denial is None:
                        self._settlements.append(Settlement(admission, "not_forwarded", ran=False))
        finally:
            self._working = None

    def _turn(self, calls: list[Call], settlements: list[Settlement], told: list[_Told]) -> list[Admission]:
        """Blocks as long as store and audit do. Never raises."""
        gate = self._gate
        gate.begin_turn()
        for one in settlements:
            if one.ran:
                gate.settle(one.admission, one.status, rpc_code=one.rpc_code, size=one.size)
            else:
                gate.not_forwarded(one.admission)
        for event in told:
            gate.event(event.event, event.code, event.text, caller=event.caller, revision=event.revision)
        admissions = gate.admit_all(calls)
        self.failure = gate.store_failure
        try:
            gate.commit()
        except AuditError as error:
            self.failure = error
            for admission in admissions:
                if admission.denial is None:
                    with suppress(StateError):
                        gate.refuse(admission, _UNRECORDED)
        return admissions
