"""Which entries a tool name meets: patterns, lookalikes, hidden tools, and names made up to fill the memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import codes, decide, effect, policy

from callgate import denial_codes as code
from callgate.decision import Effect, Request
from callgate.policy.compile import LONGEST_KEPT_NAME, MAX_PLANS
from callgate.policy.lookalike import fold
from callgate.policy.name_patterns import compile_lookalike_pattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("get_*", "get_", True),
        ("get_*", "get_all", True),
        ("get_*", "forget_all", False),
        ("get_*", "Get_all", False),
        ("*_all", "get_all_now", False),
        ("a*a", "a", False),
        ("a*b*c", "aXbXbc", True),
        ("a*b*c", "acb", False),
        ("t?", "t", False),
        ("t?", "tt", True),
        ("t?*", "t", False),
        ("*?b?*", "aXbX", True),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[!a-c]x", "dx", True),
        ("x[[]y", "x[y", True),
        ("a.b", "axb", False),
        ("*", "\n", True),
    ],
)
def test_patterns_are_anchored_and_case_sensitive(pattern: str, name: str, matches: bool) -> None:
    assert compile_pattern(pattern)(name) is matches


def test_a_name_too_long_to_be_called_is_not_folded() -> None:
    assert fold("É" * 256) == "é" * 256
    assert fold("É" * 257) == "É" * 257
    assert fold("A" * 257) == "a" * 257
    assert not policy("{hide: [echo], default: allow}").hides("\u0301" * 100_000 + "\u0316" * 100_000)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_matches_what_its_definition_says(pattern: str, name: str) -> None:
    def matches(p: str, n: str) -> bool:
        if not p:
            return not n
        if p[0] == "*":
            return matches(p[1:], n) or (bool(n) and matches(p, n[1:]))
        return bool(n) and p[0] in ("?", n[0]) and matches(p[1:], n[1:])

    assert compile_pattern(pattern)(name) is matches(pattern, name)


@given(st.text(max_size=12), st.text("a*?[]!-B\u0130é", max_size=6))
def test_what_matches_as_written_also_matches_as_a_lookalike(name: str, pattern: str) -> None:
    if name.isascii() and compile_pattern(pattern)(name) and not any(c in pattern for c in "?["):
        assert compile_lookalike_pattern(pattern)(fold(name))


LOOKALIKES = [
    "Delete_File",
    "DELETE_FILE",
    "delete_file ",
    " delete_file",
    "delete\u200b_file",
    "delete_file\x00",
    "\u202edelete_file",
    "\uff44elete_file",
    "delete_\ufb01le",
    "delete_file\ufe0f",
    "delete_fi\u00adle",
    "\ufeffdelete_file",
    "delete_f\u0049le",
]


@pytest.mark.parametrize("name", LOOKALIKES)
@pytest.mark.parametrize(
    "text",
    [
        "tools: {delete_file: {rules: [{action: deny}]}}",
        "tools: {delete_file: {rules: []}}",
        "default: deny\ntools: {delete_file: {rules: []}, '*': {rules: []}}",
    ],
)
def test_a_name_that_only_looks_like_one_in_the_policy_is_denied(text: str, name: str) -> None:
    decision = decide(text, name)
    assert decision.effect is Effect.DENY
    assert code.CONFUSABLE_NAME in codes(decision)


@pytest.mark.parametrize("name", LOOKALIKES)
@pytest.mark.parametrize("default", ["allow", "deny"])
@pytest.mark.parametrize("tools", ["{}", "{'*': {rules: [{rate_limit: 5/s}]}}", "{delete_file: {rules: []}}"])
def test_a_lookalike_of_a_hidden_name_is_judged_as_a_hidden_one(name: str, default: str, tools: str) -> None:
    text = f"default: {default}\nhide: [delete_file]\ntools: {tools}"
    hidden, resembling = decide(text, "delete_file"), decide(text, name)
    assert resembling.hidden
    assert (resembling.effect, codes(resembling)) == (hidden.effect, codes(hidden))
    assert resembling.charges == hidden.charges


def test_a_name_that_an_entry_lists_is_not_hidden_by_one_that_resembles_it() -> None:
    decision = decide("hide: [get]\ntools: {GET: {rules: []}}", "GET")
    assert not decision.hidden
    assert codes(decision) == [code.CONFUSABLE_NAME]


@pytest.mark.parametrize("name", LOOKALIKES)
@pytest.mark.parametrize(
    "text",
    [
        "tools: {'delete_*': {rules: [{action: deny}]}}",
        "hide: ['*_file']\ntools: {}",
        "hide: ['*']\ntools: {}",
    ],
)
def test_no_lookalike_escapes_a_pattern(text: str, name: str) -> None:
    decision = decide(text, name)
    assert decision.hidden or decision.effect is Effect.DENY


def test_names_that_the_policy_itself_tells_apart_are_not_confused() -> None:
    text = """
tools:
  get: {rules: [{action: deny}]}
  GET: {rules: []}
  "a*": {rules: []}
  "A*": {rules: [{action: deny}]}
"""
    assert effect(text, "GET") is Effect.ALLOW
    assert effect(text, "get") is Effect.DENY
    assert effect(text, "ax") is Effect.ALLOW
    assert codes(decide(text, "Get")) == [code.CONFUSABLE_NAME]


def test_a_name_listed_exactly_does_not_escape_a_pattern_it_looks_like() -> None:
    text = "tools: {'delete_*': {rules: [{action: deny}]}, Delete_all: {rules: []}}"
    assert codes(decide(text, "Delete_all")) == [code.CONFUSABLE_NAME]


def test_the_star_and_unrelated_names_confuse_nothing() -> None:
    text = "tools: {'*': {rules: []}, delete_file: {rules: []}}"
    for name in ("READ", "delete_files", "", "délete_file"):
        assert effect(text, name) is Effect.ALLOW


HIDING = """
default: allow
hide: [secret, "int_*"]
tools:
  secret: {rules: [{action: deny, reason: A secret.}, {rate_limit: 1/hour}]}
  "*": {rules: [{rate_limit: 5/minute}]}
"""


def test_a_hidden_tool_is_judged_as_a_name_that_no_entry_names() -> None:
    hidden, unknown = (decide(HIDING, name) for name in ("secret", "nonesuch"))
    assert hidden.hidden
    assert not unknown.hidden
    assert (hidden.effect, hidden.reasons, hidden.charges) == (
        unknown.effect,
        unknown.reasons,
        unknown.charges,
    )


def test_hides_says_which_tools_are_absent() -> None:
    compiled = policy(HIDING)
    assert [compiled.hides(name) for name in ("secret", "int_x", "Secret", "other")] == [
        True,
        True,
        True,
        False,
    ]
    assert compiled.hides_anything
    assert not policy("tools: {}").hides_anything
    assert policy("hide: ['*']\ntools: {}").hides("anything")


def test_invented_names_do_not_grow_the_memory() -> None:
    compiled = policy("tools: {'*': {rules: [{rate_limit: 5/minute}]}}")
    for number in range(MAX_PLANS * 2 + 10):
        compiled.decide(Request(f"n{number}", {}))
    compiled.decide(Request("x" * (LONGEST_KEPT_NAME + 1), {}))
    assert len(compiled._plans) <= MAX_PLANS
    assert max(map(len, compiled._plans)) <= LONGEST_KEPT_NAME


def test_only_listed_methods_may_pass() -> None:
    compiled = policy("allow_methods: ['example.com/*', custom]\ntools: {}")
    methods = ("example.com/x", "custom", "Custom", "custom/x", "tools/call")
    assert [compiled.allows_method(method) for method in methods] == [True, True, False, False, False]
    assert not policy("tools: {}").allows_method("custom")
