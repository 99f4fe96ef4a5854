"""Answers that could be read in two ways, have no end, or bring along what nobody asked for; and our own requests."""

import asyncio

import pytest
from tests.support.http_peers import OK, Client, RawServer, Taken, on_a_loop

from callgate.http1.client_request import RequestEncoder
from callgate.http1.origin import read_url

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\nhello",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        HEAD + b"Content-Length: 2, 2\r\n\r\nhi",
        HEAD + b"Content-Length: +2\r\n\r\nhi",
        HEAD + b"Content-Length: 0x2\r\n\r\nhi",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nhi",
        HEAD + b"Content-Length: -1\r\n\r\nhi",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\n\r\nhi",
        CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\n2\nhi\r\n0\r\n\r\n",
        CHUNKED + b"\r\n0x2\r\nhi\r\n0\r\n\r\n",
        CHUNKED + b"\r\n-1\r\nhi\r\n0\r\n\r\n",
        CHUNKED + b"\r\nFFFFFFFFFFFFFFFFF\r\nhi\r\n0\r\n\r\n",
        CHUNKED + b"\r\n2\r\nhiX\r\n0\r\n\r\n",
        HEAD + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"A: b\nContent-Length: 0\r\n\r\n",
        HEAD + b"A: b\rContent-Length: 5\r\n\r\n",
        HEAD + b"A: b\0\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Content-Length : 0\r\n\r\n",
        HEAD + b": 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK,
        b"ICY 200 OK\r\n\r\n",
        b"hello",
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_doubtful_is_no_answer(answer: bytes, whole: bool) -> None:
    async def test() -> None:
        async with RawServer(answer if whole else b"") as server:
            client, taken = Client(server.port), Taken()
            client.send(b"GET", b"/", [], b"", taken)
            if not whole:
                while not server.requests:
                    await asyncio.sleep(0)
                for place in range(len(answer)):
                    if not server.writers[0].transport.is_closing():
                        server.writers[0].write(answer[place : place + 1])
                    await asyncio.sleep(0)
            await taken.ended()
            assert taken.failure is not None
            assert (taken.failure.kind, taken.failure.sent) == ("malformed", True)
            assert client.connections == 0
            client.close()

    on_a_loop(test)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"A: " + b"x" * 40_000 + b"\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"A: " + b"x" * 200_000,
        HEAD + b"A" * 200_000,
        b"HTTP/1.1 200 " + b"x" * 200_000,
        HEAD + b"A: b\r\n" * 101 + b"Content-Length: 0\r\n\r\n",
        CHUNKED + b"\r\n2\r\nhi\r\n0\r\nA: " + b"x" * 200_000,
        CHUNKED + b"\r\n2\r\nhi\r\n0\r\n" + b"A: b\r\n" * 40_000,
        CHUNKED + b"\r\n2;" + b"x" * 200_000,
        (b"HTTP/1.1 100 Continue\r\nA: " + b"x" * 20_000 + b"\r\n\r\n") * 8,
    ],
)
def test_headers_and_the_like_without_end_are_cut_off(answer: bytes) -> None:
    async def test() -> None:
        async with RawServer(answer) as server:
            client = Client(server.port, max_head=32_768)
            failure = (await client.get()).failure
            assert failure is not None
            assert failure.kind == "too_large"
            client.close()

    on_a_loop(test)


def test_interim_answers_are_passed_over() -> None:
    async def test() -> None:
        interim = (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nLink: x\r\n\r\n"
        )
        async with RawServer(interim + OK, interim + OK) as server:
            client = Client(server.port)
            for _ in range(2):
                taken = await client.get()
                assert (taken.status, taken.body) == (200, b"hi")
                assert taken.headers.get(b"link") is None
            assert server.connections == 1
            client.close()

    on_a_loop(test)


@pytest.mark.parametrize(
    "surplus",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"x",
        b"\0",
    ],
)
@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 204 None\r\n\r\n", CHUNKED + b"\r\n2\r\nhi\r\n0\r\n\r\n"])
def test_what_stands_behind_an_answer_never_reaches_the_next_request(answer: bytes, surplus: bytes) -> None:
    async def test() -> None:
        async with RawServer(answer + surplus) as server:
            client = Client(server.port)
            second = Taken()

            class First(Taken):
                def done(self) -> None:
                    super().done()
                    client.send(b"GET", b"/", [], b"", second)

            first = First()
            client.send(b"GET", b"/", [], b"", first)
            await second.ended()
            assert first.body in (b"hi", b"")
            assert (second.body, server.connections) == (b"hi", 2)
            client.close()

    on_a_loop(test)


def test_what_comes_on_an_idle_connection_ends_it() -> None:
    async def test() -> None:
        async with RawServer(OK) as server:
            client = Client(server.port)
            await client.get()
            server.writers[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await server.closed.get()
            assert (await client.get()).body == b"hi"
            assert server.connections == 2
            client.close()

    on_a_loop(test)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 5\r\n\r\nhi",
        CHUNKED + b"\r\n2\r\nhi\r\n",
        CHUNKED + b"\r\n2\r\nhi\r\n0\r\n",
        HEAD + b"Content-Le",
        b"",
    ],
)
def test_an_answer_that_breaks_off_is_not_taken_for_whole(answer: bytes) -> None:
    async def test() -> None:
        async with RawServer(answer + RawServer.CLOSE) as server:
            client = Client(server.port)
            taken = await client.get()
            assert taken.failure is not None
            assert (taken.failure.kind, taken.failure.sent) == ("closed", True)
            client.close()

    on_a_loop(test)


@pytest.mark.parametrize(
    "header",
    [
        (b"a", b"b\r\nc: d"),
        (b"a", b"b\nc: d"),
        (b"a", b"b\rc: d"),
        (b"a", b"b\0"),
        (b"a", b"b\x01"),
        (b"a", b"b\x7f"),
        (b"a", b"b\r\n"),
        (b"a: b\r\nc", b"d"),
        (b"a b", b"c"),
        (b"a:", b"c"),
        (b"", b"c"),
        (b"\xc3\xa4", b"c"),
        (b"Host", b"elsewhere"),
        (b"content-length", b"5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"connection", b"close"),
    ],
)
def test_no_value_becomes_a_second_header(header: tuple[bytes, bytes]) -> None:
    encoder = RequestEncoder("example.org")
    with pytest.raises(ValueError, match="header"):
        encoder.head(b"POST", b"/", [(b"x", b"y"), header], 0)


@pytest.mark.parametrize(
    ("method", "target"),
    [(b"GET", b"/ HTTP/1.1\r\nx: y"), (b"GET", b"/a b"), (b"GET", b"a"), (b"GET", b""), (b"G T", b"/")],
)
def test_no_target_becomes_a_second_request(method: bytes, target: bytes) -> None:
    with pytest.raises(ValueError, match="target"):
        RequestEncoder("example.org").head(method, target, [], 0)


def test_a_value_may_hold_tabs_and_bytes_beyond_ascii() -> None:
    head = RequestEncoder("example.org").head(b"GET", b"/", [(b"a", b"b\tc\xc3\xbc")], 0)
    assert head == b"GET / HTTP/1.1\r\nhost: example.org\r\na: b\tc\xc3\xbc\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://a.example/mcp", "a.example", "/mcp"),
        ("https://a.example:443", "a.example", "/"),
        ("https://a.example:80/x?y=z", "a.example:80", "/x?y=z"),
        ("http://[::1]:9000/mcp", "[::1]:9000", "/mcp"),
        ("HTTP://A.example/Mcp", "a.example", "/Mcp"),
    ],
)
def test_a_url_is_taken_apart(url: str, authority: str, target: str) -> None:
    origin, found = read_url(url)
    assert (origin.authority, found) == (authority, target)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "a.example/mcp",
        "http://user:secret@a.example/",
        "http://a.example/#x",
        "http:///mcp",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://a.example:x/",
        "http://b\u00fccher.example/",
        "http://a.example/a b",
        "http://a.example/\u00fc",
        "http://a b/",
        "http://[::1%25eth0]/",
        "http://[::1/",
    ],
)
def test_a_url_that_leaves_a_doubt_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="the URL") as caught:
        read_url(url)
    assert "secret" not in str(caught.value)
