"""Which hosts are hosts, which addresses are public, and which entries allow what."""

import ipaddress
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import SandboxError
from callgate.runner.sandbox.egress.addresses import place_of
from callgate.runner.sandbox.egress.entries import find, reachable, read_entries, read_entry
from callgate.runner.sandbox.egress.hosts import NoHost, read_host, read_target


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com.", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dns.1e100.net", "_dns.1e100.net"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("[::FFFF:7f00:1]", "::ffff:7f00:1"),
        ("[2001:db8:0:0::1]", "2001:db8::1"),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert read_host(text)[0] == host


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a..b", ".a", "a b", "a/b", "a@b", "a\x00b", "a%2eb", "bücher.example", "a:b", "-a.b", "a-.b"),
        *("127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.01", "127.0.0.256", "1.2.3.4.5"),
        *("example.1", "example.0x", "127.0.0.1..", "\uff11\uff12\uff17.0.0.1", "[::1", "::1", "[::1%eth0]"),
        *("[127.0.0.1]", "[]"),
        *("a" * 64 + ".com", "a." * 127 + "com", "localhost\r\n", "exa\u00admple.com", "example\u3002com"),
    ],
)  # fmt: skip
def test_what_resolvers_may_read_in_several_ways_is_no_host(text: str) -> None:
    with pytest.raises(NoHost):
        read_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a:",
        "a:0",
        "a:00080",
        "a:65536",
        "a:-1",
        "a:+80",
        "a:8 0",
        "a:80:80",
        "u@a:80",
        "u:p@a:80",
        "a:٨٠",
        ":80",
    ],
)
def test_a_port_is_a_plain_number_and_nothing_stands_before_the_host(text: str) -> None:
    with pytest.raises(NoHost):
        read_target(text)


@given(st.text(max_size=40))
def test_whatever_is_taken_as_a_host_is_read_the_same_again(text: str) -> None:
    try:
        host, address = read_host(text)
    except NoHost:
        return
    assert host.isascii()
    assert host == host.lower()
    assert read_host(f"[{host}]" if ":" in host else host) == (host, address)


@given(st.integers(0, 2**32 - 1))
def test_no_spelling_of_an_ipv4_address_but_the_plain_one_is_a_host(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    assert read_host(str(address)) == (str(address), address)
    first, second, third, fourth = address.packed
    for other in (
        str(number),
        hex(number),
        f"0{number:o}",
        f"{first}.{number & 0xFFFFFF}",
        f"{hex(first)}.{second}.{third}.{hex(fourth)}",
        f"0{first:o}.{second}.{third}.0{fourth:o}",
        f"{first}.{second}.{(third << 8) + fourth}",
    ):
        with pytest.raises(NoHost):
            read_host(other)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        *((each, "public") for each in ("1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00::1")),
        *((each, "private") for each in ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1")),
        *((each, "private") for each in ("fc00::1", "fdff::1")),
        *((each, "special") for each in ("127.0.0.1", "127.255.0.1", "0.1.2.3", "169.254.169.254")),
        *((each, "special") for each in ("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1")),
        *((each, "special") for each in ("::", "::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8")),
        *((each, "special") for each in ("64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::", "fec0::1")),
        *((each, "special") for each in ("2001:db8::1", "100::1", "::7f00:1", "5f00::1", "4000::1")),
    ],
)  # fmt: skip
def test_every_address_has_a_place(text: str, place: str) -> None:
    assert place_of(ipaddress.ip_address(text)) == place


@given(st.integers(0, 2**32 - 1))
def test_what_counts_as_public_is_public_for_the_standard_library_too(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    if place_of(address) == "public":
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("entry", "asked", "allowed"),
    [
        ("example.com:443", "EXAMPLE.com.:443", True),
        ("Example.COM.:443", "example.com:443", True),
        ("example.com:443", "example.com:80", False),
        ("example.com:443", "www.example.com:443", False),
        ("example.com:443", "example.com.evil.net:443", False),
        ("example.com:443", "evilexample.com:443", False),
        ("*.example.com:443", "www.example.com:443", True),
        ("*.example.com:443", "a.b.example.com:443", True),
        ("*.example.com:443", "example.com:443", False),
        ("*.example.com:443", "evilexample.com:443", False),
        ("bücher.example:443", "xn--bcher-kva.example:443", True),
        ("private:git.corp.example:443", "git.corp.example:443", True),
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", False),
        ("[FD00:0::1]:80", "[fd00::1]:80", True),
    ],
)
def test_an_entry_allows_what_it_names_and_nothing_else(entry: str, asked: str, allowed: bool) -> None:
    assert (find(read_entries([entry]), read_target(asked)) is not None) is allowed


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ("a.example:1", ["8.8.8.8"]),
        ("private:a.example:1", ["8.8.8.8", "10.0.0.1", "fd00::1"]),
    ],
)
def test_a_name_reaches_private_addresses_only_if_it_is_marked_and_special_ones_never(
    entry: str, left: list[str]
) -> None:
    every = [
        "8.8.8.8",
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "::ffff:8.8.8.8",
        "fd00::1",
        "::1",
        "0.0.0.0",  # noqa: S104
    ]
    addresses = [ipaddress.ip_address(each) for each in every]
    assert [str(each) for each in reachable(read_entry(entry), addresses)] == left


@pytest.mark.parametrize(
    "entry",
    [
        "example.com",
        "*:443",
        "*",
        "*.:443",
        "*.*.a:1",
        "a.*.b:1",
        "http://a:1",
        "127.1:80",
        "private:10.0.0.1:80",
        "",
    ],
)
def test_an_entry_that_could_be_misread_is_refused_and_quoted(entry: str) -> None:
    with pytest.raises(SandboxError) as raised:
        read_entries([entry])
    assert raised.value.code == "SBX060"
    assert f"`{entry}`" in raised.value.message


def test_an_address_of_this_very_machine_is_not_public() -> None:
    """Tried in a network of its own, where this machine has an address that is public elsewhere."""
    code = (
        "import ipaddress\nfrom callgate.runner.sandbox.egress.addresses import place_of\n"
        "print(*(place_of(ipaddress.ip_address(a)) for a in ('9.9.9.9', '9.9.9.10')))"
    )
    inside = 'ip link set lo up && ip address add 9.9.9.9/32 dev lo && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", inside, sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "here public\n", done.stderr
