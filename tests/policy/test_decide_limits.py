"""What a call spends, and on which counter."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import codes, decide, policy

from callgate import denial_codes as code
from callgate.decision import Charge, Effect, Request

D = Decimal


def charges(
    text: str, tool: str = "t", arguments: dict[str, Any] | None = None, **request: Any
) -> list[Charge]:
    return list(decide(text, tool, arguments, **request).charges)


def key(text: str, tool: str = "t", arguments: dict[str, Any] | None = None, **request: Any) -> str:
    (charge,) = charges(text, tool, arguments, **request)
    return charge.key


def test_a_limit_charges_one_and_says_what_it_is() -> None:
    (charge,) = charges("tools: {t: {rules: [{name: often, rate_limit: {max: 10, window: 60}}]}}")
    assert (charge.amount, charge.limit.max, charge.limit.text) == (1, 10, "10 in 60 s")
    assert (charge.limit.rule, charge.limit.scope) == ("often", "session")
    assert charge.key.startswith(charge.limit.id)


def test_every_limit_of_every_rule_that_applies_is_charged() -> None:
    text = """
tools:
  t:
    rules:
      - rate_limit: [5/minute, 100/day]
      - {when: {args.a: 1}, rate_limit: 7/minute}
      - {when: {args.a: 2}, rate_limit: 8/minute}
      - {when: {args.b: 2}, rate_limit: 9/minute}
  "*": {rules: [{rate_limit: 60/minute}]}
"""
    found = charges(text, "t", {"a": 1})
    assert sorted(int(charge.limit.max or 0) for charge in found) == [5, 7, 9, 60, 100]
    assert len({charge.key for charge in found}) == 5


COST = "tools: {t: {rules: [{rate_limit: {max: 500.00, window: 1d, cost: args.amount}}]}}"


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (5, 5),
        (0, 0),
        (1.5, D("1.5")),
        (0.1, D("0.1")),
        (D("12.30"), D("12.30")),
        (D("1e2"), 100),
        (D("0.00000000000000000000000000000000000001"), D("1e-38")),
        (10**40, 10**40),
        (D(-0.0), 0),
    ],
)
def test_the_cost_is_the_exact_value_of_the_argument(value: Any, amount: Any) -> None:
    (charge,) = charges(COST, "t", {"amount": value})
    assert charge.amount == amount
    assert isinstance(charge.amount, int | Decimal)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.01,
        True,
        "5",
        None,
        [],
        {},
        float("nan"),
        float("inf"),
        D("NaN"),
        D("-1e-30"),
        D("1e999999"),
        10**200,
    ],
)
def test_a_cost_that_cannot_be_charged_denies(value: Any) -> None:
    decision = decide(COST, "t", {"amount": value})
    assert (decision.effect, codes(decision), decision.charges) == (Effect.DENY, [code.COST_UNUSABLE], ())


def test_an_absent_cost_denies() -> None:
    assert codes(decide(COST, "t", {})) == [code.COST_UNUSABLE]


def per(path: str = "args.v") -> str:
    return f"tools: {{'*': {{rules: [{{rate_limit: {{max: 5, window: 60, per: [{path}]}}}}]}}}}"


@pytest.mark.parametrize("value", [None, [], {}, [1], float("nan"), D("Infinity")])
def test_a_value_that_names_no_counter_denies(value: Any) -> None:
    assert codes(decide(per(), "t", {"v": value})) == [code.PER_UNUSABLE]
    assert codes(decide(per(), "t", {})) == [code.PER_UNUSABLE]


def test_equal_numbers_share_a_counter_and_other_types_do_not() -> None:
    same = {key(per(), "t", {"v": value}) for value in (1, 1.0, D("1.00"), D("10E-1"))}
    assert len(same) == 1
    different = {key(per(), "t", {"v": value}) for value in (1, "1", True, "true", "/n1", 10)}
    assert len(different) == 6
    assert same < different


def test_a_long_value_makes_a_short_key() -> None:
    first, second = (key(per(), "t", {"v": "x" * 100_000 + end}) for end in "ab")
    assert first != second
    assert len(first) < 200
    assert len(key(per(), "t", {"v": 10**3000})) < 200


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("x/y", "z", "s", "v"), ("x", "y/z", "s", "v")),
        (("x/t1:y", "z", "s", "v"), ("x", "y/t1:z", "s", "v")),
        (("x", "z", "a/b", "c"), ("x", "z", "b", "c/a")),
        (("x", "z", "1:b", "c/"), ("x", "z", "b", "c/1:")),
        (("", "/t0:", "s", "v"), ("/t0:", "", "s", "v")),
    ],
)
def test_no_value_reaches_into_the_part_of_another(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    text = "tools: {t: {rules: [{rate_limit: {max: 5, window: 60, per: [args.a, args.b]}}]}}"
    keys = {key(text, "t", {"a": a, "b": b}, session=s, server=v) for a, b, s, v in (left, right)}
    assert len(keys) == 2


scalars = st.one_of(
    st.text(max_size=5), st.integers(-3, 3), st.booleans(), st.sampled_from(["/t1:a", "1:a/", "/"])
)


@given(st.tuples(scalars, scalars, scalars, scalars), st.tuples(scalars, scalars, scalars, scalars))
def test_two_calls_share_a_counter_only_if_all_that_it_is_kept_by_is_equal(left: Any, right: Any) -> None:
    text = "tools: {t: {rules: [{rate_limit: {max: 5, window: 60, per: [args.a, args.b]}}]}}"
    compiled = policy(text)
    keys = [
        compiled.decide(Request("t", {"a": a, "b": b}, session=str(c), server=str(d))).charges[0].key
        for a, b, c, d in (left, right)
    ]
    same = all(type(a) is type(b) and a == b for a, b in zip(left[:2], right[:2], strict=True))
    assert (keys[0] == keys[1]) is (same and [str(v) for v in left[2:]] == [str(v) for v in right[2:]])


@pytest.mark.parametrize(
    ("scope", "session", "identity"),
    [("session", True, False), ("identity", False, True), ("global", False, False)],
)
def test_the_scope_says_whose_calls_share_a_counter(scope: str, session: bool, identity: bool) -> None:
    text = f"tools: {{t: {{rules: [{{rate_limit: {{max: 5, window: 60, scope: {scope}}}}}]}}}}"
    base = key(text, session="s1", identity="i1", server="a")
    assert (key(text, session="s2", identity="i1", server="a") != base) is session
    assert (key(text, session="s1", identity="i2", server="a") != base) is identity
    assert key(text, session="s1", identity="i1", server="b") != base
    assert policy(text).outlives_process is (scope != "session")


def test_a_grant_is_the_proven_identity_or_else_the_session() -> None:
    text = (
        '{"version":"1","default":"deny","tools":{"t":{"limits":'
        '[{"counter":"c","window":"minute","max":10,"scope":"grant"}]}}}'
    )
    assert key(text, session="a") != key(text, session="b")
    assert key(text, session="a", grant="ann") == key(text, session="b", grant="ann")
    assert key(text, session="ann") != key(text, session="ann", grant="ann")
    assert policy(text).outlives_process


def test_tools_under_a_pattern_share_a_counter_unless_it_is_kept_per_tool() -> None:
    shared = "tools: {'get_*': {rules: [{rate_limit: 5/minute}]}}"
    assert key(shared, "get_a") == key(shared, "get_b")
    assert key(per("tool"), "get_a") != key(per("tool"), "get_b")


@pytest.mark.parametrize("validate", ["", ", validate: {args: {a: {type: integer}}}"])
def test_calls_of_one_tool_never_spend_on_the_counter_of_another(validate: str) -> None:
    limit = "rate_limit: [{max: 5, window: 60, per: [tool]}, {max: 9, window: 60, per: [tool]}]"
    compiled = policy(f"tools: {{'get_*': {{rules: [{{{limit}{validate}}}]}}}}")
    first, second, again = (
        {charge.key for charge in compiled.decide(Request(tool, {"a": 1})).charges}
        for tool in ("get_a", "get_b", "get_a")
    )
    assert first == again
    assert len(first | second) == 4


LIMIT = "tools: {{{tool}: {{rules: [{rules}]}}}}"


def limit_id(rules: str, tool: str = "t") -> str:
    (charge,) = charges(LIMIT.format(tool=tool, rules=rules), "t", {"a": 1, "c": 2})
    return charge.limit.id


BASE = "{rate_limit: {max: 5, window: 60}}"


@pytest.mark.parametrize(
    "edited",
    [
        "{rate_limit: {max: 9, window: 60}}",
        "{rate_limit: {max: 5, window: 1m}, name: other, reason: Other.}",
        "{rate_limit: {max: 5, window: 60, scope: session}}",
        "{action: allow, rate_limit: [{max: 5, window: 60}]}",
        "{}, {rate_limit: {max: 5, window: 60}}, {when: {args.a: 5}}",
    ],
)
def test_a_counter_survives_edits_that_do_not_change_what_it_counts(edited: str) -> None:
    assert limit_id(edited) == limit_id(BASE)


@pytest.mark.parametrize(
    "edited",
    [
        "{rate_limit: {max: 5, window: 61}}",
        "{rate_limit: {max: 5, window: 60, scope: global}}",
        "{rate_limit: {max: 5, window: 60, per: [args.a]}}",
        "{rate_limit: {max: 5, window: 60, cost: args.a}}",
        "{rate_limit: {max: 5, window: 60}, when: {args.a: 1}}",
    ],
)
def test_a_limit_that_counts_something_else_has_another_counter(edited: str) -> None:
    assert limit_id(edited) != limit_id(BASE)
    assert limit_id(BASE, tool='"*"') != limit_id(BASE)


def test_conditions_name_the_same_counter_in_any_order() -> None:
    first = limit_id("{rate_limit: 5/minute, when: {args.a: 1, args.c: 2}}")
    assert first == limit_id("{rate_limit: 5/minute, when: {args.c: 2.0, args.a: 1}}")
    assert first != limit_id("{rate_limit: 5/minute, when: {args.a: 1, args.c: {gt: 1}}}")


def test_two_limits_that_count_the_same_are_told_apart_by_their_bounds_not_their_order() -> None:
    def ids(rules: str) -> dict[Any, str]:
        return {charge.limit.max: charge.limit.id for charge in charges(LIMIT.format(tool="t", rules=rules))}

    small, large = "{rate_limit: {max: 5, window: 60}}", "{rate_limit: {max: 50, window: 60}}"
    assert ids(f"{small}, {large}") == ids(f"{large}, {small}")
    assert len(set(ids(f"{small}, {large}").values())) == 2
    assert len({charge.key for charge in charges(LIMIT.format(tool="t", rules=f"{small}, {small}"))}) == 2


INTERCEPT = """
version: "1"
tools:
  pay:
    rules:
      - name: daily
        conditions: [{path: state.pay.spend, op: lte, value: 1000}]
        state: {counter: spend, window: day, increment_from: args.amount}
        on_deny: Enough for today.
  refund:
    rules:
      - name: only after paying
        conditions: [{path: state.pay.spend, op: gt, value: 0}]
      - name: all together
        conditions: [{path: state._global.all, op: lt, value: 5}]
  "*":
    rules:
      - name: count
        conditions: [{path: args.amount, op: gte, value: 0}]
        state: {counter: all, window: hour, increment: 2}
"""


def test_an_intercept_bound_on_a_rules_own_counter_is_a_limit() -> None:
    found = {charge.limit.rule: charge for charge in charges(INTERCEPT, "pay", {"amount": D("10.50")})}
    daily = found["daily"]
    assert (daily.amount, daily.limit.max, daily.limit.reason) == (D("10.50"), 1000, "Enough for today.")
    assert (found["count"].amount, found["count"].limit.max) == (2, None)


def test_a_condition_on_another_counter_guards_exactly_that_counter() -> None:
    spent = {charge.limit.rule: charge for charge in charges(INTERCEPT, "pay", {"amount": 1})}
    guards = {guard.rule: guard for guard in decide(INTERCEPT, "refund", {"amount": 1}).guards}
    for rule, counter in (("only after paying", "daily"), ("all together", "count")):
        assert guards[rule].key == spent[counter].key
        assert guards[rule].window == spent[counter].limit.window
    assert (guards["only after paying"].op, guards["only after paying"].value) == ("gt", 0)
