"""What is said of slips that people make often: what to write instead, in words of ours."""

import pytest
from marked import expect, findings

RULE = "tools: {t: {rules: [%s]}}"


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("{rate_limit: «10/minutes»}", "POL050 unknown unit | did you mean `minute`?"),
        ("{rate_limit: «10/hours»}", "POL050 | did you mean `hour`?"),
        ("{rate_limit: «10/hr»}", "POL050 | did you mean `hour`?"),
        ("{rate_limit: «10/week»}", "POL050 | the units are ms, s,"),
        ("{rate_limit: {max: 1, window: «'60'»}}", "POL051 `60` is not a window | without quotes"),
        ("{rate_limit: {max: 1, window: «soon»}}", "POL051 | `90s`"),
        ("{rate_limit: {max: 1, window: «0.5ms»}}", "POL051 shorter than a millisecond"),
        ("{rate_limit: {max: 1, window: 5, scope: «user»}}", "POL003 `scope` | write `identity`"),
        ("{rate_limit: {max: 1, window: 5, scope: «everyone»}}", "POL003 | write `global`"),
        ("{rate_limit: {max: 1, window: 5, scope: «tool»}}", "POL003 | write `per: [tool]`"),
        ("{validate: {«required»: true}}", "POL001 | did you mean `required_args`?"),
        ("{when: {args.a: {regex: «'(?!a)b'»}}}", "POL043 RE2 has no look-around (`(?!`)"),
        ("{when: {args.a: {regex: «'(a)\\1'»}}}", "POL043 RE2 has no back-references (`\\1`)"),
        ("{when: {args.a: {regex: «'(?P<n>a)(?P=n)'»}}}", "POL043 RE2 has no back-references"),
        ("{when: {args.a: {regex: «'(?(1)a)'»}}}", "POL043 RE2 does not know `(?(`"),
    ],
)
def test_a_common_slip_in_a_rule_is_told_with_what_to_write(marked: str, wanted: str) -> None:
    expect(RULE % marked, wanted)


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("{type: «strng»}", "POL060 `type` must be one of string, number, | did you mean `string`?"),
        ("{items: {type: «int»}}", "POL060 `type` must be one of | write `integer`"),
        ("{type: «[string, numbr]»}", "POL060 or a list of them"),
        ("{format: «emial»}", "POL060 unknown format `emial` | did you mean `email`?"),
    ],
)
def test_a_slip_in_an_arguments_schema_is_told_without_the_librarys_words(marked: str, wanted: str) -> None:
    expect(RULE % f"{{validate: {{args: {{a: {marked}}}}}}}", wanted)


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("default: «denied»", "POL003 | write `deny`"),
        ("default: «allowed»", "POL003 | write `allow`"),
        ("hide: «move_file»", "POL002 | write `[move_file]`"),
        (
            'version: "1"\ntools: {t: {rules: [{name: a, rate_limit: «""»}]}}',
            "POL050 an empty text is not a rate limit of this form",
        ),
    ],
)
def test_a_common_slip_elsewhere_is_told_with_what_to_write(marked: str, wanted: str) -> None:
    expect(marked, wanted)


def test_every_format_that_the_help_names_is_known() -> None:
    from callgate.policy.argument_schemas import _FORMATS

    for name in _FORMATS:
        assert findings(RULE % f"{{validate: {{args: {{a: {{format: {name}}}}}}}}}") == ()
