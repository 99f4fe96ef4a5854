"""The sentence that an agent reads when a limit refuses its call."""

import pytest

from callgate.clock import ManualClock
from callgate.decision import Request
from callgate.errors import StateError
from callgate.gate.denial import Denial, limit_denial, store_denial
from callgate.policy.compile import compile_policy
from callgate.policy.load import load_policy
from callgate.state.amounts import uncountable
from callgate.state.ledger import Refused
from callgate.state.memory import MemoryLedger
from callgate.state.redis_failures import lost


def refusal(rule: str, *calls: tuple[str, object], tool: str = "create_*") -> str:
    """What the last of `calls` (a tool and its amount) is told; the others must pass."""
    policy = compile_policy(load_policy(f'tools: {{"{tool}": {{rules: [{rule}]}}}}'.encode(), "p.yaml"))
    ledger = MemoryLedger(ManualClock())
    answers = [
        ledger.reserve(policy.decide(Request(name, {"amount": amount})).charges) for name, amount in calls
    ]
    *passed, last = answers
    assert not any(isinstance(answer, Refused) for answer in passed)
    assert isinstance(last, Refused)
    return limit_denial(last, calls[-1][0]).text


A, B = ("create_a", 1), ("create_b", 1)


@pytest.mark.parametrize(
    ("tool", "rule", "told"),
    [
        ("create_*", "{rate_limit: 1/minute}", "`create_*`, which all its tools share"),
        ("*", "{rate_limit: 1/minute}", "all tools together"),
    ],
)
def test_a_limit_that_several_tools_share_says_so(tool: str, rule: str, told: str) -> None:
    expected = f"denied by policy: rate limit 1 in 60 s reached for {told}; try again in 60 s"
    assert refusal(rule, A, B, tool=tool) == expected


def test_a_limit_of_each_tool_names_the_tool() -> None:
    text = refusal("{rate_limit: {max: 1, window: 60, per: tool}}", A, ("create_a", 2))
    assert "reached for `create_a`; try" in text
    assert "reached for `create_a`; try" in refusal("{rate_limit: 1/m}", A, ("create_a", 2), tool="create_a")


LIMIT = "rate_limit: {max: 5.00, window: 1h, cost: args.amount}"


def test_a_cost_that_would_be_too_much_says_so_also_after_the_files_reason() -> None:
    fact = "this call would exceed the limit of 5.00 of args.amount in 1 h for `pay`"
    calls = ("pay", 3), ("pay", 4)
    assert f"denied by policy: {fact}; try" in refusal(f"{{{LIMIT}}}", *calls, tool="pay")
    text = refusal(f"{{{LIMIT}, reason: Enough for now.}}", *calls, tool="pay")
    assert text == f"denied by policy: Enough for now ({fact}); try again in 3600 s (1 h)"


def test_calls_that_are_too_many_get_the_files_reason_and_the_wait() -> None:
    text = refusal("{rate_limit: 1/minute, reason: Slow down.}", A, B)
    assert text == "denied by policy: Slow down; try again in 60 s"


def test_a_cost_that_is_too_much_alone_says_so_and_names_no_time() -> None:
    text = refusal(f"{{{LIMIT}, reason: Enough for now.}}", ("pay", 6), tool="pay")
    fact = "this call alone exceeds the limit of 5.00 of args.amount in 1 h for `pay`"
    assert text == f"denied by policy: Enough for now ({fact})"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1, "1 s"),
        (119, "119 s"),
        (120, "120 s (2 min)"),
        (121, "121 s (3 min)"),
        (3600, "3600 s (1 h)"),
        (40775, "40775 s (11 h 20 min)"),
        (86400 * 2 + 61, "172861 s (2 d 2 min)"),
    ],
)
def test_a_long_wait_is_told_in_larger_units_too_and_never_too_short(seconds: int, told: str) -> None:
    assert Denial("X", None, "Wait.", seconds).text == f"denied by policy: Wait; try again in {told}"


def test_where_the_store_is_and_what_ails_it_is_for_the_log_and_not_for_agents() -> None:
    said = "cannot reach state store `redis://10.1.2.3:6379/0`: invalid username-password pair"
    denial = store_denial(StateError("STA020", said))
    assert denial.text == "denied by policy: the limit store cannot answer"
    assert "10.1.2.3" not in str(denial.structured())
    assert denial.log_text == f"the limit store cannot answer: {said} [STA020]"


def test_a_limit_that_is_closed_for_a_time_says_when_to_try_again() -> None:
    denial = store_denial(lost("redis://10.1.2.3:6379/0", 59.2))
    assert denial.structured()["retry_after"] == 60
    assert denial.text == "denied by policy: the limit store cannot answer; try again in 60 s"


def test_an_amount_that_cannot_be_counted_is_told_to_whoever_sent_it() -> None:
    assert "a number" in store_denial(uncountable()).text
