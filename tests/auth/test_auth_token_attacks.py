"""Every known way to get in with a token that nobody issued is refused, and for the reason that it should be."""

from pathlib import Path

import pytest
from auth_parts import (
    authenticator,
    bearing,
    code_of,
    key_set,
    private_key,
    public_jwk,
    refusal,
    request,
    signed,
    standard_set,
)
from token_attacks import ATTACKS, by_header

from callgate.auth.authenticator import Authenticator


@pytest.fixture
def auth(tmp_path: Path) -> Authenticator:
    return authenticator(tmp_path)


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused(auth: Authenticator, name: str) -> None:
    token, code = ATTACKS[name]
    refused = refusal(lambda: auth.identify(bearing(token)))
    assert (code_of(refused), refused.status) == (code, 400 if code == "AUTH002" else 401)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_answer_repeats_a_word_of_it(auth: Authenticator, name: str) -> None:
    refused = refusal(lambda: auth.identify(bearing(ATTACKS[name][0])))
    answer = refused.body + b"".join(name + value for name, value in refused.headers)
    assert b"\r" not in answer
    for word in (b"evil", b"eyJ", b"SELECT", b"dev/null", b"mine"):
        assert word not in answer


def test_the_same_token_without_the_trick_is_let_in(auth: Authenticator) -> None:
    for token in (
        signed(),
        by_header(typ="at+jwt"),
        by_header(typ="application/AT+JWT"),
        by_header(jku="x", x5u="y", jwk={}),
    ):
        assert auth.identify(bearing(token)).proven


def test_a_symmetric_key_in_the_set_is_no_way_in(tmp_path: Path) -> None:
    oct = {"kty": "oct", "k": "c2VjcmV0", "kid": "RS256", "alg": "HS256"}
    auth = authenticator(tmp_path, key_set(oct, public_jwk(private_key("EdDSA"), "EdDSA")))
    assert [warning.code for warning in auth.warnings] == ["AUTH037"]
    token, _ = ATTACKS["HS256 with nothing"]
    assert code_of(refusal(lambda: auth.identify(bearing(token)))) == "AUTH006"


@pytest.mark.parametrize("value", ["Basic YTpi", "Digest x", "Bearertoken", "", "cg_x", "Token Bearer x"])
def test_another_scheme_is_answered_as_if_nothing_were_sent(auth: Authenticator, value: str) -> None:
    refused = refusal(lambda: auth.identify(request(("Authorization", value))))
    assert (refused.status, code_of(refused)) == (401, "AUTH001")


def test_two_headers_are_refused_even_if_both_are_good(auth: Authenticator) -> None:
    both = ("Authorization", f"Bearer {signed()}")
    refused = refusal(lambda: auth.identify(request(both, both)))
    assert (refused.status, code_of(refused)) == (400, "AUTH002")


@pytest.mark.parametrize(
    "name", ["X-API-Key", "Proxy-Authorization", "Cookie", "X-Authorization", "Authorization_"]
)
def test_a_token_anywhere_else_is_no_token(auth: Authenticator, name: str) -> None:
    assert code_of(refusal(lambda: auth.identify(request((name, f"Bearer {signed()}"))))) == "AUTH001"


def test_the_keys_that_sign_are_the_ones_that_are_published() -> None:
    assert standard_set().count(b'"kid"') == 3
