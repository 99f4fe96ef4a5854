"""Intercept's published form: read unchanged, in its own meaning, with its holes closed."""

from decimal import Decimal

import pytest
from marked import expect, load

from callgate.decision import CalendarWindow
from callgate.policy.model import Count, StateBound


def _rule_file(rule: str) -> str:
    return f'version: "1"\ntools:\n  pay:\n    rules:\n      - {rule}\n'


def test_conditions_say_what_must_hold() -> None:
    document = load(
        _rule_file("{name: cap, conditions: [{path: args.a.b, op: lte, value: 5.5}], on_deny: Too much}")
    )
    (rule,) = document.tools[0].rules
    (condition,) = rule.require
    assert (condition.path, condition.op, condition.value) == (("args", "a", "b"), "lte", Decimal("5.5"))
    assert (rule.name, rule.action, rule.when, rule.reason) == ("cap", "allow", (), "Too much")


@pytest.mark.parametrize(
    ("op", "value"),
    [("eq", "main"), ("neq", "1"), ("in", "[a]"), ("not_in", "[1]"), ("lt", "1"), ("lte", "1.5"), ("gt", "0"),
     ("gte", "-1"), ("regex", "'^feat/'"), ("contains", "test"), ("exists", "false")],
)  # fmt: skip
def test_all_eleven_operators_are_read(op: str, value: str) -> None:
    document = load(_rule_file(f"{{name: n, conditions: [{{path: args.x, op: {op}, value: {value}}}]}}"))
    assert document.tools[0].rules[0].require[0].op == op


@pytest.mark.parametrize("unit", ["minute", "hour", "day"])
def test_the_short_limit_counts_in_calendar_windows_for_everybody(unit: str) -> None:
    (limit,) = load(_rule_file(f"{{name: n, rate_limit: 5/{unit}}}")).tools[0].rules[0].limits
    assert limit.window.unit == unit if isinstance(limit.window, CalendarWindow) else False
    assert (limit.max, limit.scope, limit.strict, limit.counter) == (5, "global", False, f"pay._rate_{unit}")


@pytest.mark.parametrize(("op", "strict"), [("lt", True), ("lte", False)])
def test_an_upper_bound_on_the_rules_own_counter_is_a_limit(op: str, strict: bool) -> None:
    document = load(
        f"""
version: "1"
tools:
  pay:
    rules:
      - name: daily
        conditions: [{{path: state.pay.spend, op: {op}, value: 100.50}}]
        state: {{counter: spend, window: day, increment_from: args.amount}}
"""
    )
    (rule,) = document.tools[0].rules
    (limit,) = rule.limits
    assert (limit.max, limit.strict, limit.cost) == (Decimal("100.50"), strict, ("args", "amount"))
    assert (limit.window, limit.counter, limit.scope) == (CalendarWindow("day"), "pay.spend", "global")
    assert (rule.state_bounds, rule.counts, rule.require) == ((), (), ())


def test_a_fixed_increment_is_exact() -> None:
    document = load(
        _rule_file(
            "{name: n, conditions: [{path: state.pay.c, op: lte, value: 10}], "
            "state: {counter: c, window: hour, increment: 2.5}}"
        )
    )
    assert document.tools[0].rules[0].limits[0].amount == Decimal("2.5")


def test_under_the_wildcard_counters_belong_to_all_tools() -> None:
    document = load(
        """
version: "1"
tools:
  "*":
    rules:
      - name: n
        conditions: [{path: state._global.c, op: lt, value: 60}]
        state: {counter: c, window: minute}
"""
    )
    assert document.tools[0].rules[0].limits[0].counter == "_global.c"


def test_other_conditions_on_counters_are_bounds_and_a_counter_without_one_is_counted() -> None:
    document = load(
        """
version: "1"
tools:
  read:
    rules:
      - name: count
        conditions: [{path: state.read.seen, op: gte, value: 0}, {path: args.x, op: exists, value: true}]
        state: {counter: seen, window: hour, increment: 3}
  send:
    rules:
      - name: after reading
        conditions: [{path: state.read.seen, op: lt, value: 1}]
"""
    )
    read, send = (tool.rules[0] for tool in document.tools)
    (count,) = read.counts
    assert isinstance(count, Count)
    assert (count.counter, count.window, count.increment) == ("read.seen", CalendarWindow("hour"), 3)
    assert (read.limits, send.limits, send.counts) == ((), (), ())
    for rule, op, value in ((read, "gte", 0), (send, "lt", 1)):
        (bound,) = rule.state_bounds
        assert isinstance(bound, StateBound)
        assert (bound.tool, bound.counter, bound.op, bound.value) == ("read", "seen", op, value)
        assert (bound.window, bound.scope) == (CalendarWindow("hour"), "global")


def test_only_the_first_upper_bound_is_the_limit() -> None:
    document = load(
        _rule_file(
            "{name: n, conditions: [{path: state.pay.c, op: lt, value: 10}, {path: state.pay.c, op: lte, value: 5}], "
            "state: {counter: c, window: hour}}"
        )
    )
    (rule,) = document.tools[0].rules
    assert [(limit.max, limit.strict) for limit in rule.limits] == [(10, True)]
    assert [(bound.op, bound.value) for bound in rule.state_bounds] == [("lte", 5)]


def test_what_is_null_counts_as_absent_and_any_single_value_as_text() -> None:
    document = load(
        "version: 1\ndescription:\nhide:\ntools:\n  a:\n  b: {rules: }\n  c:\n    rules:\n"
        "      - {name: 5, action: deny, conditions: , on_deny: true, state: }\n"
    )
    assert [tool.pattern for tool in document.tools] == ["a", "b", "c"]
    rule = document.tools[2].rules[0]
    assert (rule.name, rule.action, rule.reason) == ("5", "deny", "true")


def test_the_star_hides_every_tool() -> None:
    assert load('version: "1"\nhide: ["*"]').hide[0][0] == "*"


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("«{action: deny}»", "POL004 `name`"),
        ("{name: «''», action: deny}", "POL005 must not be empty"),
        ("«{name: n}»", "POL073 needs a condition"),
        ("«{name: n, conditions: []}»", "POL073"),
        ("{name: n, action: deny, «conditions»: [{path: args.a, op: eq, value: 1}]}", "POL007"),
        ("{name: n, «rate_limit»: 5/hour, state: {counter: c, window: day}}", "POL007 cannot be combined"),
        ("{name: n, action: deny, «rate_limit»: 5/hour}", "POL007"),
        ("{name: n, rate_limit: «five/hour»}", "POL050"),
        ("{name: n, rate_limit: «0/hour»}", "POL050"),
        ("{name: n, rate_limit: «-1/hour»}", "POL050"),
        ("{name: n, rate_limit: «5/week»}", "POL050 unknown window `week`"),
        ("{name: n, rate_limit: «5 / hour»}", "POL050"),
        ("{name: n, rate_limit: «5»}", "POL050"),
        ("{name: n, conditions: [{path: «foo.bar», op: eq, value: 1}]}", "POL040 | `args.` or `state.`"),
        ("{name: n, conditions: [{path: «identity», op: eq, value: 1}]}", "POL040"),
        ("{name: n, conditions: [{path: args.a, op: «is», value: 1}]}", "POL041 `is`"),
        ("{name: n, conditions: [«{op: eq, value: 1}»]}", "POL004 `path`"),
        ("{name: n, conditions: [«{path: args.a, value: 1}»]}", "POL004 `op`"),
        ("{name: n, conditions: [«{path: args.a, op: eq}»]}", "POL004 `value`"),
        ("{name: n, conditions: [{path: args.a, op: in, value: «x»}]}", "POL042 needs a list"),
        ("{name: n, conditions: [{path: args.a, op: lt, value: «'5'»}]}", "POL042 needs a number"),
        ("{name: n, conditions: [{path: args.a, op: exists, value: «yes»}]}", "POL042 true or false"),
        ("{name: n, conditions: [{path: args.a, op: regex, value: «'[invalid('»}]}", "POL043 missing ]"),
        ("{name: n, conditions: [{path: «state.pay.c», op: lt, value: 1}]}", "POL070 counts `state.pay.c`"),
        ("{name: n, action: deny, state: «{window: day}»}", "POL004 `counter`"),
        ("{name: n, action: deny, state: «{counter: c}»}", "POL004 `window`"),
        ("{name: n, action: deny, state: {counter: c, window: «week»}}", "POL003 `week`"),
        ("{name: n, action: deny, state: {counter: c, window: day, increment: «-1»}}", "POL075"),
        ("{name: n, action: deny, state: {counter: c, window: day, increment: «0»}}", "POL075"),
        ("{name: n, action: deny, state: {counter: c, window: day, increment_from: «amount»}}", "POL040"),
        ("{name: n, action: deny, «on_deni»: x}", "POL001 | `on_deny`"),
        (
            "{name: n, conditions: [{path: state.pay.c, op: «regex», value: x}], state: {counter: c, window: day}}",
            "POL072 `regex`",
        ),
    ],
)
def test_each_mistake_is_found_in_its_place(rule: str, wanted: str) -> None:
    expect(_rule_file(rule), wanted)


def test_a_path_to_the_wildcards_own_counter_is_explained() -> None:
    expect(
        """\
version: "1"
tools:
  "*":
    rules:
      - name: n
        conditions: [{path: «state.*.c», op: lt, value: 60}]
        state: {counter: c, window: minute}
""",
        "POL070 | `state._global.c`",
    )


def test_two_rules_with_one_counter_are_an_error() -> None:
    expect(
        'version: "1"\ntools:\n  t:\n    rules:\n      - {name: a, rate_limit: 5/hour}\n'
        "      - {name: b, rate_limit: «9/hour»}\n      - {name: c, rate_limit: 9/day}\n",
        "POL071 `_rate_hour` | line 5",
    )


def test_patterns_are_refused_because_names_are_exact_in_this_form() -> None:
    expect(
        'version: "1"\nhide: [«drop_*»]\ntools:\n  «delete_*»: {rules: []}\n  "*": {rules: []}\n',
        "POL074 `drop_*`",
        "POL074 `delete_*` | native form",
    )


def test_a_tool_hidden_twice_is_an_error() -> None:
    expect('version: "1"\nhide: [a, b, «a»]\n', "POL008 `a` is hidden twice")
