"""The native form: what it means, and where each mistake is shown."""

from decimal import Decimal

import pytest
from marked import expect, load

from callgate.decision import SlidingWindow
from callgate.policy.model import Validate

PUBLISHED = """\
tools:
  asyncExecuteCode:
    rules:
      - action: allow
        rate_limit:
          max: 10
          window: 60
        validate:
          required_args: true
"""


def test_the_published_tool_policy_loads_and_means_what_it_says() -> None:
    document = load(PUBLISHED)
    assert (document.form, document.default, document.warnings) == ("native", "allow", ())
    (tool,) = document.tools
    (rule,) = tool.rules
    (limit,) = rule.limits
    assert (tool.pattern, rule.action) == ("asyncExecuteCode", "allow")
    assert (limit.max, limit.window, limit.scope) == (10, SlidingWindow(60_000), "session")
    assert isinstance(rule.validate, Validate)
    assert (rule.validate.required_args, rule.validate.schema, rule.validate.args) == (True, False, ())


def test_a_deny_rule_with_a_reason_loads() -> None:
    (tool,) = load('tools:\n  drop:\n    rules:\n      - action: deny\n        reason: "No."\n').tools
    assert (tool.rules[0].action, tool.rules[0].reason) == ("deny", "No.")


def test_every_part_of_a_rule_is_read() -> None:
    document = load(
        """
description: all of it
default: deny
hide: [drop_*, secret]
allow_methods: [example.com/*]
tools:
  create_*:
    rules:
      - name: whole
        action: require_approval
        when:
          args.branch: main
          args.kind: [bug, task]
          args.amount: {gt: 1, lte: 5.50}
          identity: {neq: root}
          args.deep.er: {exists: true}
        validate: {required_args: true, schema: true, args: {n: {type: integer, maximum: 2.5}}}
        reason: ask
"""
    )
    assert [pattern for pattern, _ in document.hide] == ["drop_*", "secret"]
    assert document.allow_methods == ("example.com/*",)
    assert document.description == "all of it"
    (rule,) = document.tools[0].rules
    assert (rule.name, rule.action, rule.reason) == ("whole", "require_approval", "ask")
    assert [(each.path, each.op, each.value) for each in rule.when] == [
        (("args", "branch"), "eq", "main"),
        (("args", "kind"), "in", ["bug", "task"]),
        (("args", "amount"), "gt", 1),
        (("args", "amount"), "lte", Decimal("5.50")),
        (("identity",), "neq", "root"),
        (("args", "deep", "er"), "exists", True),
    ]
    assert rule.validate
    assert rule.validate.args == (("n", {"type": "integer", "maximum": Decimal("2.5")}),)


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("«tool»: {}\ndefault: deny\ntools: {a: {rules: []}}", "POL001 at the top of the file | `tools`"),
        ("default: «denyy»\ntools: {a: {rules: []}}", "POL003 found `denyy` | `deny`"),
        ("default: «Deny»\ntools: {a: {rules: []}}", "POL003 found `Deny` | `deny`"),
        ("default: allow\nhide: «drop»", "POL002 `hide` must be a list"),
        ("hide: [a, «''»]", "POL005 must not be empty"),
        ("hide: [a, «5»]", "POL002 must be text | quote it"),
        ('hide: [«"a\\tb"», c]', "POL005 cannot be seen"),
        ("«tools»:\ndefault: deny", "POL002 `tools` must be a mapping, found nothing"),
        ("tools:\n  «t»:\n", "POL002 tool `t` must be a mapping, found nothing | rules: []"),
        ("tools:\n  «t»: {}\n", "POL004 needs `rules` | `rules: []`"),
        ("tools:\n  t: «[{action: deny}]»\n", "POL002 found a list"),
        ("tools: {t: {«action»: deny}}", "POL001 in tool `t` | `rules: [{action: …}]`"),
        ("tools: {t: {rules: «deny»}}", "POL002 `rules` of `t` must be a list"),
        ("tools: {t: {rules: [«deny»]}}", "POL002 a rule of `t` must be a mapping | `- action: deny`"),
        ("tools: {«'x[ab'»: {rules: []}}", "POL006 never closed"),
        ("tools: {«''»: {rules: []}}", "POL005"),
        ('tools: {«"a\\u202eb"»: {rules: []}}', "POL005 `a\\u202eb`"),
        ("tools: {t: {rules: [{«rate_limt»: 5/hour}]}}", "POL001 in a rule of `t` | `rate_limit`"),
        ("tools: {t: {rules: [{«required_args»: true}]}}", "POL001 | `validate: {required_args: …}`"),
        ("tools: {t: {rules: [{«max»: 5}]}}", "POL001 | `rate_limit: {max: …}`"),
        ("tools: {t: {rules: [{action: «alow»}]}}", "POL003 | `allow`"),
        ("tools: {t: {rules: [{action: «block»}]}}", "POL003 | write `deny`"),
        ("tools: {t: {rules: [{action: «no»}]}}", "POL003 found `no`"),
        ("tools: {t: {rules: [{action: «true»}]}}", "POL002 `action` must be text"),
        (
            "tools: {t: {rules: [{action: deny, «rate_limit»: 5/hour}]}}",
            "POL007 deny rule cannot have `rate_limit`",
        ),
        ("tools: {t: {rules: [{action: deny, «validate»: {schema: true}}]}}", "POL007 `validate`"),
        ("tools: {t: {rules: [{name: «''»}]}}", "POL005 `name`"),
        ("tools: {t: {rules: [{action: deny, reason: «5»}]}}", "POL002 `reason` must be text"),
        ("tools: {t: {rules: [{when: «{}»}]}}", "POL027 `when` is empty"),
        ("tools: {t: {rules: [{when: {«amount»: 5}}]}}", "POL040 `amount` | `args.amount`"),
        ("tools: {t: {rules: [{when: {«arg.amount»: 5}}]}}", "POL040 | `args.amount`"),
        ("tools: {t: {rules: [{when: {«args»: 5}}]}}", "POL040 `args`"),
        ("tools: {t: {rules: [{when: {«args.a..b»: 5}}]}}", "POL040 | must not be empty"),
        ("tools: {t: {rules: [{when: {«identiy»: x}}]}}", "POL040 | `identity`"),
        ("tools: {t: {rules: [{when: {«tool.name»: x}}]}}", "POL040 | has no parts"),
        ("tools: {t: {rules: [{when: {args.a: «{}»}}]}}", "POL027 no operator"),
        ("tools: {t: {rules: [{when: {args.a: {«equals»: 1}}}]}}", "POL041 `equals`"),
        ("tools: {t: {rules: [{when: {args.a: {«not-in»: [1]}}}]}}", "POL041 | `not_in`"),
        ("tools:\n  t:\n    rules:\n      - when:\n          «args.a»:\n", "POL042 has no value | `null`"),
        ("tools: {t: {rules: [{when: {args.a: {lt: «'5'»}}}]}}", "POL042 needs a number | without quotes"),
        ("tools: {t: {rules: [{when: {args.a: {lt: «true»}}}]}}", "POL042 needs a number"),
        ("tools: {t: {rules: [{when: {args.a: {in: «x»}}}]}}", "POL042 needs a list | `[x]`"),
        ("tools: {t: {rules: [{when: {args.a: {exists: «yes»}}}]}}", "POL042 needs true or false"),
        ("tools: {t: {rules: [{when: {args.a: {regex: «5»}}}]}}", "POL042 needs a regular expression"),
        ("tools: {t: {rules: [{when: {args.a: {regex: «'[a'»}}}]}}", "POL043 missing ]"),
        (
            "tools: {t: {rules: [{when: {args.a: {regex: «'(?=a)'»}}}]}}",
            "POL043 RE2 has no look-around (`(?=`)",
        ),
        ("tools: {t: {rules: [{validate: «{}»}]}}", "POL027 `validate` is empty"),
        ("tools: {t: {rules: [{validate: {«required_arg»: true}}]}}", "POL001 | `required_args`"),
        ("tools: {t: {rules: [{validate: {schema: «yes»}}]}}", "POL002 | write `true`"),
        ("tools: {t: {rules: [{validate: {args: «{}»}}]}}", "POL027 `args` is empty"),
        ("tools: {t: {rules: [{validate: {args: {a: «5»}}}]}}", "POL060 a JSON Schema is a mapping"),
        ("tools: {t: {rules: [{validate: {args: {a: {type: «int»}}}}]}}", "POL060"),
        ("tools: {t: {rules: [{validate: {args: {a: {«maxium»: 5}}}}]}}", "POL062 | `maximum`"),
        ("tools: {t: {rules: [{validate: {args: {a: {properties: {b: {«tpe»: x}}}}}}]}}", "POL062 | `type`"),
        (
            "tools: {t: {rules: [{validate: {args: {a: {$ref: «'https://x.example/s'»}}}}]}}",
            "POL061 leads out",
        ),
        ("tools: {t: {rules: [{validate: {args: {a: «{$ref: '#/$defs/q'}»}}}]}}", "POL060"),
        ("tools: {t: {rules: [{validate: {args: {a: {pattern: «'(?=a)'»}}}}]}}", "POL060 | look-around"),
        (
            "tools: {t: {rules: [{validate: {args: {a: {pattern: «'((a{99}){99}){99}'»}}}}]}}",
            "POL060 | small",
        ),
        ("tools: {t: {rules: [{validate: {args: {a: {format: «emial»}}}}]}}", "POL060 emial"),
        ("tools: {t: {rules: [{validate: {args: {a: {maximum: «.inf»}}}}]}}", "POL024"),
        ("default: allow\nallow_methods: [«tools/call»]", "POL055 `tools/call`"),
        ("default: allow\nallow_methods: [«'*'»]", "POL055"),
        ("default: allow\nallow_methods: [«tools/*»]", "POL055"),
    ],
)
def test_each_mistake_is_found_in_its_place(marked: str, wanted: str) -> None:
    expect(marked, wanted)


def test_a_bad_bracket_in_a_plain_pattern_is_underlined_itself() -> None:
    expect(
        "tools:\n  get_«[»ab: {rules: []}\n  set_[«z»-a]: {rules: []}\n",
        "POL006 never closed",
        "POL006 backwards",
    )


def test_property_names_in_a_schema_are_not_taken_for_keywords() -> None:
    text = "tools: {t: {rules: [{validate: {args: {a: {properties: {maxium: {}, $ref: {type: string}}}}}}]}}"
    assert load(text).tools[0].rules[0].validate


def test_references_within_a_schema_and_boolean_schemas_work() -> None:
    text = "tools: {t: {rules: [{validate: {args: {a: {$ref: '#/$defs/n', $defs: {n: {}}}, b: false}}}]}}"
    validate = load(text).tools[0].rules[0].validate
    assert validate
    assert dict(validate.args)["b"] is False


def test_all_mistakes_of_a_file_are_found_at_once_and_in_order() -> None:
    expect(
        """\
default: «denyy»
tools:
  create_issue:
    rules:
      - action: «alow»
        «rate_limt»: 5/hour
      - action: deny
        «rate_limit»: «often»
  «delete»: {}
«hidden»: [x]
""",
        "POL003 | `deny`",
        "POL003 | `allow`",
        "POL001 | `rate_limit`",
        "POL007",
        "POL050",
        "POL004",
        "POL001 | `hide`",
    )


def test_keys_of_other_forms_are_explained() -> None:
    expect(
        "tools: {t: {rules: [{action: allow, «conditions»: [], «on_deny»: x, «state»: {}}]}}",
        "POL001 | write `when`",
        "POL001 | write `reason`",
        "POL001 | `rate_limit`",
    )
