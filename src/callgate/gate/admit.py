"""The one place where a decision takes effect: decide, reserve, record; and settle when the answer is there.

It knows the contracts of limit stores and audits, never one of their implementations, and nothing of the wire.
Nothing may be forwarded before `commit` has returned: no record, no forward (laws 3, 5 and 6).
"""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec.json import Encoder

from callgate import denial_codes as code
from callgate.audit.arguments import ArgumentsMode, describe_arguments
from callgate.audit.encode import fits
from callgate.audit.record import Arguments, DecisionRecord, Event, EventRecord, OutcomeRecord, Record, Status
from callgate.audit.timestamp import Timestamp
from callgate.clock import Clock
from callgate.decision import Amount, Charge, Decision, Effect, Request, SlidingWindow
from callgate.errors import AuditError, StateError
from callgate.gate.call import Admission, Call, Caller, DecidesCalls, request_of
from callgate.gate.denial import UNCOUNTABLE, Denial, limit_denial, reason_denial, store_denial
from callgate.state.ledger import Ledger, Refused, Reserved

MAX_USAGE = 500
_TOO_LONG = Denial(code.RECORD_TOO_LONG, None, "the arguments are too long to be recorded in full")
_MINUTE = SlidingWindow(60_000)
_ANSWERS = (UNCOUNTABLE, "STA026", "STA027")
"""Errors of a store that works, and will not count this one call."""
_ALLOW = Effect.ALLOW
_encode = Encoder(decimal_format="number").encode


class Audit(Protocol):
    """What the gate needs of an audit."""

    def append(self, records: Sequence[Record]) -> None:
        """Return only when all `records` are written; raise `errors.AuditError` and write none of them otherwise."""
        ...

    def close(self) -> None: ...


class Gate:
    """Judges the calls of one agent connection. Without an `audit` nothing is recorded.

    `policy` may be replaced at any time between two calls; the ledger and what it counted stay.
    """

    def __init__(
        self,
        policy: DecidesCalls,
        ledger: Ledger,
        audit: Audit | None,
        caller: Caller,
        clock: Clock,
        *,
        arguments_mode: ArgumentsMode = "hash",
        id_prefix: str = "",
    ) -> None:
        self.policy = policy
        self.ledger = ledger
        self._audit = audit
        self.caller = caller
        self._clock = clock
        self._time = Timestamp(clock)
        self.now_ns = 0
        """The monotonic time of the turn under way."""
        self._stamp = ""
        self.begin_turn()
        self._arguments_mode = arguments_mode
        self._id_prefix = id_prefix
        self._count = 0
        self._fresh: list[Record] = []
        self._kept: list[Record] = []
        self._dropped = 0
        self._turn = 0
        self._charged: dict[tuple[str, str], Charge] = {}
        self.must_commit = False
        """True while a record waits that has to be written before its call is forwarded."""
        self.store_failure: StateError | None = None
        """Why the limit store could not answer when it was last asked; None if it could."""

    @property
    def waiting(self) -> int:
        """How many records are not yet written."""
        return len(self._fresh) + len(self._kept)

    def begin_turn(self) -> None:
        """Read the clocks, once for all that one read brought."""
        self.now_ns = self._clock.monotonic_ns()
        self._stamp = self._time()

    def admit(
        self,
        tool: str,
        arguments: dict[str, Any],
        request_id: str | int,
        *,
        schema: Any = None,
        spelled: bytes | None = None,
    ) -> Admission:
        """Judge one call: spends its charges and queues its decision record.

        The arguments are as those of `Call`. Never raises.
        """
        caller = self.caller
        admission, decision = self._decide(
            self.policy, Request(tool, arguments, caller.session, caller.identity, caller.server, schema)
        )
        if admission.denial is None and (decision.charges or decision.guards):
            self._reserve(admission, decision)
        if self._audit is not None:
            self._record(admission, decision, request_id, arguments, spelled, caller, self.policy.revision)
        return admission

    def admit_all(self, calls: Sequence[Call]) -> list[Admission]:
        """Judge several calls as `admit` does, each by its own policy and for its own caller.

        What they charge goes to the store together, in their order. Never raises.
        """
        judged = [self._decide(call.policy, request_of(call)) for call in calls]
        for call, (admission, _) in zip(calls, judged, strict=True):
            if call.exhausted is not None and admission.denial is None:
                admission.denial = reason_denial((call.exhausted,))
        charged = [
            (admission, decision, call.caller.server)
            for call, (admission, decision) in zip(calls, judged, strict=True)
            if admission.denial is None and (decision.charges or decision.guards)
        ]
        if charged:
            outcomes = self.ledger.reserve_many([(d.charges, d.guards) for _, d, _ in charged])
            for (admission, decision, server), outcome in zip(charged, outcomes, strict=True):
                self._reserved(admission, outcome)
                for charge in decision.charges:
                    self._charged[server, charge.limit.id] = charge
            while len(self._charged) > MAX_USAGE:
                del self._charged[next(iter(self._charged))]
        if self._audit is not None:
            for call, (admission, decision) in zip(calls, judged, strict=True):
                self._record(
                    *(admission, decision, call.request_id, call.arguments, call.spelled),
                    *(call.caller, call.policy.revision, call.parent),
                )
        return [admission for admission, _ in judged]

    def probe(self) -> None:
        """Find out whether the limit store answers, whether or not a call needs it: see `store_failure`."""
        try:
            self.ledger.used("", _MINUTE)
        except StateError as error:
            self._note_store(error)
        else:
            self.store_failure = None

    def usage(self) -> list[tuple[str, str, Amount, Amount]]:
        """Server, rule, use and maximum of limits that `admit_all` charged, each by the counter charged last.

        Raises StateError: the store cannot answer.
        """
        found = []
        for (server, _), charge in self._charged.items():
            if charge.limit.max is not None:
                used, _ = self.ledger.used(charge.key, charge.limit.window)
                found.append((server, charge.limit.rule, used, charge.limit.max))
        return found

    def _decide(self, policy: DecidesCalls, request: Request) -> tuple[Admission, Decision]:
        self._count += 1
        decision = policy.decide(request)
        admission = Admission(
            f"{self._id_prefix}{self._count:x}", request.tool, self.now_ns, self._turn, decision.hidden
        )
        if decision.effect is not _ALLOW:
            admission.denial = reason_denial(decision.reasons)
        return admission, decision

    def _record(
        self,
        admission: Admission,
        decision: Decision,
        request_id: str | int,
        arguments: dict[str, Any],
        spelled: bytes | None,
        caller: Caller,
        revision: str,
        parent: str | None = None,
    ) -> None:
        charged = len(decision.charges) if admission.reservation is not None else None
        text = _encode(arguments) if spelled is None else spelled
        described = describe_arguments(arguments, text, self._arguments_mode)
        record = self._decided(admission, request_id, described, charged, caller, revision, parent)
        if self._arguments_mode == "full" and not fits(record, len(text)):
            # Found here, it is the end of this call alone; the audit would refuse the whole turn.
            if admission.denial is None:
                self.refuse(admission, _TOO_LONG)
            described = describe_arguments(arguments, text, "hash")
            record = self._decided(admission, request_id, described, None, caller, revision, parent)
        self._fresh.append(record)
        if admission.denial is None:
            self.must_commit = True
        else:
            self._fresh.append(self._outcome(admission, "denied"))

    def refuse(self, admission: Admission, denial: Denial) -> None:
        """Take back an admission that was never forwarded and could not be recorded (as when `commit` raised)."""
        admission.denial = denial
        self._give_back(admission)

    def not_forwarded(self, admission: Admission) -> None:
        """The call was recorded, but not a byte of it reached the server: give back what it spent (law 5)."""
        self._give_back(admission)
        if self._audit is not None:
            self._kept.append(self._outcome(admission, "not_forwarded"))

    def settle(
        self,
        admission: Admission,
        status: Status,
        *,
        rpc_code: int | None = None,
        size: int | None = None,
        task: str | None = None,
    ) -> None:
        """The call ended, or its end will never be known: what it spent stays spent (law 5)."""
        if admission.reservation is not None:
            try:
                self.ledger.settle(admission.reservation, spent=True)
            except StateError as error:
                self.event("store_failed", error.code, error.message)
            admission.reservation = None
        if self._audit is not None:
            # An outcome whose decision is not yet written goes behind it, and is lost with it.
            queue = self._fresh if admission.turn == self._turn else self._kept
            queue.append(self._outcome(admission, status, rpc_code=rpc_code, size=size, task=task))

    def event(
        self,
        event: Event,
        event_code: str | None,
        text: str,
        *,
        caller: Caller | None = None,
        revision: str | None = None,
    ) -> None:
        """Queue a record of something that is not a call; `caller` and `revision` where they are not the gate's."""
        if self._audit is not None:
            self._fresh.append(self._event(event, event_code, text, caller, revision))

    def commit(self, *, retry: bool = False) -> None:
        """Write every queued record. Raises AuditError: then nothing admitted since the last commit may go on.

        `retry`: find out whether an audit that failed works again, also if only the count of what was dropped waits.
        On failure the outcomes of calls that did run stay queued (no more than were in flight); what is dropped is
        counted, and the count is the first thing recorded when the audit works again.
        """
        self.must_commit = False
        self._turn += 1
        records = self._kept + self._fresh
        if self._audit is None or not (records or (retry and self._dropped)):
            return
        if self._dropped:
            gap = f"{self._dropped} records of refused calls and frames were not written"
            records.insert(0, self._event("records_not_written", None, gap))
        fresh = len(self._fresh)
        self._fresh.clear()
        try:
            self._audit.append(records)
        except AuditError:
            self._dropped += fresh
            raise
        self._dropped = 0
        self._kept.clear()

    def _reserve(self, admission: Admission, decision: Decision) -> None:
        try:
            outcome = self.ledger.reserve(decision.charges, decision.guards)
        except StateError as error:
            self._store_failed(admission, error)
            return
        self._reserved(admission, outcome)

    def _reserved(self, admission: Admission, outcome: Reserved | Refused | StateError) -> None:
        if type(outcome) is Reserved:
            self.store_failure = None
            admission.reservation = outcome.id
        elif type(outcome) is Refused:
            self.store_failure = None
            admission.denial = limit_denial(outcome, admission.tool)
        else:
            self._store_failed(admission, outcome)  # type: ignore[arg-type]

    def _store_failed(self, admission: Admission, error: StateError) -> None:
        self._note_store(error)
        self.event("store_failed", error.code, error.message)
        admission.denial = store_denial(error)

    def _note_store(self, error: StateError) -> None:
        self.store_failure = None if error.code in _ANSWERS else error

    def _give_back(self, admission: Admission) -> None:
        if admission.reservation is None:
            return
        try:
            self.ledger.settle(admission.reservation, spent=False)
        except StateError as error:
            self.event("store_failed", error.code, error.message)
        admission.reservation = None

    def _decided(
        self,
        admission: Admission,
        request_id: str | int,
        described: Arguments,
        charged: int | None,
        caller: Caller,
        revision: str,
        parent: str | None,
    ) -> DecisionRecord:
        denial = admission.denial
        # By position: one of these is made for every call.
        return DecisionRecord(
            admission.decision_id,
            self._stamp,
            caller.session,
            caller.identity,
            caller.server,
            admission.tool,
            "allow" if denial is None and not admission.hidden else "deny",
            revision,
            request_id,
            described,
            code.HIDDEN if admission.hidden else None if denial is None else denial.code,
            None if denial is None else denial.rule,
            None if denial is None else denial.reason,
            None if denial is None else denial.retry_after,
            charged,
            parent,
        )

    def _outcome(
        self,
        admission: Admission,
        status: Status,
        *,
        rpc_code: int | None = None,
        size: int | None = None,
        task: str | None = None,
    ) -> OutcomeRecord:
        milliseconds = (self.now_ns - admission.started_ns) // 1000 / 1000
        return OutcomeRecord(admission.decision_id, self._stamp, status, milliseconds, size, rpc_code, task)

    def _event(
        self,
        event: Event,
        event_code: str | None,
        text: str,
        caller: Caller | None = None,
        revision: str | None = None,
    ) -> EventRecord:
        caller = caller or self.caller
        return EventRecord(
            time=self._stamp,
            event=event,
            code=event_code,
            detail=text,
            session=caller.session,
            server=caller.server,
            policy=revision or self.policy.revision,
        )
