"""Values that servers may read otherwise than they are written: numbers that are no doubles, and other types."""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from judging import codes, decide, effect

from callgate import denial_codes as code
from callgate.decision import Effect
from callgate.policy.model import Operator
from callgate.policy.numbers import cost, doubles, exact
from callgate.policy.operators import compile_operator
from callgate.policy.toolschema import ToolSchema

D = Decimal
DENY, ALLOW = Effect.DENY, Effect.ALLOW
PAY = """
default: deny
tools:
  pay:
    rules:
      - action: deny
        when: {args.amount: {gte: 500}}
      - action: deny
        when: {args.account: {eq: 7}}
      - rate_limit: {max: 1, window: 1h, per: args.account}
"""


@pytest.mark.parametrize(
    ("amount", "account", "denied"),
    [
        (D("499.99999999999999999999"), 1, True),
        (D("500.00000000000000000001"), 1, True),
        (D("499.9900000000000000000001"), 1, False),
        (D("0.30000000000000000001"), 1, False),
        (1, D("7.0000000000000000001"), True),
        (1, D("7.1000000000000000000001"), False),
        (1, 123456789012345678901234567890, False),
        (499.99, 6.5, False),
    ],
)
def test_a_number_is_judged_by_what_it_may_be_executed_as(amount: Any, account: Any, denied: bool) -> None:
    assert effect(PAY, "pay", {"amount": amount, "account": account}) is (DENY if denied else ALLOW)


def test_integers_that_are_one_double_are_told_apart_only_where_the_policy_need_not_know() -> None:
    text = "tools: {t: {rules: [{action: deny, when: {args.a: 12345678901234567890}}]}}"
    # 12345678901234567000 is how a reader with doubles writes the same number.
    for a in (12345678901234567890, 12345678901234567891, 12345678901234567000):
        assert effect(text, "t", {"a": a}) is DENY
    assert effect(text, "t", {"a": 12345678901234600000}) is ALLOW
    allows = "default: deny\ntools: {t: {rules: [{when: {args.a: [123456789012345678901234567890]}}]}}"
    assert effect(allows, "t", {"a": 123456789012345678901234567890}) is ALLOW
    assert effect(allows, "t", {"a": 123456789012345678901234567891}) is DENY


def test_values_that_are_one_double_share_a_counter() -> None:
    def key(account: Any) -> str:
        (charge,) = decide(PAY, "pay", {"amount": 1, "account": account}).charges
        return charge.key

    assert len({key(D(f"9.{'0' * 20}{digit}")) for digit in range(5)} | {key(9), key(9.0)}) == 1
    assert key(10**30) == key(10**30 + 1) == key(1e30)
    assert key(2**53 - 1) != key(2**53)


def test_a_cost_is_charged_by_its_larger_reading() -> None:
    text = "tools: {t: {rules: [{rate_limit: {max: 9, window: 1h, cost: args.a}}]}}"
    for a, charged in (
        (D("0.99999999999999999999"), 1),
        (D("1.00000000000000000001"), None),
        (0.1, D("0.1")),
    ):
        (charge,) = decide(text, "t", {"a": a}).charges
        assert charge.amount == (a if charged is None else charged)


SCHEMAS = [
    ("exclusiveMaximum: 5", D("4.99999999999999999999"), False),
    ("maximum: 5", D("5.00000000000000000001"), False),
    ("type: integer", D("5.00000000000000000001"), False),
    ("type: integer", 10**30 + 1, True),
    ("maximum: 5", D("4.50000000000000000001"), True),
]


@pytest.mark.parametrize(("schema", "value", "valid"), SCHEMAS)
def test_an_argument_must_be_valid_in_both_readings(schema: str, value: Any, valid: bool) -> None:
    text = (
        f"tools: {{t: {{rules: [{{validate: {{args: {{a: {{{schema}}}, b: {{items: {{{schema}}}}}}}}}}}]}}}}"
    )
    for arguments in ({"a": value}, {"b": [value]}, {"b": [5, value]}):
        assert codes(decide(text, "t", arguments)) == ([] if valid else [code.ARGUMENT_INVALID])


def test_arguments_must_satisfy_the_tools_own_schema_in_both_readings() -> None:
    text = "tools: {t: {rules: [{validate: {schema: true}}]}}"
    schema = ToolSchema({"properties": {"a": {"properties": {"b": {"exclusiveMaximum": 5}}}}})
    for b, valid in ((D("4.99999999999999999999"), False), (D("4.50000000000000000001"), True), (4, True)):
        decision = decide(text, "t", {"a": {"b": b}}, schema=schema)
        assert codes(decision) == ([] if valid else [code.ARGUMENT_INVALID])


@pytest.mark.parametrize("force", ["true", 1, "on", True, [True], None, D("1.0")])
def test_a_deny_rule_is_not_evaded_by_a_value_of_another_type(force: Any) -> None:
    text = "tools: {t: {rules: [{action: deny, when: {args.force: true}}]}}"
    assert effect(text, "t", {"force": force}) is DENY
    assert effect(text, "t", {"force": False}) is ALLOW


def test_an_allow_rule_allows_nothing_by_a_value_of_another_type() -> None:
    text = "default: deny\ntools: {t: {rules: [{when: {args.mode: {neq: 5}}}]}}"
    assert effect(text, "t", {"mode": 4}) is ALLOW
    assert effect(text, "t", {"mode": "4"}) is DENY


numbers = st.one_of(
    st.integers(-(10**25), 10**25),
    st.floats(-1e25, 1e25),
    st.decimals(-(10**10), 10**10, places=20),
    st.builds(
        lambda whole, end: whole + D(end).scaleb(-25), st.integers(-(10**4), 10**4), st.integers(-2, 2)
    ),
)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


@given(st.sampled_from(sorted(SIGNS)), numbers, numbers)
@example("gte", 500, D("499.99999999999999999999"))
@example("eq", 2**53 + 1, 2**53)
def test_what_is_certain_of_numbers_is_so_exactly_and_as_doubles(
    op: Operator, operand: Any, value: Any
) -> None:
    holds = compile_operator(op, exact(operand))(value)
    readings = {SIGNS[op](exact(value), exact(operand)), SIGNS[op](float(value), float(operand))}
    assert holds is (readings.pop() if len(readings) == 1 else None)


@given(st.lists(numbers, max_size=4), numbers)
def test_membership_is_certain_only_if_it_is_so_in_both_readings(operands: list[Any], value: Any) -> None:
    options: list[Any] = [exact(each) for each in operands]
    holds = compile_operator("in", options)(value)
    readings = {exact(value) in options, float(value) in map(float, options)}
    assert holds is (
        None if not options and holds is None else readings.pop() if len(readings) == 1 else None
    )


@given(numbers.filter(lambda number: number == 0 or number > 1e-50))
def test_no_reading_costs_more_than_is_charged(value: Any) -> None:
    charged = cost(value)
    number = exact(value)
    assert charged is not None
    assert number is not None
    assert charged >= number
    assert float(charged) == float(value)
    assert charged >= D(repr(float(value)))


@given(
    st.recursive(
        st.one_of(st.text(max_size=2), st.booleans(), st.none(), numbers),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3)
        ),
    )
)
def test_the_second_reading_differs_in_numbers_alone_and_is_no_copy_without_need(value: Any) -> None:
    second = doubles(value)
    assert doubles(second) is second
    assert second is value or second != value

    def floats(each: Any) -> Any:
        if isinstance(each, dict):
            return {key: floats(item) for key, item in each.items()}
        if isinstance(each, list):
            return list(map(floats, each))
        return each if isinstance(each, bool | str) or each is None else float(each)

    assert floats(second) == floats(value)


scalars = st.one_of(st.text(max_size=2), st.booleans(), st.integers(-1, 2))


def kind(value: Any) -> str:
    return "number" if type(value) in (int, float, Decimal) else type(value).__name__


@given(st.sampled_from(["eq", "neq"]), scalars, scalars)
def test_scalars_of_different_types_are_neither_equal_nor_unequal(
    op: Operator, operand: Any, value: Any
) -> None:
    holds = compile_operator(op, operand)(value)
    assert (holds is None) is (kind(operand) != kind(value))


@given(st.lists(st.one_of(scalars, st.none()), max_size=3), scalars)
def test_a_list_is_certain_about_the_types_that_it_holds(options: list[Any], value: Any) -> None:
    same = [option for option in options if kind(option) == kind(value)]
    others = [option for option in options if option is not None]
    wanted = value in same if same or not others else None
    assert compile_operator("in", options)(value) is wanted
    assert compile_operator("not_in", options)(value) is (None if wanted is None else not wanted)
