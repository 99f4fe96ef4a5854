"""What one execution of code may do: how it is written, what is refused, and that the gate passes over it."""

import json

import pytest
from judging import effect, policy
from marked import expect, findings, load

from callgate.cli.main import main
from callgate.decision import Effect, Reason
from callgate.policy.normalized import normalized, to_json

WHOLE = """\
per_execution:
  max_calls: 100
  max_denied: 20
  max_seconds: 1.5h
  tools: {create_*: 5, drop: 0}
grant_secrets: [API_TOKEN, other_1]
"""


def test_every_key_reaches_its_place() -> None:
    document = load(WHOLE)
    assert document.warnings == ()
    budget = document.per_execution
    assert budget is not None
    assert (budget.max_calls, budget.max_denied, budget.max_milliseconds) == (100, 20, 5_400_000)
    assert [(each.pattern, each.max) for each in budget.tools] == [("create_*", 5), ("drop", 0)]
    assert [name for name, _ in document.grant_secrets] == ["API_TOKEN", "other_1"]
    assert policy(WHOLE).budgets.max_seconds == 5400.0


def test_the_normal_form_holds_it_and_is_the_same_for_other_spellings() -> None:
    one = normalized(load(WHOLE))
    other = normalized(
        load(
            "grant_secrets: [other_1, API_TOKEN]\n"
            "per_execution: {tools: {drop: 0, create_*: 5.0}, max_seconds: 5400, max_denied: 20, max_calls: 100}\n"
        )
    )
    assert {**one, "revision": ""} == {**other, "revision": ""}
    data = json.loads(to_json(one))
    assert data["per_execution"] == {
        "max_calls": 100,
        "max_denied": 20,
        "max_seconds": 5400,
        "tools": {"create_*": 5, "drop": 0},
    }
    assert data["grant_secrets"] == ["API_TOKEN", "other_1"]
    # What the normal form says is again a policy that says the same.
    again = load(json.dumps({key: data[key] for key in ("per_execution", "grant_secrets")}))
    assert {**normalized(again), "revision": ""} == {**one, "revision": ""}


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        ("per_execution: «5»", "POL002 must be a mapping"),
        ("per_execution: «{}»", "POL027 `per_execution` is empty"),
        ("per_execution: {«max_call»: 5}", "POL001 in `per_execution` | `max_calls`"),
        ("per_execution: {«timeout»: 5}", "POL001 | `max_seconds`"),
        ("per_execution: {«rate_limit»: 5/s}", "POL001 | a rule of `tools`"),
        ("per_execution: {max_calls: «-1»}", "POL052 `max_calls` must be a whole number"),
        ("per_execution: {max_calls: «1.5»}", "POL052"),
        ("per_execution: {max_calls: «1e10»}", "POL052"),
        ("per_execution: {max_calls: «'5'»}", "POL002 must be a number | without quotes"),
        ("per_execution: {max_denied: «yes»}", "POL002"),
        ("per_execution: {max_seconds: «0»}", "POL051 a duration must be longer than nothing"),
        ("per_execution: {max_seconds: «soon»}", "POL051 `soon` is not a duration"),
        ("per_execution: {max_seconds: «400d»}", "POL051 not be longer than 366 days"),
        ("per_execution: {max_calls: 5, tools: «{}»}", "POL027 `tools` is empty"),
        ("per_execution: {tools: {«''»: 5}}", "POL005"),
        ("per_execution: {tools: {«'a[]'»: 5}}", "POL006"),
        ("per_execution: {tools: {a: «5/hour»}}", "POL002 the budget of `a`"),
        ("per_execution: {max_calls: 5, tools: {«a»: 5, b: 4}}", "POL115 never matters | smaller"),
        ("grant_secrets: «A»", "POL002 must be a list | `[A]`"),
        ("grant_secrets: [«5»]", "POL002"),
        ("grant_secrets: [«A-B»]", "POL005 not the name of a secret"),
        ("grant_secrets: [«'*'»]", "POL005 | there are no patterns"),
        ("grant_secrets: [A, «A»]", "POL008 granted twice"),
        ("tools: {a: {rules: [], «per_execution»: {}}}", "POL001 | at the top of the file"),
    ],
)
def test_a_mistake_is_told_at_its_place(marked: str, wanted: str) -> None:
    expect(marked, wanted)


def test_other_forms_do_not_have_it() -> None:
    found = findings('version: "1"\nper_execution: {max_calls: 5}\n')
    assert [each.code for each in found] == ["POL030"]
    assert "native files have no version" in (found[0].help or "")


def _refused(text: str, tool: str, calls: dict[str, int], denied: int = 0) -> str | None:
    reason = policy(text).budgets.decide(tool, calls, denied)
    assert reason is None or isinstance(reason, Reason)
    if reason is not None:
        assert reason.effect is Effect.DENY
        assert reason.source is not None
    return None if reason is None else reason.code


def test_the_last_call_of_a_budget_is_admitted_and_the_next_is_not() -> None:
    text = "per_execution: {max_calls: 3}"
    assert _refused(text, "a", {}) is None
    assert _refused(text, "a", {"a": 1, "b": 1}) is None
    assert _refused(text, "a", {"a": 1, "b": 2}) == "DEN040"
    assert _refused("per_execution: {max_calls: 0}", "a", {}) == "DEN040"


def test_refused_calls_have_a_budget_of_their_own() -> None:
    text = "per_execution: {max_denied: 2, max_calls: 9}"
    assert _refused(text, "a", {"a": 5}, 1) is None
    assert _refused(text, "a", {"a": 5}, 2) == "DEN041"
    reason = policy(text).budgets.decide("a", {}, 3)
    assert reason is not None
    assert "`per_execution.max_denied` is 2" in reason.text


def test_tools_that_match_a_pattern_share_its_budget() -> None:
    text = "per_execution: {tools: {create_*: 2, create_x: 1, drop: 0}}"
    assert _refused(text, "create_a", {"create_b": 1, "read": 50}) is None
    assert _refused(text, "create_a", {"create_b": 1, "create_c": 1}) == "DEN042"
    assert _refused(text, "create_x", {"create_x": 1}) == "DEN042"
    assert _refused(text, "drop", {}) == "DEN042"
    assert _refused(text, "read", {"create_b": 9}) is None


def test_a_name_that_only_resembles_one_has_no_budget_of_its_own() -> None:
    text = "per_execution: {tools: {create: 1}}"
    assert _refused(text, "Create", {"create": 1}) == "DEN042"
    assert _refused(text, "create", {"Create": 1}) == "DEN042"


def test_without_budgets_nothing_is_refused_and_nothing_granted() -> None:
    budgets = policy("default: deny\ntools: {a: {rules: []}}").budgets
    assert budgets.decide("a", {"a": 10**9}, 10**9) is None
    assert budgets.max_seconds is None
    assert not budgets.grants("API_TOKEN")


def test_only_what_is_named_is_granted() -> None:
    budgets = policy(WHOLE).budgets
    assert budgets.grants("API_TOKEN")
    assert not budgets.grants("api_token")
    assert not budgets.grants("API_TOKEN2")


def test_a_direct_call_is_judged_as_if_there_were_no_budget() -> None:
    text = "per_execution: {max_calls: 0, tools: {t: 0}}"
    assert effect(text) is Effect.ALLOW


def test_explaining_a_call_shows_the_budgets_that_bear_on_it(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path_factory.mktemp("explain") / "p.yaml"
    file.write_text(WHOLE)
    assert main(["policy", "explain", "-c", str(file), "create_issue", "--format", "plain"]) == 0
    told = capsys.readouterr().out
    for text in (
        "at most 100 calls",
        "after 20 refused",
        "at most 5 calls of create_*",
        "5400 seconds",
        "API_TOKEN",
    ):
        assert f"per execution {text}" in told or text in told
    assert "drop" not in told
    assert main(["policy", "explain", "-c", str(file), "x", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["per_execution"]["tools"] == {"create_*": 5, "drop": 0}
    assert data["grant_secrets"] == ["API_TOKEN", "other_1"]
