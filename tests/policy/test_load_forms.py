"""Which of the three forms a file has, and that the three agree where they say the same."""

import pytest
from marked import expect, findings, load

from callgate.policy.normalized import normalized


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("default: deny\ntools: {a: {rules: []}}", "native"),
        ('version: "1"\ntools: {a: {rules: []}}', "intercept"),
        ("version: 1\ntools: {a: {rules: []}}", "intercept"),
        ("version: '1'\ndefault: deny\ntools: {a: }", "intercept"),
        ('{"version": "1", "tools": {"a": {"deny_if": []}}}', "hosted"),
        ('{"version": "1", "all_tools": {"limits": []}}', "hosted"),
        ('{"version": "1", "default": "deny", "hide": [], "tools": {"a": {}}}', "hosted"),
        ('version: "1"\nall_tools: {limits: []}', "hosted"),
    ],
)
def test_the_form_is_told_by_the_keys(text: str, form: str) -> None:
    assert load(text).form == form


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("version: «'2'»\ndefault: deny", "POL031 found `2`"),
        ("version: «1.0»\ndefault: deny", "POL031 found `1.0`"),
        ("«version»:\ndefault: deny", "POL031 found nothing"),
        ("version: «[1]»\ndefault: deny", "POL031"),
        ("version: «2»\ntools: {a: {rules: [{when: {args.a: 1}}]}}", "POL031 | native files have no version"),
        (
            "«version»: 1\ntools: {a: {rules: [{validate: {schema: true}}]}}",
            "POL030 `validate` on line 2 | delete it",
        ),
        (
            "tools: {a: {rules: [{name: x, «conditions»: []}]}}",
            "POL030 Intercept form, but the file has no `version`",
        ),
        ("tools: {a: {«deny_if»: []}}", "POL030 hosted form, but the file has no `version`"),
        ("version: 1\ntools:\n  a: {«limits»: []}\n  b: {rules: []}", "POL030 hosted form, but `rules`"),
        (
            "version: 1\ntools:\n  a: {«limits»: []}\n  b: {rules: [{on_deny: x}]}",
            "POL030 hosted form, but `on_deny` on line 4",
        ),
    ],
)
def test_a_file_whose_form_is_not_clear_is_refused_and_says_what_it_looks_like(
    marked: str, wanted: str
) -> None:
    expect(marked, wanted)


def test_a_wrong_version_does_not_hide_the_other_errors() -> None:
    found = findings(
        'version: "2"\ntools: {t: {rules: [{name: n, conditions: [{path: args.a, op: is, value: 1}]}]}}'
    )
    assert [each.code for each in found] == ["POL031", "POL041"]


def test_the_three_forms_agree_where_they_say_the_same() -> None:
    intercept = load(
        """
version: "1"
default: deny
hide: [secret]
tools:
  search: {rules: []}
  charge:
    rules:
      - name: cap
        conditions:
          - {path: args.amount, op: lte, value: 500}
          - {path: args.currency, op: in, value: [usd, eur]}
        on_deny: Too much.
"""
    )
    hosted = load(
        """{
  "version": "1", "default": "deny", "hide": ["secret"],
  "tools": {
    "search": {},
    "charge": {"require": [{"conditions": [
      {"path": "args.amount", "op": "lte", "value": 500},
      {"path": "args.currency", "op": "in", "value": ["usd", "eur"]}], "on_deny": "Too much."}]}
  }
}"""
    )
    native = load("default: deny\nhide: [secret]\ntools: {search: {rules: []}}")
    one, two = normalized(intercept), normalized(hosted)
    charge, search = one["tools"]
    assert charge["rules"][0].pop("name") == "cap"
    assert two["tools"] == [charge, search]
    assert normalized(native)["tools"] == [search]
    for key in ("default", "hide", "allow_methods"):
        assert one[key] == two[key] == normalized(native)[key]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "tools: {t: {rules: [{rate_limit: 10/minute}]}}",
            'tools:\n  "t":\n    rules:\n      - action: allow\n'
            "        rate_limit: {window: 60.0, max: 10, scope: session}\n",
        ),
        (
            "tools: {t: {rules: [{action: deny, when: {args.a: 1, args.b: [x]}}]}, s: {rules: []}}",
            "tools: {s: {rules: []}, t: {rules: [{when: {args.b: {in: [x]}, args.a: {eq: 1.0}}, action: deny}]}}\n"
            "default: allow",
        ),
        (
            "hide: [a, b]\ntools: {t: {rules: [{validate: {args: {n: {maximum: 5, type: integer}}}}]}}",
            "hide: [b, a]\n"
            "tools: {t: {rules: [{validate: {schema: false, args: {n: {type: integer, maximum: 5.00}}}}]}}",
        ),
        (
            "tools: {t: {rules: [{rate_limit: [5/s, {max: 9, window: 90s, per: tool}]}]}}",
            "tools: {t: {rules: [{rate_limit: [{max: 9, window: 1.5m, per: [tool]}, 5/1s]}]}}",
        ),
    ],
)
def test_files_that_differ_only_in_spelling_have_one_normal_form(one: str, other: str) -> None:
    first, second = normalized(load(one)), normalized(load(other))
    assert first.pop("revision") != second.pop("revision")
    assert repr(first) == repr(second)
