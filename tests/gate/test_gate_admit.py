"""The gate: where a decision takes effect. Reserve, record, give back, and what happens when a part fails."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from callgate.audit.arguments import ArgumentsMode
from callgate.audit.record import DecisionRecord, EventRecord, OutcomeRecord, Record
from callgate.clock import ManualClock
from callgate.decision import Amount, Charge, Guard, Window
from callgate.errors import AuditError, StateError
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.gate.denial import Denial
from callgate.policy.compile import compile_policy
from callgate.policy.load import load_policy
from callgate.state.ledger import Refused, Reserved
from callgate.state.memory import MemoryLedger

LIMITED = (
    "tools: {echo: {rules: [{name: few, rate_limit: 2/minute}]}, rm: {rules: [{action: deny, reason: No.}]}}"
)


class Disk:
    """An audit in memory that can be full."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.full = False

    def append(self, records: Sequence[Record]) -> None:
        if self.full:
            raise AuditError("AUD001", "no space left")
        self.records += records

    def close(self) -> None:
        """Nothing to release."""


class BrokenLedger(MemoryLedger):
    """A store that can fail."""

    broken = False

    def reserve(self, charges: Sequence[Charge], guards: Sequence[Guard] = ()) -> Reserved | Refused:
        self._check()
        return super().reserve(charges, guards)

    def settle(self, reservation: str, *, spent: bool) -> None:
        self._check()
        super().settle(reservation, spent=spent)

    def used(self, key: str, window: Window) -> tuple[Amount, float]:
        self._check()
        return super().used(key, window)

    def _check(self) -> None:
        if self.broken:
            raise StateError("STA001", "the disk is gone")


class Scene:
    """A gate with everything around it in the test's hands."""

    def __init__(self, policy: str = LIMITED, mode: ArgumentsMode = "hash") -> None:
        self.clock = ManualClock()
        self.disk = Disk()
        self.ledger = BrokenLedger(self.clock)
        compiled = compile_policy(load_policy(policy.encode(), "policy.yaml"))
        caller = Caller("s1", "local:ann", "srv")
        self.gate = Gate(
            compiled, self.ledger, self.disk, caller, self.clock, arguments_mode=mode, id_prefix="x-"
        )

    def denial(self, tool: str = "echo", arguments: dict[str, Any] | None = None) -> Denial | None:
        return self.gate.admit(tool, arguments or {}, 1).denial

    def passes(self, tool: str = "echo") -> bool:
        return self.denial(tool) is None

    def committed(self) -> list[Record]:
        self.gate.commit()
        return self.disk.records


def test_a_decision_is_recorded_with_all_that_it_was_made_from() -> None:
    scene = Scene()
    scene.gate.admit("echo", {"text": "hi"}, "r-1")
    (record,) = scene.committed()
    assert isinstance(record, DecisionRecord)
    assert record.id == "x-1"
    assert (record.tool, record.effect, record.request, record.charges) == ("echo", "allow", "r-1", 1)
    assert (record.session, record.identity, record.server) == ("s1", "local:ann", "srv")
    assert record.policy == scene.gate.policy.revision
    assert b'"hi"' not in msgspec.json.encode(record)


def test_arguments_are_recorded_as_the_operator_wants() -> None:
    modes: dict[ArgumentsMode, bool] = {"hash": False, "redacted": False, "full": True}
    for mode, shown in modes.items():
        scene = Scene(mode=mode)
        scene.gate.admit("echo", {"text": "secret-text"}, 1)
        (record,) = scene.committed()
        assert isinstance(record, DecisionRecord)
        assert (b"secret-text" in msgspec.json.encode(record)) is shown


def test_arguments_that_are_spelled_already_are_recorded_as_any_others() -> None:
    scene, arguments = Scene(), {"text": "words", "list": [1.5, None]}
    scene.gate.admit("echo", arguments, 1)
    scene.gate.admit("echo", arguments, 2, spelled=msgspec.json.encode(arguments))
    one, other = (record for record in scene.committed() if isinstance(record, DecisionRecord))
    assert one.arguments == other.arguments


def test_a_denied_call_has_its_outcome_at_once_and_asks_for_no_commit() -> None:
    scene = Scene()
    denial = scene.denial("rm")
    assert denial is not None
    assert denial.text == "denied by policy: No."
    assert not scene.gate.must_commit
    assert [type(record) for record in scene.committed()] == [DecisionRecord, OutcomeRecord]


def test_an_admitted_call_must_be_committed_before_it_goes_on() -> None:
    scene = Scene()
    assert scene.passes()
    assert scene.gate.must_commit
    scene.gate.commit()
    assert not scene.gate.must_commit


def test_the_seconds_to_wait_are_whole_and_enough() -> None:
    scene = Scene()
    assert scene.passes()
    assert scene.passes()
    scene.clock.advance(0.5)
    denial = scene.denial()
    assert denial is not None
    assert denial.retry_after == 60
    scene.clock.advance(59.4)
    denial = scene.denial()
    assert denial is not None
    assert denial.retry_after == 1
    scene.clock.advance(denial.retry_after)
    assert scene.passes()


def test_what_was_refused_or_not_forwarded_is_given_back_and_what_ended_otherwise_is_not() -> None:
    scene = Scene("tools: {echo: {rules: [{rate_limit: 1/minute}]}}")
    scene.gate.refuse(scene.gate.admit("echo", {}, 1), Denial("X", None, "no"))
    scene.gate.not_forwarded(scene.gate.admit("echo", {}, 2))
    admission = scene.gate.admit("echo", {}, 3)
    assert admission.denial is None
    scene.gate.settle(admission, "rpc_error", rpc_code=-32602)
    assert not scene.passes()


@pytest.mark.parametrize(
    "status", ["ok", "tool_error", "rpc_error", "cancelled", "unknown", "task", "input_required"]
)
def test_no_word_of_the_server_gives_anything_back(status: Any) -> None:
    scene = Scene("tools: {echo: {rules: [{rate_limit: 1/minute}]}}")
    scene.gate.settle(scene.gate.admit("echo", {}, 1), status)
    assert not scene.passes()


def test_a_store_that_fails_denies_says_so_and_recovers() -> None:
    scene = Scene()
    scene.ledger.broken = True
    denial = scene.denial()
    assert denial is not None
    assert denial.code == "DEN030"
    assert "the disk is gone" not in str(denial.structured()) + denial.text, "that is not for agents"
    assert "the disk is gone" in denial.log_text
    assert scene.denial("free") is None
    scene.ledger.broken = False
    assert scene.passes()
    events = [record.event for record in scene.committed() if isinstance(record, EventRecord)]
    assert events == ["store_failed"]


def test_asking_the_store_shows_that_it_fails_and_that_it_answers_again_without_any_call() -> None:
    scene = Scene()
    scene.ledger.broken = True
    scene.gate.probe()
    assert scene.gate.store_failure is not None
    assert scene.gate.store_failure.code == "STA001"
    scene.ledger.broken = False
    scene.gate.probe()
    assert scene.gate.store_failure is None


def test_a_store_that_fails_when_a_call_ends_leaves_it_spent() -> None:
    scene = Scene("tools: {echo: {rules: [{rate_limit: 1/minute}]}}")
    admission = scene.gate.admit("echo", {}, 1)
    scene.ledger.broken = True
    scene.gate.not_forwarded(admission)
    scene.ledger.broken = False
    assert not scene.passes()


def test_a_failed_commit_writes_nothing_and_the_next_one_says_what_is_missing() -> None:
    scene = Scene()
    scene.disk.full = True
    scene.gate.admit("echo", {}, 1)
    scene.gate.admit("rm", {}, 2)
    with pytest.raises(AuditError):
        scene.gate.commit()
    scene.disk.full = False
    scene.gate.admit("free", {}, 3)
    first, second = scene.committed()
    assert isinstance(first, EventRecord)
    assert first.event == "records_not_written"
    assert "3 records" in str(first.detail)
    assert isinstance(second, DecisionRecord)


def test_an_outcome_never_stands_before_its_decision() -> None:
    scene = Scene()
    scene.gate.settle(scene.gate.admit("echo", {}, 1), "cancelled")
    scene.gate.settle(scene.gate.admit("free", {}, 2), "ok")
    kinds = [(type(record), getattr(record, "id", None)) for record in scene.committed()]
    assert kinds == [
        (DecisionRecord, "x-1"),
        (OutcomeRecord, "x-1"),
        (DecisionRecord, "x-2"),
        (OutcomeRecord, "x-2"),
    ]


def test_outcomes_of_calls_that_ran_survive_a_failed_commit() -> None:
    scene = Scene()
    admission = scene.gate.admit("echo", {}, 1)
    scene.gate.commit()
    scene.gate.settle(admission, "ok", size=10)
    scene.disk.full = True
    with pytest.raises(AuditError):
        scene.gate.commit()
    scene.disk.full = False
    assert isinstance(scene.committed()[-1], OutcomeRecord)


def test_a_gate_without_an_audit_admits_and_records_nothing() -> None:
    scene = Scene()
    compiled = compile_policy(load_policy(LIMITED.encode(), "policy.yaml"))
    gate = Gate(compiled, scene.ledger, None, Caller("s", "i", "v"), scene.clock)
    admission = gate.admit("echo", {}, 1)
    gate.settle(admission, "ok")
    gate.event("gate_stopped", None, "x")
    assert not gate.must_commit
    assert gate.waiting == 0
    gate.commit()


def test_the_time_a_call_took_counts_from_its_decision() -> None:
    scene = Scene()
    admission = scene.gate.admit("echo", {}, 1)
    scene.clock.advance(1.25)
    scene.gate.begin_turn()
    scene.gate.settle(admission, "ok", size=7)
    outcome = scene.committed()[-1]
    assert isinstance(outcome, OutcomeRecord)
    assert (outcome.duration_ms, outcome.response_bytes, outcome.status) == (1250.0, 7, "ok")
