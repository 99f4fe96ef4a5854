"""Who calls, as rules see it: the identity, and the claims of its credential."""

from typing import Any

import pytest
from judging import codes, decide, effect, policy
from marked import expect, load

from callgate import denial_codes
from callgate.decision import Effect, Request
from callgate.policy.explain import explain

ALLOW, DENY = Effect.ALLOW, Effect.DENY

ONLY_ANN = "default: deny\ntools: {t: {rules: [{when: {identity: ann}}]}}"
ONLY_OPS = "default: deny\ntools: {t: {rules: [{when: {identity.team: ops}}]}}"
NOT_TEMPS = "tools: {t: {rules: [{action: deny, when: {identity.kind: temp}}]}}"


def test_a_rule_can_ask_for_an_identity() -> None:
    assert effect(ONLY_ANN, identity="ann") is ALLOW
    assert effect(ONLY_ANN, identity="bob") is DENY


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        ({"team": "ops"}, ALLOW),
        ({"team": "dev"}, DENY),
        ({"team": ["ops"]}, DENY),
        ({"other": "ops"}, DENY),
        ({}, DENY),
        (None, DENY),
    ],
)
def test_an_allow_rule_grants_only_what_the_claim_says_for_certain(claims: Any, wanted: Effect) -> None:
    assert effect(ONLY_OPS, claims=claims) is wanted


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        ({"kind": "staff"}, ALLOW),
        ({"kind": "temp"}, DENY),
        ({"kind": None}, DENY),
        ({"kind": 5}, DENY),
        ({}, DENY),
        (None, DENY),
    ],
)
def test_a_deny_rule_whose_claim_is_absent_or_of_another_type_denies(claims: Any, wanted: Effect) -> None:
    assert effect(NOT_TEMPS, claims=claims) is wanted


def test_a_claim_can_be_asked_for_without_its_value() -> None:
    text = "tools: {t: {rules: [{action: deny, when: {identity.email: {exists: false}}}]}}"
    assert effect(text, claims={"email": "a@b"}) is ALLOW
    assert effect(text, claims={}) is DENY


def test_lists_and_objects_of_a_token_can_be_looked_into() -> None:
    text = (
        "default: deny\ntools: {t: {rules: [{when: {identity.realm_access.roles: {contains: admin}, "
        "identity.level: {gte: 3}}}]}}"
    )
    assert effect(text, claims={"realm_access": {"roles": ["user", "admin"]}, "level": 3}) is ALLOW
    assert effect(text, claims={"realm_access": {"roles": ["user"]}, "level": 3}) is DENY
    assert effect(text, claims={"realm_access": ["admin"], "level": 3}) is DENY
    assert effect(text, claims={"realm_access": {"roles": ["admin"]}, "level": 2.5}) is DENY


def test_a_claim_whose_name_holds_dots_is_found() -> None:
    text = 'default: deny\ntools: {t: {rules: [{when: {"identity.https://example.com/team": ops}}]}}'
    assert effect(text, claims={"https://example.com/team": "ops"}) is ALLOW
    assert effect(text, claims={"https://example": {"com/team": "ops"}}) is ALLOW


def test_a_claim_that_two_readings_of_a_path_find_is_none() -> None:
    claims = {"a.b": "ops", "a": {"b": "ops"}}
    text = "default: deny\ntools: {t: {rules: [{when: {identity.a.b: ops}}]}}"
    assert effect(text, claims=claims) is DENY


def test_arguments_and_clients_cannot_pass_for_claims() -> None:
    arguments = {"team": "ops", "identity": {"team": "ops"}, "identity.team": "ops"}
    assert effect(ONLY_OPS, arguments=arguments) is DENY
    assert effect(ONLY_OPS, identity="ops", session="ops", claims={}) is DENY


def test_the_claims_of_the_call_count_and_not_those_of_an_earlier_one_by_the_same_caller() -> None:
    for text in (
        ONLY_OPS,
        "default: deny\ntools: {t: {rules: [{when: {identity.team: ops}, rate_limit: 5/s}]}}",
    ):
        compiled = policy(text)
        for team, wanted in (("ops", ALLOW), ("dev", DENY), ("ops", ALLOW), (None, DENY)):
            claims = None if team is None else {"team": team}
            assert compiled.decide(Request("t", {}, identity="ann", claims=claims)).effect is wanted


def test_each_value_of_a_claim_has_a_counter() -> None:
    text = "tools: {t: {rules: [{rate_limit: {max: 5, window: 60, scope: global, per: identity.org}}]}}"
    compiled = policy(text)

    def key(claims: dict[str, Any], identity: str = "ann") -> str:
        (charge,) = compiled.decide(Request("t", {}, identity=identity, claims=claims)).charges
        return charge.key

    assert key({"org": "a"}) == key({"org": "a"}, "bob")
    assert key({"org": "a"}) != key({"org": "b"})
    assert key({"org": 1}) != key({"org": "1"})


@pytest.mark.parametrize("claims", [None, {}, {"org": None}, {"org": ["a"]}])
def test_a_call_that_cannot_be_counted_by_its_claim_is_denied(claims: Any) -> None:
    text = "tools: {t: {rules: [{rate_limit: {max: 5, window: 60, per: [identity.org]}}]}}"
    decision = decide(text, claims=claims)
    assert decision.effect is DENY
    assert codes(decision) == [denial_codes.PER_UNUSABLE]
    assert "`identity.org`" in decision.reasons[0].text


def test_limits_of_scope_identity_are_counted_for_each_identity_whatever_its_claims() -> None:
    text = "tools: {t: {rules: [{rate_limit: {max: 5, window: 60, scope: identity}}]}}"
    compiled = policy(text)
    keys = [
        compiled.decide(Request("t", {}, identity=who, claims={"jti": n})).charges[0].key
        for n, who in enumerate(("ann", "ann", "bob"))
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_path_into_the_identity_must_name_a_claim() -> None:
    expect("tools: {t: {rules: [{when: {«identity.»: x}}]}}", "POL040 | `identity.`")
    expect("tools: {t: {rules: [{when: {«identity..a»: x}}]}}", "POL040 | `identity.`")
    expect("tools: {t: {rules: [{when: {«identiy.team»: x}}]}}", "POL040 | `identity.team`")
    expect(
        "tools: {t: {rules: [{rate_limit: {max: 1, window: 1, cost: «identity.level»}}]}}",
        "POL040 | `args.`",
    )


def test_the_other_forms_have_no_claims() -> None:
    text = (
        'version: "1"\ntools:\n  t:\n    rules:\n      - name: a\n        conditions:\n'
        "          - {path: «identity.team», op: eq, value: ops}\n"
    )
    expect(text, "POL040")


def test_rules_that_look_at_no_claims_are_put_together_once_for_each_caller() -> None:
    """What a caller's credential says must not cost policies that never ask."""
    compiled = policy("tools: {t: {rules: [{when: {identity: ann}, rate_limit: 5/s}]}}")
    first = compiled.decide(Request("t", {}, identity="ann", claims={"n": 1}))
    assert compiled.decide(Request("t", {}, identity="ann", claims={"n": 2})) is first


def test_an_explanation_names_the_claim_in_full() -> None:
    compiled = policy(NOT_TEMPS)
    told = explain(compiled, Request("t", {}, claims={"kind": "temp"}))
    assert told.rules[0].details == ('identity.kind "temp" = "temp"',)
    told = explain(compiled, Request("t", {}))
    assert told.rules[0].details == ("no `identity.kind`: counted as strict",)


def test_a_policy_with_claims_survives_normalization() -> None:
    assert load(ONLY_OPS).tools[0].rules[0].when[0].path == ("identity", "team")
