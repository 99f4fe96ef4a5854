"""What a client is told that has no token: where to get one, and for what."""

import json
from pathlib import Path

import pytest
from auth_parts import AUDIENCE, ISSUER, authenticator, header_of, jwt_config, refusal, request

from callgate.auth.authenticator import Authenticator
from callgate.auth.protected_resource import documents, metadata
from callgate.config.model import AuthConfig
from callgate.errors import ConfigError


def config(resource: str | None = AUDIENCE, **changes: tuple[str, ...]) -> AuthConfig:
    jwt = (
        jwt_config("/jwks", required_scopes=("call",)),
        jwt_config("/jwks", issuer="https://two.example.com"),
    )
    return AuthConfig(jwt=jwt, resource=resource, **changes)  # type: ignore[arg-type]


def challenge(path: str, folder: Path, resource: str | None = AUDIENCE) -> str:
    auth = authenticator(folder, resource=resource, required_scopes=("call", "read"))
    return header_of(refusal(lambda: auth.identify(request(path=path))), b"www-authenticate")


def test_each_upstream_is_a_resource_of_its_own() -> None:
    assert metadata(config(), "git") == {
        "resource": f"{AUDIENCE}/git/mcp",
        "authorization_servers": [ISSUER, "https://two.example.com"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["call"],
    }


def test_what_is_configured_counts_more_than_what_is_derived() -> None:
    found = metadata(
        config(authorization_servers=("https://as.example.com",), scopes_supported=("a", "b")), "git"
    )
    assert found is not None
    assert found["authorization_servers"] == ["https://as.example.com"]
    assert found["scopes_supported"] == ["a", "b"]


def test_the_documents_are_at_the_well_known_places() -> None:
    found = documents(config(), ("git", "docs"))
    assert {path: json.loads(body)["resource"] for path, body in found.items()} == {
        "/.well-known/oauth-protected-resource/git/mcp": f"{AUDIENCE}/git/mcp",
        "/.well-known/oauth-protected-resource/docs/mcp": f"{AUDIENCE}/docs/mcp",
        "/.well-known/oauth-protected-resource": AUDIENCE,
    }
    below = documents(config(f"{AUDIENCE}/tools/"), ("git",))
    assert {path: json.loads(body)["resource"] for path, body in below.items()} == {
        "/.well-known/oauth-protected-resource/tools/git/mcp": f"{AUDIENCE}/tools/git/mcp",
        "/.well-known/oauth-protected-resource/tools": f"{AUDIENCE}/tools",
        "/.well-known/oauth-protected-resource": f"{AUDIENCE}/tools",
    }


def test_without_a_public_address_there_are_none() -> None:
    assert documents(config(None), ("git",)) == {}
    assert documents(None, ("git",)) == {}
    assert metadata(config(None)) is None


def test_the_challenge_names_the_document_of_the_upstream(tmp_path: Path) -> None:
    assert challenge("/git/mcp", tmp_path) == (
        f'Bearer scope="call read", resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource/git/mcp"'
    )
    assert challenge("/git/mcp", tmp_path, f"{AUDIENCE}/tools") == (
        f'Bearer scope="call read", resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource/tools/git/mcp"'
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/git/mcp/x",
        '/"x/mcp',
        "/a\r\nb/mcp",
        "/../mcp",
        "/%22/mcp",
        "/git/mcp\n",
        "/gït/mcp",
        f"/{'a' * 200}/mcp",
    ],
)
def test_any_other_path_gets_the_document_of_the_whole(tmp_path: Path, path: str) -> None:
    assert challenge(path, tmp_path).endswith(
        f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'
    )


def test_where_each_document_is_named_it_is_also_served(tmp_path: Path) -> None:
    for resource in (AUDIENCE, f"{AUDIENCE}/tools", f"{AUDIENCE}:8443/a/b/"):
        named = challenge("/git/mcp", tmp_path, resource).rpartition('resource_metadata="')[2].rstrip('"')
        path = "/" + named.split("/", 3)[3]
        assert path in documents(AuthConfig(resource=resource), ("git",))


@pytest.mark.parametrize(
    "resource",
    ['https://a"b', "https://a\r\nX: y", "gate.example.com", "https://a?b", "https://a#b", "https://a b"],
)
def test_a_resource_that_is_no_address_is_an_error(resource: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Authenticator(AuthConfig(resource=resource))
    assert caught.value.code == "AUTH036"


@pytest.mark.parametrize("scope", ['a"b', "a b", "a\\b", "", "é", "a\n"])
def test_a_scope_that_is_none_is_an_error(tmp_path: Path, scope: str) -> None:
    with pytest.raises(ConfigError) as caught:
        authenticator(tmp_path, required_scopes=(scope,))
    assert caught.value.code == "AUTH036"
