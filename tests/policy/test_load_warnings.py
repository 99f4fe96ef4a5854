"""Warnings: what can never matter, and only where that is certain."""

import pytest
from marked import expect, findings


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        (
            "tools:\n  t:\n    rules:\n      - {action: deny}\n      - «{rate_limit: 5/s}»",
            "POL101 `t` is always denied | line 4",
        ),
        (
            'tools:\n  "*":\n    rules: [{action: deny}]\n  t:\n    rules: [«{rate_limit: 5/s}»]',
            "POL101 `t` is always denied | line 3",
        ),
        (
            'tools:\n  "get_*":\n    rules: [{action: deny}]\n  get_x:\n    rules: [«{rate_limit: 5/s}»]',
            "POL101 `get_x`",
        ),
        ("tools: {t: {rules: [{when: {args.a: {gt: 5, lt: «5»}}}]}}", "POL102 meets both `gt` and `lt`"),
        ("tools: {t: {rules: [{when: {args.a: {lte: 1, gte: «2»}}}]}}", "POL102"),
        ("tools: {t: {rules: [{when: {args.a: {eq: 1, in: «[2, 3]»}}}]}}", "POL102"),
        ("tools: {t: {rules: [{when: {args.a: {eq: x, neq: y, in: «[]»}}}]}}", "POL102 empty list"),
        ("tools: {t: {rules: [{when: {args.a: {eq: 1, gt: «1»}}}]}}", "POL102"),
        ("hide: [t]\ntools: {«t»: {rules: [{rate_limit: 5/s}]}}", "POL103 `t` | line 1"),
        ("hide: ['t*']\ntools: {«tx»: {rules: [{rate_limit: 5/s}]}}", "POL103 `tx`"),
        ("hide: [a, b, «a»]", "POL104 `a` is hidden twice"),
        ("tools:\n  t:\n    rules:\n      - {action: deny}\n      - «{action: deny}»", "POL105 | line 4"),
        (
            "tools:\n  t:\n    rules:\n      - {rate_limit: 10/minute}\n      - «{rate_limit: 10/60s}»",
            "POL105 | line 4",
        ),
        ('default: deny\ntools: {a: {rules: []}, "*": {rules: [«{action: allow}»]}}', "POL106 lists no tool"),
        ("tools: {t: {rules: [{rate_limit: [5/minute, «10/s»]}]}}", "POL107 | line 1"),
        ("tools: {t: {rules: [{rate_limit: [5/s, «5/s»]}]}}", "POL107"),
        ("tools: {t: {rules: [{rate_limit: «0/s»}]}}", "POL108 | `action: deny`"),
        ("default: deny # a«\u202e»b\ntools: {a: {rules: []}}", "POL109 invisible"),
        ('default: deny\ntools: {«"*"»: {rules: [{rate_limit: 5/s}]}}', "POL110 every call is denied"),
        ("tools: {t: {rules: [«{reason: x}»]}}", "POL111 never shown"),
        (
            "default: deny\ntools: {a: {rules: []}, «t»: {rules: [{action: deny, when: {args.a: 1}}]}}",
            "POL112 `t` can never be allowed | {action: allow}",
        ),
        (
            "tools: {t: {rules: [{rate_limit: «{max: 5, window: 60, per: [tool, args.a]}»}]}}",
            "POL113 each new value of `args.a` gets a full budget, and spelling counts | {args: {a: {enum: […]}}}",
        ),
        (
            "tools: {t: {rules: [{validate: {args: {a: {type: string}}}, when: {args.a: {exists: true}}, "
            "rate_limit: «{max: 5, window: 60, per: args.a}»}]}}",
            "POL113",
        ),
        (
            "tools: {t: {rules: [{rate_limit: [9/m, «{max: 5, window: 60, per: args.a, cost: args.b}»]}]}}",
            "POL113",
        ),
        (
            "tools: {t: {rules: [{action: deny, when: {args.a: {regex: «'rm .*-rf'»}}}]}}",
            "POL114 a line break in the text evades | (?s)",
        ),
        ("tools: {t: {rules: [{action: deny, when: {args.a: {regex: «'[.*]^.+x'»}}}]}}", "POL114"),
    ],
)
def test_what_never_matters_is_warned_of_in_its_place(marked: str, wanted: str) -> None:
    expect(marked, wanted)


def test_default_deny_with_no_tool_at_all_is_warned_of() -> None:
    assert [each.code for each in findings("default: deny")] == ["POL110"]


@pytest.mark.parametrize(
    "text",
    [
        "tools: {t: {rules: [{action: deny, when: {args.a: 1}}, {rate_limit: 5/s}]}}",
        'tools: {"get_*": {rules: [{action: deny, when: {args.a: 1}}]}, get_x: {rules: [{rate_limit: 5/s}]}}',
        'tools: {"get_*": {rules: [{rate_limit: 5/s}]}, get_x: {rules: [{action: deny}]}}',
        "tools: {t: {rules: [{when: {args.a: {gte: 5, lte: 5}}}]}}",
        "tools: {t: {rules: [{when: {args.a: {gt: 1, lt: 2}}}]}}",
        "tools: {t: {rules: [{when: {args.a: 1, args.b: 2}}]}}",
        "tools: {t: {rules: [{when: {args.a: {eq: '1', in: [1]}}}]}}",
        "hide: ['t*']\ntools: {s: {rules: [{rate_limit: 5/s}]}}",
        "tools: {t: {rules: [{rate_limit: [5/s, 100/minute]}]}}",
        "tools: {t: {rules: [{rate_limit: [5/minute, {max: 10, window: 1s, scope: global}]}]}}",
        "tools: {t: {rules: [{rate_limit: [5/minute, {max: 10, window: 1s, per: args.a}]}]}}",
        "tools: {t: {rules: [{action: deny, when: {args.a: 1}}, {action: deny, when: {args.a: '1'}}]}}",
        'default: deny\ntools: {a: {rules: []}, "*": {rules: [{rate_limit: 5/s}]}}',
        'default: allow\ntools: {"*": {rules: [{action: allow}]}}',
        "tools: {t: {rules: [{action: deny, reason: x}, {action: deny, reason: y}]}}",
        "tools: {t: {rules: [{rate_limit: 5/s, reason: x}]}}",
        "default: deny\ntools: {t: {rules: [{action: deny, reason: x}]}}",
        "default: deny\ntools: {'t*': {rules: []}, t: {rules: [{action: deny, when: {args.a: 1}}]}}",
        "default: deny\ntools: {'t*': {rules: [{action: deny, when: {args.a: 1}}]}, t: {rules: []}}",
        "default: deny\ntools: {t: {rules: [{action: deny, when: {args.a: 1}}, {rate_limit: 5/s}]}}",
        "default: deny\ntools: {t: {rules: [{action: require_approval, when: {args.a: 1}}]}}",
        "tools: {t: {rules: [{action: deny, when: {args.a: 1}}]}}",
        "tools: {t: {rules: [{validate: {args: {a: {enum: [x]}}}}, "
        "{rate_limit: {max: 5, window: 60, per: args.a}}]}}",
        "tools: {t: {rules: [{action: deny, when: {args.a: {not_in: [x]}}}, "
        "{rate_limit: {max: 5, window: 60, per: args.a}}]}}",
        "tools: {t: {rules: [{when: {args.a: [x, y]}, rate_limit: {max: 5, window: 60, per: args.a}}]}}",
        "tools: {t: {rules: [{validate: {args: {a: {properties: {b: {pattern: ^x$}}}}}, "
        "rate_limit: {max: 5, window: 60, per: args.a.b}}]}}",
        "tools: {t: {rules: [{rate_limit: {max: 5, window: 60, per: [tool, identity]}}]}}",
        *(
            f"tools: {{t: {{rules: [{{action: deny, when: {{args.a: {{regex: '{expression}'}}}}}}]}}}}"
            for expression in (
                "(?s)a.*b",
                "(?is)a.+b",
                "a(?s:.*)b",
                "a[.*]b",
                "[].*]",
                "[^].+]",
                "a\\.*b",
                "a.b",
                ".*rm.*",
                "a[^x]*b",
            )
        ),
        "tools: {t: {rules: [{when: {args.a: {regex: 'a.*b'}}}]}}",
    ],
)
def test_what_may_matter_is_not_warned_of(text: str) -> None:
    assert findings(text) == ()
