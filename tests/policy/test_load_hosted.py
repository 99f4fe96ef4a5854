"""The hosted JSON form: what is published of it is read, and anything else is an error that says so."""

import pytest
from marked import expect, load

from callgate.decision import CalendarWindow

LIMIT = '{"counter": "c", "window": "minute", "max": 10, "scope": "grant"}'


def test_the_whole_published_form_is_read() -> None:
    document = load(
        f"""{{
  "version": "1", "default": "deny", "hide": ["x"],
  "all_tools": {{"limits": [{LIMIT}]}},
  "tools": {{
    "listed": {{}},
    "t": {{
      "require": [{{"conditions": [{{"path": "args.a", "op": "lte", "value": 5}}], "on_deny": "too much"}}],
      "deny_if": [{{"conditions": [{{"path": "args.b", "op": "eq", "value": "no"}}], "on_deny": "not b"}}, {{}}],
      "limits": [{LIMIT.replace('"c"', '"d"')}]
    }}
  }}
}}"""
    )
    assert (document.form, document.default, document.hide[0][0]) == ("hosted", "deny", "x")
    everything, listed, tool = document.tools
    assert (everything.pattern, listed.pattern, listed.rules) == ("*", "listed", ())
    (limit,) = everything.rules[0].limits
    assert (limit.max, limit.window, limit.scope, limit.counter) == (
        10,
        CalendarWindow("minute"),
        "grant",
        "c",
    )
    require, forbid, always, limits = tool.rules
    assert (require.require[0].op, require.reason) == ("lte", "too much")
    assert (forbid.forbid[0][0].value, forbid.reason) == ("no", "not b")
    assert always.forbid == ((),)
    assert limits.limits[0].counter == "d"


def _denied_if(condition: str) -> str:
    return f'{{"version": "1", "tools": {{"t": {{"deny_if": [{{"conditions": [{condition}]}}]}}}}}}'


def _limited(limit: str) -> str:
    return f'{{"version": "1", "all_tools": {{"limits": [{limit}]}}}}'


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ('{"version": "1", «"description"»: "x", "all_tools": {}}', "POL001 | all that is published"),
        ('{"version": "1", "all_tools": {«"require"»: []}}', "POL001 in `all_tools` | all that is published"),
        (
            '{"version": "1", "tools": {"t": {"limits": [], «"schedule"»: {}}}}',
            "POL001 | all that is published",
        ),
        ('{"version": "1", "tools": {"t": {"deny_if": [{«"condition"»: []}]}}}', "POL001 | `conditions`"),
        ('{"version": "1", "tools": {"t": {"require": [«{"on_deny": "x"}»]}}}', "POL004 needs `conditions`"),
        ('{"version": "1", "tools": {"t": {"require": [{"conditions": «[]»}]}}}', "POL027 is empty"),
        ('{"version": "1", "tools": {"t": {"require": «{}»}}}', "POL002 must be a list"),
        (
            _denied_if('{"path": «"a"», "op": "eq", "value": 1}'),
            "POL040 | `args.`",
        ),
        (
            _denied_if('{"path": "args.a", "op": «"=="», "value": 1}'),
            "POL041 `==`",
        ),
        (
            _denied_if('«{"path": "args.a", "op": "eq"}»'),
            "POL004 `value`",
        ),
        ('{"version": "1", "tools": {"s": {"limits": []}, "t": «5»}}', "POL002 tool `t` must be a mapping"),
        ('{"version": "1", "tools": {«"t_*"»: {"limits": []}}}', "POL074 `t_*`"),
        (
            _limited('«{"counter": "c", "window": "day", "max": 1}»'),
            "POL004 needs `scope`",
        ),
        (
            _limited('{"counter": "c", "window": "day", "max": 1, "scope": «"global"»}'),
            "POL003 must be `grant`",
        ),
        (
            _limited('{"counter": "c", "window": «"week"», "max": 1, "scope": "grant"}'),
            "POL003 `week`",
        ),
        (
            _limited('{"counter": "c", "window": "day", "max": «1.5», "scope": "grant"}'),
            "POL052",
        ),
    ],
)
def test_each_mistake_is_found_in_its_place(marked: str, wanted: str) -> None:
    expect(marked, wanted)


def test_the_star_is_no_tool_here() -> None:
    expect('{"version": "1", "tools": {«"*"»: {"limits": []}}}', "POL074 | `all_tools`")


def test_a_counter_with_two_limits_is_refused_because_sharing_is_not_published() -> None:
    expect(
        f'{{"version": "1",\n "all_tools": {{"limits": [{LIMIT}]}},\n'
        ' "tools": {"t": {"limits": [{"counter": «"c"», "window": "day", "max": 1, "scope": "grant"}]}}}',
        "POL071 `c` | line 2",
    )


def test_json_with_tabs_and_escapes_is_read() -> None:
    document = load(
        '{\n\t"version": "1",\n\t"tools": {"t": {"deny_if": [{"on_deny": "a\\"b\\/\\u00e9"}]}}\n}'
    )
    assert document.tools[0].rules[0].reason == 'a"b/é'
