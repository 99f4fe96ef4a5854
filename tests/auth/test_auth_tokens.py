"""Whom a token lets in, and whom not."""

import json
from pathlib import Path
from typing import Any

import pytest
from auth_parts import (
    AUDIENCE,
    ISSUER,
    NOW,
    STANDARD_KEYS,
    authenticator,
    b64,
    bearing,
    code_of,
    header_of,
    jwt_config,
    key_set,
    private_key,
    public_jwk,
    refusal,
    request,
    rsa_key,
    signed,
    signed_raw,
    standard_set,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.auth.authenticator import Authenticator
from callgate.auth.jwks import read_key_set
from callgate.clock import ManualClock
from callgate.config.model import AuthConfig
from callgate.errors import ConfigError
from callgate.principal import ANONYMOUS


def test_without_a_configuration_everybody_is_anonymous() -> None:
    assert Authenticator(None).identify(bearing("whatever")) is ANONYMOUS


@pytest.mark.parametrize("algorithm", STANDARD_KEYS)
def test_a_token_signed_by_the_issuer_names_its_caller(tmp_path: Path, algorithm: str) -> None:
    found = authenticator(tmp_path).identify(bearing(signed(algorithm, team="billing")))
    assert found.identity == f"jwt:{ISSUER}|alice"
    assert found.proven
    assert found.claims["team"] == "billing"
    assert found.expires_at == NOW + 600 + 30


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_one_rsa_key_serves_every_rsa_algorithm_that_is_accepted(tmp_path: Path, algorithm: str) -> None:
    keys = key_set(public_jwk(rsa_key(), algorithm))
    assert authenticator(tmp_path, keys, algorithms=(algorithm,)).identify(bearing(signed(algorithm))).proven
    elsewhere = authenticator(tmp_path, key_set(public_jwk(rsa_key(), algorithm)))
    assert code_of(refusal(lambda: elsewhere.identify(bearing(signed(algorithm))))) == "AUTH006"


def test_the_scheme_is_read_in_any_case(tmp_path: Path) -> None:
    auth = authenticator(tmp_path)
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert auth.identify(request(("Authorization", f"{scheme} {signed()}"))).proven


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": NOW - 31}, "AUTH010"),
        ({"exp": ...}, "AUTH010"),
        ({"exp": None}, "AUTH010"),
        ({"exp": str(NOW + 600)}, "AUTH010"),
        ({"exp": True}, "AUTH010"),
        ({"exp": 10**15}, "AUTH010"),
        ({"exp": -1}, "AUTH010"),
        ({"exp": [NOW + 600]}, "AUTH010"),
        ({"nbf": NOW + 31}, "AUTH010"),
        ({"nbf": "soon"}, "AUTH010"),
        ({"iat": NOW + 31}, "AUTH010"),
        ({"iss": "https://idp.example.com/"}, "AUTH007"),
        ({"iss": "https://IDP.example.com"}, "AUTH007"),
        ({"iss": ...}, "AUTH007"),
        ({"iss": [ISSUER]}, "AUTH007"),
        ({"iss": {"a": 1}}, "AUTH007"),
        ({"aud": "https://other.example.com"}, "AUTH011"),
        ({"aud": AUDIENCE + "/"}, "AUTH011"),
        ({"aud": ...}, "AUTH011"),
        ({"aud": None}, "AUTH011"),
        ({"aud": []}, "AUTH011"),
        ({"aud": [AUDIENCE, 7]}, "AUTH011"),
        ({"aud": {AUDIENCE: AUDIENCE}}, "AUTH011"),
        ({"sub": ...}, "AUTH012"),
        ({"sub": ""}, "AUTH012"),
        ({"sub": 7}, "AUTH012"),
        ({"sub": "a\nb"}, "AUTH012"),
        ({"sub": "a\u202eb"}, "AUTH012"),
        ({"sub": " alice"}, "AUTH012"),
        ({"sub": "a" * 257}, "AUTH012"),
    ],
)
def test_claims_that_do_not_hold_let_nobody_in(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    refused = refusal(lambda: authenticator(tmp_path).identify(bearing(signed(**changes))))
    assert (refused.status, code_of(refused)) == (401, code)
    assert 'error="invalid_token"' in header_of(refused, b"www-authenticate")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 29},
        {"nbf": NOW + 29},
        {"iat": NOW + 29},
        {"exp": NOW + 0.5},
        {"aud": ["https://other.example.com", AUDIENCE]},
        {"sub": "alice@example.com"},
    ],
)
def test_claims_within_the_leeway_and_lists_of_audiences_let_in(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert authenticator(tmp_path).identify(bearing(signed(**changes))).proven


def test_another_claim_can_name_the_caller(tmp_path: Path) -> None:
    auth = authenticator(tmp_path, identity_claim="email")
    assert auth.identify(bearing(signed(email="a@example.com"))).identity == f"jwt:{ISSUER}|a@example.com"


def test_a_name_cannot_make_itself_a_caller_of_another_kind(tmp_path: Path) -> None:
    found = authenticator(tmp_path).identify(bearing(signed(sub="|key:ci-bot"))).identity
    assert found == f"jwt:{ISSUER}||key:ci-bot"
    with pytest.raises(ConfigError, match="the issuer"):
        authenticator(tmp_path, issuer="https://idp.example.com|x")


class TestScopes:
    def test_all_required_scopes_let_in(self, tmp_path: Path) -> None:
        auth = authenticator(tmp_path, required_scopes=("tools:call", "read"))
        for given_scopes in (
            {"scope": "read tools:call x"},
            {"scp": ["tools:call", "read"]},
            {"scp": "read tools:call"},
        ):
            assert auth.identify(bearing(signed(**given_scopes))).proven

    def test_a_missing_scope_is_403_and_says_all_that_are_needed(self, tmp_path: Path) -> None:
        auth = authenticator(tmp_path, required_scopes=("tools:call", "read"), resource=AUDIENCE)
        for found in ({"scope": "read"}, {}, {"scope": 7}, {"scope": "READ TOOLS:CALL"}):
            refused = refusal(lambda found=found: auth.identify(bearing(signed(**found))))  # type: ignore[misc]
            assert (refused.status, code_of(refused)) == (403, "AUTH013")
            assert header_of(refused, b"www-authenticate") == (
                'Bearer error="insufficient_scope", '
                'error_description="the token lacks a scope that is required here", '
                'scope="tools:call read", '
                f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource/git/mcp"'
            )


class TestAudiences:
    def test_a_token_for_one_upstream_opens_only_that(self, tmp_path: Path) -> None:
        auth = authenticator(tmp_path, resource=AUDIENCE)
        token = signed(aud=f"{AUDIENCE}/git/mcp")
        assert auth.identify(bearing(token, "/git/mcp")).proven
        for path in ("/docs/mcp", "/git/mcp/", "/git/mcp/x", "/GIT/mcp", "/%67it/mcp"):
            assert code_of(refusal(lambda path=path: auth.identify(bearing(token, path)))) == "AUTH011"  # type: ignore[misc]
        assert auth.identify(bearing(token, "/git/mcp")).proven

    def test_a_token_for_something_that_only_begins_like_the_resource_opens_nothing(
        self, tmp_path: Path
    ) -> None:
        auth = authenticator(tmp_path, audience="x", resource=AUDIENCE)
        for aud in (AUDIENCE, f"{AUDIENCE}.evil.com/git/mcp", f"{AUDIENCE}/../mcp", f"{AUDIENCE}/a/b/mcp"):
            assert code_of(refusal(lambda aud=aud: auth.identify(bearing(signed(aud=aud))))) == "AUTH011"  # type: ignore[misc]

    def test_without_a_resource_only_the_configured_audience_counts(self, tmp_path: Path) -> None:
        refused = refusal(
            lambda: authenticator(tmp_path).identify(bearing(signed(aud=f"{AUDIENCE}/git/mcp")))
        )
        assert code_of(refused) == "AUTH011"


class TestIssuers:
    OTHER = "https://other.example.com"

    def two(self, folder: Path) -> Authenticator:
        (folder / "one").write_bytes(key_set(public_jwk(private_key("EdDSA", 0), "EdDSA")))
        (folder / "two").write_bytes(key_set(public_jwk(private_key("EdDSA", 1), "EdDSA")))
        issuers = (jwt_config(folder / "one"), jwt_config(folder / "two", issuer=self.OTHER))
        return Authenticator(AuthConfig(jwt=issuers), clock=ManualClock())

    def test_the_same_name_at_two_issuers_is_two_callers(self, tmp_path: Path) -> None:
        auth = self.two(tmp_path)
        one = auth.identify(bearing(signed(number=0))).identity
        two = auth.identify(bearing(signed(number=1, iss=self.OTHER))).identity
        assert {one, two} == {f"jwt:{ISSUER}|alice", f"jwt:{self.OTHER}|alice"}

    def test_no_issuer_can_sign_for_another(self, tmp_path: Path) -> None:
        auth = self.two(tmp_path)
        assert code_of(refusal(lambda: auth.identify(bearing(signed(number=1))))) == "AUTH009"
        assert code_of(refusal(lambda: auth.identify(bearing(signed(number=0, iss=self.OTHER))))) == "AUTH009"

    def test_one_issuer_named_twice_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "one").write_bytes(standard_set())
        with pytest.raises(ConfigError) as caught:
            Authenticator(
                AuthConfig(jwt=(jwt_config(tmp_path / "one"), jwt_config(tmp_path / "one", audience="b")))
            )
        assert caught.value.code == "AUTH036"


class TestRemembering:
    def test_a_token_is_verified_once_and_ends_when_it_says(self, tmp_path: Path) -> None:
        clock = ManualClock()
        (tmp_path / "jwks").write_bytes(standard_set())
        auth = Authenticator(AuthConfig(jwt=(jwt_config(tmp_path / "jwks"),)), clock=clock)
        head = bearing(signed(exp=NOW + 100))
        first = auth.identify(head)
        assert auth.identify(head) is first
        clock.advance(129)
        assert auth.identify(head) is first
        clock.advance(1)
        assert code_of(refusal(lambda: auth.identify(head))) == "AUTH010"

    def test_it_is_verified_again_after_five_minutes_and_when_the_clock_is_set_back(
        self, tmp_path: Path
    ) -> None:
        clock = ManualClock()
        (tmp_path / "jwks").write_bytes(standard_set())
        auth = Authenticator(AuthConfig(jwt=(jwt_config(tmp_path / "jwks"),)), clock=clock)
        head = bearing(signed(exp=NOW + 10_000))
        first = auth.identify(head)
        clock.advance(300)
        second = auth.identify(head)
        assert second is not first
        clock.step_wall(-20)
        assert auth.identify(head) is not second

    def test_a_key_that_is_taken_away_ends_what_was_verified_by_it(self, tmp_path: Path) -> None:
        auth = authenticator(tmp_path)
        head = bearing(signed())
        auth.identify(head)
        (tmp_path / "jwks.json").write_bytes(key_set(public_jwk(private_key("EdDSA", 1), "EdDSA")))
        auth.reload()
        assert code_of(refusal(lambda: auth.identify(head))) == "AUTH009"

    def test_a_bad_edit_of_the_key_set_changes_nothing(self, tmp_path: Path) -> None:
        auth = authenticator(tmp_path)
        (tmp_path / "jwks.json").write_bytes(b'{"keys": []}')
        with pytest.raises(ConfigError) as caught:
            auth.reload()
        assert caught.value.code == "AUTH035"
        assert auth.identify(bearing(signed())).proven

    def test_no_more_is_remembered_than_its_bound(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("callgate.auth.authenticator.MAX_REMEMBERED", 3)
        auth = authenticator(tmp_path)
        heads = [bearing(signed(jti=str(number))) for number in range(5)]
        first = [auth.identify(head) for head in heads]
        assert [auth.identify(head) is before for head, before in zip(heads[2:], first[2:], strict=True)] == [
            True
        ] * 3
        assert auth.identify(heads[0]) is not first[0]

    def test_nothing_that_is_kept_holds_the_token(self, tmp_path: Path) -> None:
        auth = authenticator(tmp_path)
        token = signed()
        found = auth.identify(bearing(token))
        assert token not in repr(found)
        assert token.split(".")[2] not in repr(vars(auth))


GOOD = signed_raw(
    '{"alg":"EdDSA","kid":"EdDSA"}', json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": NOW + 9})
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(33, 126))
def test_no_token_with_one_byte_changed_ever_verifies(tmp_path: Path, place: int, byte: int) -> None:
    changed = GOOD[:place] + chr(byte) + GOOD[place + 1 :]
    auth = authenticator(tmp_path)
    assert auth.identify(bearing(GOOD)).proven
    if changed != GOOD:
        assert refusal(lambda: auth.identify(bearing(changed))).status in (400, 401)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.binary(max_size=40), max_size=5))
def test_no_heap_of_bytes_breaks_the_reader(tmp_path: Path, parts: list[bytes]) -> None:
    auth = authenticator(tmp_path)
    for token in (b".".join(parts), ".".join(map(b64, parts)).encode()):
        refused = refusal(lambda token=token: auth.identify(request(("Authorization", b"Bearer " + token))))  # type: ignore[misc]
        assert refused.status in (400, 401)


class TestKeySets:
    def unusable(self, document: bytes) -> str:
        with pytest.raises(ValueError, match=r"^it (is|has) ") as caught:
            read_key_set(document, STANDARD_KEYS)
        return str(caught.value)

    def test_documents_that_are_none_are_refused(self) -> None:
        for document in (
            b"",
            b"[]",
            b"{}",
            b'{"keys":{}}',
            b'{"keys":[]}',
            b'{"keys":[],"keys":[]}',
            b"\xff",
            b"<html>",
        ):
            assert self.unusable(document)
        assert "larger" in self.unusable(b" " * 300_000)
        assert "more than" in self.unusable(key_set(*({"kty": "RSA"} for _ in range(101))))

    @pytest.mark.parametrize(
        ("entry", "why"),
        [
            ({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}, "symmetric"),
            (public_jwk(rsa_key(), "a") | {"d": "AQAB"}, "private"),
            (public_jwk(rsa_key(), "a", use="enc"), "not for signatures"),
            (public_jwk(rsa_key(), "a", key_ops=["encrypt"]), "not for verifying"),
            (public_jwk(rsa_key(), "a", alg="HS256"), "no algorithm"),
            (public_jwk(rsa_key(), "a", alg="ES256"), "no algorithm"),
            (public_jwk(rsa_key(), "a", alg="none"), "no algorithm"),
            (public_jwk(rsa_key(), "a", alg=["RS256"]), "no algorithm"),
            (public_jwk(rsa_key(9, 1024), "a"), "fewer than 2048 bits"),
            (public_jwk(rsa_key(), "a") | {"n": "!!"}, "broken"),
            (public_jwk(private_key("ES256"), "a") | {"x": "AAAA"}, "broken"),
            (public_jwk(private_key("ES256"), "a") | {"crv": "secp256k1"}, "no algorithm"),
            (public_jwk(private_key("EdDSA"), "a") | {"crv": "X25519"}, "no algorithm"),
            (public_jwk(rsa_key(), "a") | {"kid": 7}, "kid"),
            ({"kty": ["RSA"]}, "no algorithm"),
        ],
    )
    def test_a_key_that_must_not_be_used_is_not(self, entry: dict[str, Any], why: str) -> None:
        assert why in self.unusable(key_set(entry))
        rest = read_key_set(key_set(entry, public_jwk(private_key("EdDSA"), "good")), STANDARD_KEYS)
        assert rest.find("EdDSA", "good") is not None
        assert len(rest.notes) == 1

    def test_two_keys_with_one_kid_are_neither_used(self) -> None:
        same = [public_jwk(private_key("EdDSA", number), "same") for number in (0, 1)]
        found = read_key_set(key_set(*same, public_jwk(rsa_key(), "same")), STANDARD_KEYS)
        assert found.find("EdDSA", "same") is None
        assert found.find("RS256", "same") is not None

    def test_a_token_without_kid_means_the_only_key_for_its_algorithm(self) -> None:
        one = read_key_set(
            key_set(public_jwk(rsa_key(), "a"), public_jwk(private_key("ES256"), "b")), STANDARD_KEYS
        )
        assert one.find("ES256", None) is not None
        both = [public_jwk(private_key("ES256", number), str(number)) for number in (0, 1)]
        assert read_key_set(key_set(*both), STANDARD_KEYS).find("ES256", None) is None
