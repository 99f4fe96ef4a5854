"""Calls that code makes: each is recorded under its execution, and one beyond a budget is a refused call."""

from test_gate_admit import LIMITED, Disk

from callgate.audit.record import DecisionRecord, OutcomeRecord
from callgate.clock import ManualClock
from callgate.decision import Effect, Reason
from callgate.gate.admit import Gate
from callgate.gate.call import Call, Caller
from callgate.policy.compile import Policy, compile_policy
from callgate.policy.load import load_policy
from callgate.state.memory import MemoryLedger

EXECUTION = "0f6b1c9e-7a39-4c55-9a52-0c1d8a1f5b11"
SPENT = Reason(Effect.DENY, "DEN040", "per_execution.max_calls", "this execution may make 1 call")
CALLER = Caller("s1", "key:ann", "srv")


def _gate() -> tuple[Gate, Disk, Policy]:
    clock, disk = ManualClock(), Disk()
    policy = compile_policy(load_policy(LIMITED.encode(), "policy.yaml"))
    return Gate(policy, MemoryLedger(clock), disk, CALLER, clock), disk, policy


def test_a_call_is_recorded_under_the_execution_that_makes_it() -> None:
    gate, disk, policy = _gate()
    gate.admit_all(
        [
            Call(policy, CALLER, "echo", {}, 1, parent=EXECUTION),
            Call(policy, CALLER, "rm", {}, 2, parent=EXECUTION),
            Call(policy, CALLER, "echo", {}, 3),
        ]
    )
    gate.commit()
    decisions = [record for record in disk.records if isinstance(record, DecisionRecord)]
    assert [(each.request, each.parent) for each in decisions] == [(1, EXECUTION), (2, EXECUTION), (3, None)]


def test_a_call_beyond_a_budget_is_refused_recorded_and_spends_nothing() -> None:
    gate, disk, policy = _gate()
    calls = [Call(policy, CALLER, "echo", {}, n, parent=EXECUTION, exhausted=SPENT) for n in range(5)]
    refused = gate.admit_all(calls)
    assert {each.denial.code for each in refused if each.denial} == {"DEN040"}
    assert all(each.reservation is None for each in refused)
    gate.commit()
    kinds = [type(record) for record in disk.records]
    assert kinds == [DecisionRecord, OutcomeRecord] * 5
    first = disk.records[0]
    assert isinstance(first, DecisionRecord)
    assert (first.effect, first.code, first.rule, first.charges) == ("deny", SPENT.code, SPENT.rule, None)
    # The limit of two a minute is untouched.
    passed = gate.admit_all([Call(policy, CALLER, "echo", {}, n) for n in range(3)])
    assert [each.denial is None for each in passed] == [True, True, False]


def test_what_the_policy_forbids_is_told_as_the_policy_s_word() -> None:
    gate, _, policy = _gate()
    (refused,) = gate.admit_all([Call(policy, CALLER, "rm", {}, 1, exhausted=SPENT)])
    assert refused.denial is not None
    assert refused.denial.reason == "No."
