"""Web pages do not reach a gate: names that are not its own, pages that nobody listed, and every odd spelling."""

import pytest
from auth_parts import code_of, refusal, request
from hypothesis import given
from hypothesis import strategies as st

from callgate.auth.hosts import Hosts
from callgate.config.model import ListenConfig
from callgate.http1.contract import Head, Header

LOCAL = Hosts(ListenConfig())
NAMED = Hosts(
    ListenConfig(
        host="192.168.1.5",
        hosts=("gate.example.com", "Other.example.com:8443", "[2001:DB8::0:1]", "10.0.0.1"),
        origins=("https://app.example.com", "HTTP://localhost:3000/", "https://ports.example.com:443"),
    ),
    "https://public.example.org:8722/base",
)


def to(host: str | bytes | None, *headers: tuple[str, str | bytes], method: str = "POST") -> Head:
    own = [("Host", host)] if host is not None else []
    return request(*own, *headers, method=method)


def named(headers: tuple[Header, ...] | None) -> dict[str, str]:
    assert headers is not None
    return {name.decode(): value.decode() for name, value in headers}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:1",
        "localhost:8722",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.1.2.3:80",
        "[::1]",
        "[::1]:8722",
    ],
)
def test_loopback_is_served_with_any_port(host: str) -> None:
    LOCAL.check(to(host))
    LOCAL.check(to(host))


@pytest.mark.parametrize(
    "host",
    [
        "gate.example.com",
        "GATE.EXAMPLE.COM:443",
        "other.example.com:8443",
        "192.168.1.5",
        "192.168.1.5:8722",
        "[2001:db8::1]",
        "[2001:DB8::1]:80",
        "10.0.0.1:8722",
        "public.example.org:8722",
        "localhost",
    ],
)
def test_listed_names_and_the_own_address_are_served(host: str) -> None:
    NAMED.check(to(host))


REBINDING = [
    None,
    "",
    " ",
    "evil.com",
    "evil.com:8722",
    "gate.example.com",
    "localhost.evil.com",
    "127.0.0.1.evil.com",
    "127.0.0.1.nip.io",
    "evil-localhost",
    "xlocalhost",
    "localhost.",
    "localhost.:8722",
    "localhost..",
    ".localhost",
    "sub.localhost",
    "localhost:",
    "localhost:0",
    "localhost:00080",
    "localhost:65536",
    "localhost:99999999",
    "localhost:8722:8722",
    "localhost:+80",
    "localhost:80 ",
    "localhost:8o",
    "localhost,evil.com",
    "localhost evil.com",
    "localhost/",
    "localhost/@evil.com",
    "localhost?x",
    "localhost#x",
    "localhost\\evil.com",
    "localhost%00",
    "localhost%2eevil.com",
    "user@localhost",
    "user:password@localhost",
    "localhost@evil.com",
    "localhost\x00",
    "localhost\x00.evil.com",
    "localhost\t",
    "http://localhost",
    "//localhost",
    b"l\xf6calhost",
    b"localhost\xe2\x80\x8b",
    b"\xef\xbd\x8cocalhost",
    b"127\xe3\x80\x820\xe3\x80\x820\xe3\x80\x821",
    "0",
    "0.0.0.0",  # noqa: S104
    "0.0.0.0:8722",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.01",
    "127.0.0.1.",
    "127.0.0.256",
    "127.0.0.1.1",
    "127.0.0",
    "128.0.0.1",
    "::1",
    "::1:8722",
    "[::1",
    "::1]",
    "[::1]x",
    "[::1]:",
    "[[::1]]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::01]",
    "[::0.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::1%lo]",
    "[::1%25lo]",
    "[fe80::1%eth0]",
    "[v1.localhost]",
    "[localhost]",
    "[]",
    "a" * 300,
    "xn--localhost",
    "-localhost",
    "localhost-",
    "*",
    "null",
]


@pytest.mark.parametrize("host", REBINDING)
def test_every_other_name_and_spelling_is_misdirected(host: str | bytes | None) -> None:
    for _ in range(2):
        refused = refusal(lambda: LOCAL.check(to(host)))
        assert (refused.status, code_of(refused)) == (421, "AUTH020")


@pytest.mark.parametrize(
    "host",
    [
        "other.example.com",
        "other.example.com:443",
        "a.gate.example.com",
        "example.com",
        "192.168.1.6",
        "public.example.org",
        "[2001:db8::2]",
        "0.0.0.0",  # noqa: S104
    ],
)
def test_what_is_near_a_listed_name_is_not_served(host: str) -> None:
    assert refusal(lambda: NAMED.check(to(host))).status == 421


def test_listening_everywhere_serves_no_name_by_that() -> None:
    for address in ("0.0.0.0", "::", ""):  # noqa: S104
        hosts = Hosts(ListenConfig(host=address))
        for host in ("0.0.0.0", "[::]", "192.168.1.5", ""):  # noqa: S104
            assert refusal(lambda h=hosts, n=host: h.check(to(n))).status == 421  # type: ignore[misc]


def test_two_hosts_are_refused_even_if_both_are_good() -> None:
    assert refusal(lambda: LOCAL.check(to("localhost", ("Host", "localhost")))).status == 421


class TestPages:
    @pytest.mark.parametrize(
        "origin", ["https://app.example.com", "http://localhost:3000", "https://ports.example.com"]
    )
    def test_listed_ones_may_call(self, origin: str) -> None:
        NAMED.check(to("gate.example.com", ("Origin", origin)))
        NAMED.check(to("gate.example.com", ("Origin", origin), ("Sec-Fetch-Site", "cross-site")))

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_one_of_the_very_host_and_port_may(self, scheme: str) -> None:
        LOCAL.check(to("localhost:8722", ("Origin", f"{scheme}://localhost:8722")))

    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "",
            "https://evil.com",
            "http://localhost",
            "http://localhost:3000",
            "http://127.0.0.1:8722",
            "http://localhost:8722/",
            "http://localhost:8722@evil.com",
            "http://localhost:8722.evil.com",
            "http://evil.com:8722",
            "ws://localhost:8722",
            "file://",
            "file://localhost:8722",
            "chrome-extension://abc",
            "localhost:8722",
            "//localhost:8722",
            "http://localhost:8722 https://evil.com",
            "http://localhost:8722,https://evil.com",
            "http://[::1]:8722",
            b"http://localhost:8722\xff",
            b"\xff",
        ],
    )
    def test_no_other_may(self, origin: str | bytes) -> None:
        refused = refusal(lambda: LOCAL.check(to("localhost:8722", ("Origin", origin))))
        assert (refused.status, code_of(refused)) == (403, "AUTH021")

    @pytest.mark.parametrize(
        "origin",
        [
            "https://app.example.com.evil.com",
            "http://app.example.com",
            "https://app.example.com:444",
            "https://sub.app.example.com",
            "null",
        ],
    )
    def test_what_is_near_a_listed_one_may_not(self, origin: str) -> None:
        assert refusal(lambda: NAMED.check(to("gate.example.com", ("Origin", origin)))).status == 403

    def test_null_and_any_cannot_be_listed(self) -> None:
        hosts = Hosts(ListenConfig(origins=("null", "*")))
        for origin in ("null", "*", "https://evil.com"):
            assert refusal(lambda o=origin: hosts.check(to("localhost", ("Origin", o)))).status == 403  # type: ignore[misc]

    def test_two_origins_are_refused_even_if_both_are_good(self) -> None:
        good = ("Origin", "https://app.example.com")
        assert refusal(lambda: NAMED.check(to("gate.example.com", good, good))).status == 403

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Cross-Site", "x"])
    def test_a_browser_that_names_no_origin_is_refused_unless_it_is_the_same(self, site: str) -> None:
        refused = refusal(lambda: LOCAL.check(to("localhost", ("Sec-Fetch-Site", site), method="GET")))
        assert (refused.status, code_of(refused)) == (403, "AUTH022")

    @pytest.mark.parametrize("site", ["same-origin", "none"])
    def test_the_address_bar_and_the_gate_itself_are_let_in(self, site: str) -> None:
        LOCAL.check(to("localhost", ("Sec-Fetch-Site", site), method="GET"))

    def test_what_passed_once_does_not_open_for_another(self) -> None:
        hosts = Hosts(ListenConfig(origins=("https://app.example.com",)))
        hosts.check(to("localhost", ("Origin", "https://app.example.com")))
        hosts.check(to("localhost"))
        assert (
            refusal(lambda: hosts.check(to("evil.com", ("Origin", "https://app.example.com")))).status == 421
        )
        assert refusal(lambda: hosts.check(to("localhost", ("Origin", "https://evil.com")))).status == 403

    def test_no_refusal_repeats_what_was_sent(self) -> None:
        for head in (to("evil.com"), to("localhost", ("Origin", "https://evil.com"))):
            refused = refusal(lambda head=head: LOCAL.check(head))  # type: ignore[misc]
            assert b"evil" not in refused.body
            assert not refused.headers


class TestCors:
    APP = ("Origin", "https://app.example.com")

    def test_answers_to_listed_pages_can_be_read_by_them(self) -> None:
        found = named(NAMED.cors(to("gate.example.com", self.APP)))
        assert found["access-control-allow-origin"] == "https://app.example.com"
        assert found["vary"] == "Origin"
        assert "Mcp-Session-Id" in found["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in found

    @pytest.mark.parametrize("origin", ["https://evil.com", "null", "http://gate.example.com"])
    def test_no_other_page_gets_a_word_of_it(self, origin: str) -> None:
        head = to(
            "gate.example.com",
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            method="OPTIONS",
        )
        assert NAMED.cors(head) == ()
        assert NAMED.preflight(head) is None

    def test_a_listed_page_may_ask_before_it_calls(self) -> None:
        wanted = "content-type, Authorization,mcp-param-region, x-evil, mcp-param-a\x00b, mcp-param-"
        head = to(
            "gate.example.com",
            self.APP,
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", wanted),
            method="OPTIONS",
        )
        found = named(NAMED.preflight(head))
        assert found["access-control-allow-methods"] == "POST, GET, DELETE"
        assert found["access-control-allow-headers"].split(", ") == [
            "authorization",
            "content-type",
            "accept",
            "last-event-id",
            "mcp-session-id",
            "mcp-protocol-version",
            "mcp-method",
            "mcp-name",
            "mcp-param-region",
        ]

    def test_what_is_no_question_is_not_answered_as_one(self) -> None:
        asking = ("Access-Control-Request-Method", "POST")
        assert NAMED.preflight(to("gate.example.com", self.APP, method="OPTIONS")) is None
        assert NAMED.preflight(to("gate.example.com", self.APP, asking, method="POST")) is None
        assert NAMED.preflight(to("gate.example.com", asking, method="OPTIONS")) is None


@given(st.text(max_size=40))
def test_only_the_names_that_are_meant_are_ever_served(host: str) -> None:
    name, _, port = (
        host.lower().rpartition(":") if not host.endswith("]") and ":" in host else (host.lower(), "", "")
    )
    meant = name in ("localhost", "[::1]") or name.startswith("127.")
    try:
        LOCAL.check(to(host.encode("utf-8", "surrogatepass")))
    except Exception:
        return
    assert meant
    assert port == "" or 0 < int(port) < 65_536
