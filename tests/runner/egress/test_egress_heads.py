"""The heads of requests and the ClientHello, read in one way or not at all."""

import contextlib

import pytest
from egress_peers import client_hello
from hypothesis import given
from hypothesis import strategies as st

from callgate.runner.sandbox.egress.heads import BadHead, read_head
from callgate.runner.sandbox.egress.hello import MAX_HELLO, BadHello, NotYet, looks_like_tls, server_name
from callgate.runner.sandbox.egress.hosts import NoHost


def test_connect_names_a_host_and_a_port() -> None:
    head = read_head(
        b"CONNECT Example.com.:443 HTTP/1.1\r\nHost: example.com:443\r\nProxy-Connection: keep-alive"
    )
    assert (head.tunnel, head.target.host, head.target.port) == (True, "example.com", 443)


def test_a_plain_request_is_written_anew_without_what_is_meant_for_the_proxy() -> None:
    head = read_head(
        b"POST http://Example.com:8080/a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\n"
        b"Proxy-Authorization: Basic eDp5\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nUpgrade: h2c\r\n"
        b"Expect: 100-continue\r\nTE: trailers\r\nContent-Length: 3"
    )
    assert head.forward == (
        b"POST /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nContent-Length: 3\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert head.length == 3


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (b"http://a.example", b"GET / "),
        (b"http://a.example?q", b"GET /?q "),
        (b"HTTP://a.example/x", b"GET /x "),
    ],
)
def test_the_path_is_passed_on_as_it_is(target: bytes, line: bytes) -> None:
    assert read_head(b"GET " + target + b" HTTP/1.1\r\nHost: a.example").forward.startswith(line)


HOSTILE = {
    "no head": b"",
    "only a method": b"CONNECT",
    "origin form": b"GET / HTTP/1.1\r\nHost: a.example",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a.example",
    "https in the clear": b"GET https://a.example/ HTTP/1.1\r\nHost: a.example",
    "another scheme": b"GET ftp://a.example/ HTTP/1.1\r\nHost: a.example",
    "file": b"GET file:///etc/passwd HTTP/1.1\r\nHost: a.example",
    "HTTP/2": b"CONNECT a.example:443 HTTP/2.0\r\nHost: a.example:443",
    "HTTP/0.9": b"GET http://a.example/",
    "two spaces": b"CONNECT  a.example:443 HTTP/1.1\r\nHost: a.example:443",
    "a tab": b"CONNECT\ta.example:443 HTTP/1.1\r\nHost: a.example:443",
    "a leading empty line": b"\r\nCONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443",
    "a bare line feed": b"CONNECT a.example:443 HTTP/1.1\nHost: a.example:443",
    "a line feed in a field": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\nX: y",
    "a carriage return in a field": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\rX: y",
    "a zero byte": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nX: \x00",
    "a folded field": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n folded",
    "a space before the colon": b"CONNECT a.example:443 HTTP/1.1\r\nHost : a.example:443",
    "a field without a name": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n: x",
    "no Host": b"CONNECT a.example:443 HTTP/1.1",
    "two Hosts": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nHost: a.example:443",
    "another Host": b"CONNECT a.example:443 HTTP/1.1\r\nHost: b.example:443",
    "another Host's port": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:80",
    "another Host in the clear": b"GET http://a.example/ HTTP/1.1\r\nHost: b.example",
    "a Host that is none": b"GET http://a.example/ HTTP/1.1\r\nHost: a.example, b.example",
    "chunked": b"POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked",
    "both lengths": b"POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\ntransfer-encoding: x",
    "two lengths": b"POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 1",
    "a list of lengths": b"POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1, 1",
    "a signed length": b"POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: +1",
    "a body of CONNECT": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nContent-Length: 5",
    "a fragment": b"GET http://a.example/#x HTTP/1.1\r\nHost: a.example",
    "too many fields": b"GET http://a.example/ HTTP/1.1\r\nHost: a.example" + b"\r\nX: y" * 101,
    "userinfo": b"GET http://a.example@b.example/ HTTP/1.1\r\nHost: b.example",
    "userinfo of CONNECT": b"CONNECT a.example:443@b.example:443 HTTP/1.1\r\nHost: b.example:443",
    "a backslash": b"GET http://a.example\\@b.example/ HTTP/1.1\r\nHost: b.example",
    "a number for a host": b"CONNECT 2130706433:80 HTTP/1.1\r\nHost: 2130706433:80",
    "a percent sign in the host": b"CONNECT a%2eexample:443 HTTP/1.1\r\nHost: a%2eexample:443",
    "no port": b"CONNECT a.example HTTP/1.1\r\nHost: a.example",
    "bytes beyond ASCII": "CONNECT bücher.example:443 HTTP/1.1\r\nHost: bücher.example:443".encode(),
}


@pytest.mark.parametrize("head", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_head_that_two_readers_could_read_differently_is_refused(head: bytes) -> None:
    with pytest.raises((BadHead, NoHost)):
        read_head(head)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_the_reader_of_heads_fail_otherwise(head: bytes) -> None:
    try:
        read_head(b"CONNECT a.example:1 HTTP/1.1\r\n" + head)
        read_head(head)
    except (BadHead, NoHost):
        pass


def test_the_name_of_a_real_client_hello_is_found() -> None:
    assert server_name(client_hello("WWW.Example.com")) == "www.example.com"
    assert server_name(client_hello(None)) is None


def test_a_client_hello_may_come_byte_by_byte_and_in_many_records() -> None:
    hello = client_hello("www.example.com")
    for size in range(len(hello)):
        with pytest.raises(NotYet):
            server_name(hello[:size])
    message = hello[5:]
    pieces = b"".join(
        b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
        for piece in (message[start : start + 7] for start in range(0, len(message), 7))
    )
    assert server_name(pieces) == "www.example.com"


@pytest.mark.parametrize(
    "record", [b"\x14\x03\x03\x00\x01\x01", b"\x15\x03\x01\x00\x02\x01\x00", b"\x18\x03\x03\x00\x00"]
)
def test_a_record_before_the_client_hello_does_not_hide_it(record: bytes) -> None:
    data = record + client_hello("www.example.com")
    assert looks_like_tls(data)
    with pytest.raises(BadHello):
        server_name(data)


def renamed(hello: bytes, replaced: bytes, by: bytes) -> bytes:
    assert replaced in hello
    return hello.replace(replaced, by)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x00",
        b"\x16\x02\x01\x00\x05aaaaa",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        renamed(client_hello("www.example.com"), b"\x00\x00\x0fwww", b"\x01\x00\x0fwww"),
        renamed(client_hello("www.example.com"), b"\x00\x0fwww", b"\x00\x0ewww"),
        renamed(client_hello("www.example.com"), b"www.example.com", b"www.ex\xc3mple.com"),
        b"\x16\x03\x01\x00\x01\x01" * MAX_HELLO,
    ],
)
def test_a_client_hello_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BadHello):
        server_name(data)


@given(st.binary(max_size=300), st.integers(0, 500))
def test_no_bytes_make_the_reader_of_hellos_fail_otherwise(noise: bytes, place: int) -> None:
    hello = client_hello("www.example.com")
    with contextlib.suppress(BadHello, NotYet):
        server_name(hello[:place] + noise + hello[place + len(noise) :])
