"""Keys that come from a server: fetched behind the scenes, believed within bounds, whatever the server does."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest
from auth_parts import (
    AUDIENCE,
    ISSUER,
    KeyServer,
    bearing,
    code_of,
    header_of,
    jwt_config,
    key_set,
    private_key,
    public_jwk,
    refusal,
    running,
    signed,
    standard_set,
)

from callgate.auth.authenticator import Authenticator
from callgate.auth.keysource import STALE_SECONDS
from callgate.clock import ManualClock
from callgate.config.model import AuthConfig
from callgate.errors import ConfigError

LONG = 1_790_000_000 + 100_000


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with running(KeyServer()) as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Log:
    """What the gate would write into its log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, code: str, text: str) -> None:
        self.lines.append((code, text))

    def codes(self) -> list[str]:
        return [code for code, _ in self.lines]


def gate(server: KeyServer, clock: ManualClock, log: Log | None = None) -> Authenticator:
    return Authenticator(AuthConfig(jwt=(jwt_config(server.url()),)), clock=clock, notify=log or Log())


def token(kid: str = "EdDSA", number: int = 0) -> str:
    return signed("EdDSA", {"kid": kid}, number, exp=LONG)


def rotated(*numbers: int) -> bytes:
    return key_set(*(public_jwk(private_key("EdDSA", number), f"k{number}") for number in numbers))


def test_keys_are_fetched_once_and_then_used(server: KeyServer, clock: ManualClock) -> None:
    log = Log()
    auth = gate(server, clock, log)
    assert not auth.ready
    assert auth.wait(10)
    for _ in range(3):
        assert auth.identify(bearing(token())).identity == f"jwt:{ISSUER}|alice"
        auth.tick()
    assert server.requests == ["/jwks?x=1"]
    assert log.codes() == ["AUTH038"]


def test_before_there_are_keys_the_answer_is_503_and_never_a_wait(
    server: KeyServer, clock: ManualClock
) -> None:
    server.serve_raw(then_wait=True)
    auth = gate(server, clock)
    auth.tick()
    refused = refusal(lambda: auth.identify(bearing(token())))
    assert (refused.status, code_of(refused)) == (503, "AUTH014")
    assert header_of(refused, b"retry-after") == "5"
    server.released.set()
    auth.wait(10)


def test_keys_are_refreshed_every_ten_minutes(server: KeyServer, clock: ManualClock) -> None:
    auth = gate(server, clock)
    auth.wait(10)
    clock.advance(599)
    auth.tick()
    assert len(server.requests) == 1
    clock.advance(1)
    auth.wait(10)
    assert len(server.requests) == 2


def test_a_key_that_is_withdrawn_ends_what_was_verified_by_it(server: KeyServer, clock: ManualClock) -> None:
    server.serve_document(rotated(1, 2))
    auth = gate(server, clock)
    auth.wait(10)
    head = bearing(token("k1", 1))
    assert auth.identify(head).proven
    server.serve_document(rotated(2))
    clock.advance(600)
    assert auth.identify(head).proven
    auth.wait(10)
    assert code_of(refusal(lambda: auth.identify(head))) == "AUTH008"


def test_an_unknown_key_has_the_set_fetched_and_the_next_try_is_let_in(
    server: KeyServer, clock: ManualClock
) -> None:
    server.serve_document(rotated(1))
    auth = gate(server, clock)
    auth.wait(10)
    server.serve_document(rotated(1, 2))
    clock.advance(30)
    refused = refusal(lambda: auth.identify(bearing(token("k2", 2))))
    assert (refused.status, code_of(refused)) == (401, "AUTH008")
    assert b"being fetched, try again" in refused.body
    auth.wait(10)
    assert auth.identify(bearing(token("k2", 2))).proven
    assert len(server.requests) == 2


def test_a_flood_of_unknown_keys_costs_the_issuer_one_request_in_thirty_seconds(
    server: KeyServer, clock: ManualClock
) -> None:
    auth = gate(server, clock)
    auth.wait(10)
    for second in range(60):
        for number in range(20):
            head = bearing(token(f"{second}-{number}"))
            assert code_of(refusal(partial(auth.identify, head))) == "AUTH008"
        clock.advance(1)
        auth.wait(10)
    assert len(server.requests) == 2
    assert auth.identify(bearing(token())).proven


def test_keys_stay_in_use_while_their_server_fails_but_not_for_ever(
    server: KeyServer, clock: ManualClock
) -> None:
    log = Log()
    auth = gate(server, clock, log)
    auth.wait(10)
    server.serve_document(b"", status=500)
    clock.advance(600)
    auth.wait(10)
    assert log.lines[-1][0] == "AUTH039"
    assert "status 500" in log.lines[-1][1]
    head = bearing(token())
    clock.advance(STALE_SECONDS - 600 - 1)
    assert auth.identify(head).proven
    # Neither what was remembered nor the keys outlive the bound.
    clock.advance(1)
    assert code_of(refusal(lambda: auth.identify(head))) == "AUTH014"
    assert not auth.ready
    auth.wait(10)
    server.serve_document(standard_set())
    clock.advance(60)
    auth.wait(10)
    assert auth.identify(head).proven


def test_a_failing_server_is_asked_less_and_less_often(server: KeyServer, clock: ManualClock) -> None:
    server.serve_document(b"", status=404)
    auth = gate(server, clock)
    asked = []
    for second in range(200):
        before = len(server.requests)
        auth.wait(10)
        if len(server.requests) > before:
            asked.append(second)
        clock.advance(1)
    assert asked == [0, 5, 15, 35, 75, 135, 195]


def test_a_reload_keeps_the_keys_of_a_url_that_stays(server: KeyServer, clock: ManualClock) -> None:
    auth = gate(server, clock)
    auth.wait(10)
    auth.reload(AuthConfig(jwt=(jwt_config(server.url(), required_scopes=("x",)),)))
    assert auth.ready
    assert code_of(refusal(lambda: auth.identify(bearing(token())))) == "AUTH013"
    assert len(server.requests) == 1


def test_a_fetch_that_ends_after_its_url_is_gone_changes_nothing(
    server: KeyServer, clock: ManualClock
) -> None:
    server.serve_raw(then_wait=True)
    auth = gate(server, clock)
    auth.tick()
    (thread,) = [each for each in threading.enumerate() if each.name == "callgate-jwks"]
    other = server.url().replace("x=1", "x=2")
    auth.reload(AuthConfig(jwt=(jwt_config(other),)))
    server.released.set()
    thread.join(10)
    server.serve_document(standard_set())
    auth.wait(10)
    assert auth.identify(bearing(token())).proven


OK = b"HTTP/1.1 200 OK\r\n"
DOCUMENT = standard_set()

HOSTILE: dict[str, tuple[tuple[bytes, ...], str]] = {
    "redirect": ((b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",), "redirects"),
    "redirect with keys": ((b"HTTP/1.1 301 X\r\nLocation: /\r\n\r\n" + DOCUMENT,), "redirects"),
    "not found with keys": ((b"HTTP/1.1 404 X\r\n\r\n" + DOCUMENT,), "status 404"),
    "huge": ((OK + b"\r\n" + b" " * 400_000,), "larger"),
    "huge by its own word": ((OK + b"Content-Length: 99999999999\r\n\r\n" + b" " * 400_000,), "larger"),
    "huge head": ((OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n",), "as it must"),
    "endless heads": ((OK + b"X: a\r\n" * 20_000,), "as it must"),
    "huge chunks": (
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n") * 1
        + (b"10000\r\n" + b" " * 65536 + b"\r\n",) * 6,
        "larger|too large",
    ),
    "bad chunks": ((OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + DOCUMENT,), "as it must"),
    "cut off": ((OK + b"Content-Length: 5000\r\n\r\n" + DOCUMENT[:20],), "as it must|cut off"),
    "nothing": ((b"",), "as it must"),
    "not HTTP": ((b"SSH-2.0-OpenSSH\r\n",), "as it must"),
    "garbage": ((OK + b"\r\n\x00\xff<html>",), "no use"),
    "HTML": ((OK + b"\r\n<html>evil</html>",), "no use"),
    "no keys": ((OK + b'\r\n{"keys":[]}',), "no use"),
    "keys twice": ((OK + b"\r\n" + DOCUMENT[:-1] + b',"keys":[]}',), "no use"),
    "symmetric keys only": ((OK + b'\r\n{"keys":[{"kty":"oct","k":"YWFh","kid":"EdDSA"}]}',), "no use"),
    "deep": ((OK + b"\r\n" + b'{"keys":' + b"[" * 50_000,), "no use"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_brings_no_keys_and_takes_none_away(
    server: KeyServer, clock: ManualClock, name: str
) -> None:
    pieces, why = HOSTILE[name]
    log = Log()
    auth = gate(server, clock, log)
    server.serve_raw(*pieces)
    assert not auth.wait(20)
    code, text = log.lines[-1]
    assert code == "AUTH039"
    assert any(each in text for each in why.split("|")), text
    assert "evil" not in text
    server.serve_document(DOCUMENT)
    clock.advance(5)
    assert auth.wait(10)
    server.serve_raw(*pieces)
    clock.advance(600)
    auth.wait(20)
    assert auth.identify(bearing(token())).proven


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/jwks",
        "http://127.0.0.1.evil.com/jwks",
        "ftp://idp.example.com/jwks",
        "https://user:password@idp.example.com/jwks",
        "https://idp.example.com/jwks\r\nX: y",
        "https://idp.example.com:x/jwks",
        "https:///jwks",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_must_not_be_fetched_is_an_error_at_the_start(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Authenticator(AuthConfig(jwt=(jwt_config(url),)))
    assert caught.value.code == "AUTH036"


def test_no_claim_of_a_token_makes_the_gate_fetch_anything(server: KeyServer, clock: ManualClock) -> None:
    auth = gate(server, clock)
    auth.wait(10)
    elsewhere = server.url().replace("jwks", "evil")
    tricky = signed(
        "EdDSA",
        {"kid": "EdDSA", "jku": elsewhere, "x5u": elsewhere},
        iss=ISSUER,
        aud=AUDIENCE,
        jwks_uri=elsewhere,
    )
    auth.identify(bearing(tricky))
    auth.tick()
    assert server.requests == ["/jwks?x=1"]
