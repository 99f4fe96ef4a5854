"""The proxy on real sockets: what is allowed gets through, whole; what is not is told so, and reported."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import uvloop
from egress_peers import (
    ESTABLISHED,
    LOOPBACK,
    client_hello,
    closed,
    connect_to,
    get,
    proxy,
    server,
    tls_pair,
    tunnel_and_rest,
)

from callgate.runner.sandbox.egress import entries
from callgate.runner.sandbox.egress.contract import Visit


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that resolve to loopback may be reached, as if it were somewhere in the world."""
    monkeypatch.setattr(entries, "place_of", lambda _: "public")


def test_httpx_gets_through_over_http_and_over_tls(tmp_path: Path) -> None:
    ours, theirs = tls_pair(tmp_path, "127.0.0.1")

    async def body() -> None:
        async with server() as plain, server(tls=ours) as secure:
            async with proxy(f"127.0.0.1:{plain.port}", f"127.0.0.1:{secure.port}") as way:
                async with httpx.AsyncClient(proxy=way.url, verify=theirs) as client:
                    for url in (f"http://127.0.0.1:{plain.port}/a", f"https://127.0.0.1:{secure.port}/b"):
                        for _ in range(2):
                            answer = await client.post(url, content=b"x" * 100_000)
                            assert (answer.status_code, answer.text) == (200, "hello")
                assert [(visit.allowed, visit.address) for visit in way.visits] == [(True, "127.0.0.1")] * 4
                assert way.egress.sent > 400_000
                assert way.egress.received > 0
            assert plain.taken[0].startswith(f"POST /a HTTP/1.1\r\nHost: 127.0.0.1:{plain.port}\r\n".encode())
            assert secure.taken[0].startswith(b"POST /b HTTP/1.1\r\n")

    asyncio.run(body())


def test_it_serves_on_uvloop_as_well() -> None:
    async def body() -> None:
        async with server() as behind, proxy(f"127.0.0.1:{behind.port}") as way:
            async with httpx.AsyncClient(proxy=way.url) as client:
                assert (await client.get(f"http://127.0.0.1:{behind.port}/")).text == "hello"
            assert b"403" in await way.say(connect_to("other.example:443"))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())


def test_a_host_that_is_not_allowed_is_refused_by_name_and_reported() -> None:
    async def body() -> None:
        async with proxy("api.example.com:443") as way:
            async with httpx.AsyncClient(proxy=way.url) as client:
                answer = await client.get("http://Other.example.com/x")
                assert answer.status_code == 403
                assert "other.example.com:80" in answer.text
                assert "operator" in answer.text
                with pytest.raises(httpx.ProxyError, match="403"):
                    await client.get("https://other.example.com/")
            assert way.visits == [
                Visit(host="other.example.com:80", allowed=False, why="no entry names it"),
                Visit(host="other.example.com:443", allowed=False, why="no entry names it"),
            ]

    asyncio.run(body())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:7f00:1"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],  # noqa: S104
        ["224.0.0.1", "fe80::1"],
        [],
    ],
)
def test_an_allowed_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    async def body() -> None:
        async with server() as behind:
            target = f"api.example.com:{behind.port}"
            async with proxy(target, names={"api.example.com": addresses}) as way:
                for request in (connect_to(target), get(target)):
                    said = await way.say(request)
                    assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n")
                    assert target.encode() in said
                assert [visit.allowed for visit in way.visits] == [False, False]
                assert all(address in way.visits[0].why for address in addresses)
            assert behind.taken == []

    asyncio.run(body())


def test_a_name_is_resolved_once_so_that_it_cannot_change_between_check_and_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first answer is fine and every later one leads elsewhere: only the first is used."""
    monkeypatch.setattr(entries, "place_of", lambda address: "public" if address == LOOPBACK else "special")
    asked: list[str] = []

    async def body() -> None:
        async with server() as behind:
            names = {"api.example.com": ["127.0.0.1", "127.0.0.9"]}
            target = f"api.example.com:{behind.port}"
            async with proxy(target, names=names) as way:
                inner = way.egress._resolver

                async def rebinding(host: str, port: int) -> object:
                    asked.append(host)
                    found = await inner(host, port)
                    names["api.example.com"] = ["127.0.0.9"]
                    return found

                monkeypatch.setattr(way.egress, "_resolver", rebinding)
                assert (await way.say(get(target))).endswith(b"hello")
                assert asked == ["api.example.com"]
                assert way.visits[-1].address == "127.0.0.1"
                assert b"403" in await way.say(get(target))

    asyncio.run(body())


@pytest.mark.parametrize(
    "target",
    [
        "2130706433:80",
        "0x7f.1:80",
        "127.1:80",
        "0177.0.0.1:80",
        "[::ffff:127.0.0.1]:80",
        "127.0.0.1.:81",
        "localhost:80",
    ],
)
def test_other_spellings_of_loopback_do_not_get_through(target: str) -> None:
    async def body() -> None:
        async with proxy("127.0.0.1:80", "*.example.com:80") as way:
            assert (await way.say(connect_to(target))).startswith(b"HTTP/1.1 403 ")
            assert [visit.allowed for visit in way.visits] == [False]

    asyncio.run(body())


@pytest.mark.usefixtures("loopback_is_public")
@pytest.mark.parametrize(
    ("name", "passes"),
    [("api.example.com", True), ("API.example.com", True), (None, True), ("evil.example.com", False)],
)
def test_the_name_in_the_tls_handshake_must_be_the_host_asked_for(name: str | None, passes: bool) -> None:
    async def body() -> None:
        async with server(None) as behind:
            target = f"api.example.com:{behind.port}"
            hello = client_hello(name)
            async with proxy(target) as way:
                # in pieces: what is judged is the whole handshake, not the first packet
                reader, writer = await way.connect()
                writer.write(connect_to(target))
                assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
                writer.write(hello[:100])
                await writer.drain()
                writer.write(hello[100:])
                try:
                    echoed = await reader.readexactly(len(hello)) if passes else await reader.read()
                except ConnectionError:
                    echoed = b""
                await closed(writer)
                assert echoed == (hello if passes else b"")
                if not passes:
                    assert way.visits[-1].allowed is False
                    assert "evil.example.com" in way.visits[-1].why
        assert b"".join(behind.taken) == (hello if passes else b"")

    asyncio.run(body())


@pytest.mark.usefixtures("loopback_is_public")
def test_a_client_that_fronts_one_name_for_another_is_cut_off_and_the_honest_one_is_not(
    tmp_path: Path,
) -> None:
    ours, theirs = tls_pair(tmp_path, "api.example.com", "other.example.com")

    async def body() -> None:
        async with server(tls=ours) as behind, proxy(f"api.example.com:{behind.port}") as way:
            async with httpx.AsyncClient(proxy=way.url, verify=theirs) as client:
                url = f"https://api.example.com:{behind.port}/"
                assert (await client.get(url)).text == "hello"
            reader, writer = await way.connect()
            await tunnel_and_rest(reader, writer, f"api.example.com:{behind.port}")
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await writer.start_tls(theirs, server_hostname="other.example.com")
            await closed(writer)
            assert [visit.allowed for visit in way.visits] == [True, True, False]

    asyncio.run(body())


def test_a_tunnel_carries_what_is_no_tls_too_and_whoever_speaks_first() -> None:
    async def greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.write(await reader.readline())
        await closed(writer)

    async def body() -> None:
        behind = await asyncio.start_server(greeting, "127.0.0.1", 0)
        port = behind.sockets[0].getsockname()[1]
        async with proxy(f"127.0.0.1:{port}") as way:
            reader, writer = await way.connect()
            writer.write(connect_to(f"127.0.0.1:{port}"))
            await reader.readexactly(len(ESTABLISHED))
            assert await reader.readline() == b"220 hello\r\n"
            writer.write(b"NOOP\r\n")
            assert await reader.read() == b"NOOP\r\n"
            await closed(writer)
        behind.close()
        await behind.wait_closed()

    asyncio.run(body())


def test_a_second_request_on_the_same_connection_never_reaches_the_server() -> None:
    async def body() -> None:
        async with server() as behind:
            target = f"127.0.0.1:{behind.port}"
            async with proxy(target) as way:
                said = await way.say(
                    get(target, "Content-Length: 2\r\n") + b"hi" + get("evil.example"), end=False
                )
                assert said.count(b"HTTP/1.1 200") == 1
                assert b"Connection: close" in said
            assert b"evil" not in behind.taken[0]
            assert behind.taken[0].endswith(b"\r\n\r\nhi")

    asyncio.run(body())


def test_a_body_in_chunks_is_asked_for_with_its_length_instead() -> None:
    async def body() -> None:
        async with proxy("127.0.0.1:80") as way:
            said = await way.say(get("127.0.0.1:80", "Transfer-Encoding: chunked\r\n"))
            assert said.startswith(b"HTTP/1.1 411 ")
            assert b"Content-Length" in said

    asyncio.run(body())


def test_what_cannot_be_read_is_refused_without_being_repeated() -> None:
    async def body() -> None:
        async with proxy("127.0.0.1:80") as way:
            said = await way.say(b"CONNECT \x1b[31mred:80 HTTP/1.1\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 400 ")
            assert b"\x1b" not in said
            assert (await way.say(b"GET http://127.0.0.1/" + b"a" * 20_000)).startswith(b"HTTP/1.1 431 ")
            assert await way.say(b"") == b""

    asyncio.run(body())


def test_a_host_that_is_allowed_and_cannot_be_reached_is_a_bad_gateway() -> None:
    async def body() -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        async with proxy(f"127.0.0.1:{port}", "lost.example:80", names={}) as way:
            assert (await way.say(connect_to(f"127.0.0.1:{port}"))).startswith(b"HTTP/1.1 502 ")
            assert b"does not resolve" in await way.say(connect_to("lost.example:80"))
            assert [visit.allowed for visit in way.visits] == [True, True]

    asyncio.run(body())


Step = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]
