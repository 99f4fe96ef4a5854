"""Which era a request is of: header and body must say the same, or it is refused."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.http1.contract import Head, Headers
from callgate.serve.versions import VersionRefusal, decode_value, version_of
from callgate.wire.strict import ClientFrame, read_client_frame

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


def frame(method: str = "tools/call", meta: Any = META, **params: Any) -> ClientFrame:
    if method == "tools/call":
        params.setdefault("name", "echo")
    if meta is not None:
        params["_meta"] = meta
    return read_client_frame(
        msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    )


def head(*more: tuple[bytes, bytes], version: bytes | None = MODERN.encode(), **named: str) -> Head:
    items = [] if version is None else [(b"mcp-protocol-version", version)]
    items += [(f"mcp-{name}".encode(), value.encode()) for name, value in named.items()]
    return Head("POST", "/x/mcp", "", Headers([*items, *more]), "127.0.0.1")


def refusal(given: Head, of: ClientFrame) -> int:
    with pytest.raises(VersionRefusal) as caught:
        version_of(given, of)
    return caught.value.rpc_code


def test_a_request_whose_headers_and_body_agree_is_of_that_version() -> None:
    assert version_of(head(method="tools/call", name="echo"), frame()) == MODERN
    assert version_of(head(method="tools/list"), frame("tools/list")) == MODERN


@pytest.mark.parametrize("version", [None, b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"])
def test_a_request_of_a_handshake_era_has_no_modern_version(version: bytes | None) -> None:
    assert version_of(head(version=version), frame(meta=None)) is None


@pytest.mark.parametrize("version", [None, b"2025-11-25"])
def test_a_body_that_claims_the_modern_era_behind_another_header_is_refused(version: bytes | None) -> None:
    assert refusal(head(version=version, method="tools/call", name="echo"), frame()) == -32020


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {k: v for k, v in META.items() if "Version" in k},
        {k: v for k, v in META.items() if "Cap" in k},
    ],
)
def test_a_modern_header_over_a_body_without_its_envelope_is_invalid_params(meta: Any) -> None:
    assert refusal(head(method="tools/call", name="echo"), frame(meta=meta)) == -32602


@pytest.mark.parametrize("claim", [None, 0, "", [MODERN], "2025-11-25"])
def test_a_body_must_not_even_mention_its_version_behind_another_header(claim: Any) -> None:
    claims = frame(meta={"io.modelcontextprotocol/protocolVersion": claim})
    assert refusal(head(version=b"2025-11-25"), claims) == -32020


def test_a_body_of_another_version_than_its_header_is_a_mismatch() -> None:
    other = {**META, "io.modelcontextprotocol/protocolVersion": "v999"}
    assert refusal(head(method="tools/call", name="echo"), frame(meta=other)) == -32020


def test_a_version_that_nobody_knows_is_unsupported_and_the_known_ones_are_named() -> None:
    other = {**META, "io.modelcontextprotocol/protocolVersion": "v999"}
    with pytest.raises(VersionRefusal) as caught:
        version_of(head(version=b"v999", method="tools/call", name="echo"), frame(meta=other))
    assert caught.value.rpc_code == -32022
    assert caught.value.data == {"supported": [MODERN], "requested": "v999"}


@pytest.mark.parametrize(
    "headers",
    [
        {"method": "tools/list", "name": "echo"},
        {"method": "TOOLS/CALL", "name": "echo"},
        {"name": "echo"},
        {"method": "tools/call"},
        {"method": "tools/call", "name": "other"},
        {"method": "tools/call", "name": "Echo"},
        {"method": "tools/call", "name": "=?base64?ZWNobw=?="},
    ],
)
def test_routing_headers_that_are_missing_or_say_something_else_are_refused(headers: dict[str, str]) -> None:
    assert refusal(head(**headers), frame()) == -32020  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [b"mcp-protocol-version", b"mcp-method", b"mcp-name"])
def test_a_routing_header_that_stands_twice_is_refused_even_if_both_say_the_same(name: bytes) -> None:
    first = head(method="tools/call", name="echo")
    again = next(value for key, value in first.headers.items if key == name)
    assert refusal(head((name, again), method="tools/call", name="echo"), frame()) == -32020


def test_a_name_over_a_request_that_names_nothing_is_refused() -> None:
    assert refusal(head(method="resources/read", name="x"), frame("resources/read")) == -32020


def test_an_encoded_name_is_compared_decoded() -> None:
    encoded = f"=?base64?{base64.b64encode('grüße'.encode()).decode()}?="
    assert version_of(head(method="tools/call", name=encoded), frame(name="grüße")) == MODERN


@pytest.mark.parametrize("spelled", [b"caf\xe9", "caf\u00e9".encode()], ids=["latin-1", "utf-8"])
def test_a_plain_value_beyond_ascii_stands_for_nothing(spelled: bytes) -> None:
    assert decode_value(spelled) is None
    for name in ("caf\u00e9", spelled.decode("latin-1")):
        assert refusal(head((b"mcp-name", spelled), method="tools/call"), frame(name=name)) == -32020


@pytest.mark.parametrize("spelled", ["=?BASE64?cm0=?=", "=?Base64?cm0=?="])
def test_a_value_that_is_encoded_for_readers_that_ignore_case_stands_for_nothing(spelled: str) -> None:
    assert refusal(head(method="tools/call", name=spelled), frame(name=spelled)) == -32020
    assert refusal(head(method="tools/call", name=spelled), frame(name="rm")) == -32020


@given(st.text(max_size=80))
def test_whatever_is_encoded_is_decoded_to_itself(text: str) -> None:
    assert decode_value(b"=?base64?%b?=" % base64.b64encode(text.encode())) == text or not text


@given(st.binary(max_size=80))
def test_any_value_is_decoded_without_an_error(value: bytes) -> None:
    decode_value(value)
    decode_value(b"=?base64?%b?=" % value)
