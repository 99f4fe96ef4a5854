"""What the proxy does not let go on for ever, or beyond its bounds."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import Awaitable, Callable

import pytest
from egress_peers import (
    ANSWER,
    client_hello,
    closed,
    connect_to,
    get,
    proxy,
    server,
    tunnel_and_rest,
)

from callgate.errors import SandboxError
from callgate.runner.sandbox.egress.contract import EgressLimits, Visit
from callgate.runner.sandbox.egress.serving import EgressProxy

Step = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    """A client that connects, and that is all."""


async def say_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    writer.write(connect_to(target)[:20])


async def half_a_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    await tunnel_and_rest(reader, writer, target)
    writer.write(client_hello("a.example")[:50])


@pytest.mark.parametrize("step", [say_nothing, say_half, tunnel_and_rest, half_a_handshake])
def test_a_connection_that_stands_still_is_ended(step: Step) -> None:
    async def body() -> None:
        async with server(None) as behind:
            target = f"127.0.0.1:{behind.port}"
            async with proxy(target, limits=EgressLimits(head=0.2, idle=0.2)) as way:
                reader, writer = await way.connect()
                await step(reader, writer, target)
                async with asyncio.timeout(20):
                    with contextlib.suppress(ConnectionError):
                        assert await reader.read() == b""
                await closed(writer)

    asyncio.run(body())


def test_a_connection_that_goes_on_and_on_is_ended_at_its_age() -> None:
    async def body() -> None:
        async with server(None) as behind:
            target = f"127.0.0.1:{behind.port}"
            async with proxy(target, limits=EgressLimits(life=0.5)) as way:
                reader, writer = await way.connect()
                await tunnel_and_rest(reader, writer, target)
                async with asyncio.timeout(20):
                    try:
                        while True:
                            writer.write(b"x")
                            if not await reader.read(1):
                                break
                    except ConnectionError:
                        pass
                await closed(writer)

    asyncio.run(body())


def test_bytes_are_counted_over_all_connections_and_bounded() -> None:
    async def body() -> None:
        async with server(None) as behind:
            target = f"127.0.0.1:{behind.port}"
            async with proxy(target, limits=EgressLimits(total_bytes=1000)) as way:
                for expected in (400, 0):
                    reader, writer = await way.connect()
                    await tunnel_and_rest(reader, writer, target)
                    writer.write(b"x" * 400)
                    try:
                        echoed = await reader.readexactly(400)
                    except (asyncio.IncompleteReadError, ConnectionError):
                        echoed = b""
                    await closed(writer)
                    assert len(echoed) == expected
                assert way.egress.sent + way.egress.received <= 1000

    asyncio.run(body())


def test_more_connections_than_allowed_wait_for_their_turn() -> None:
    async def body() -> None:
        async with server(None) as behind, server() as other:
            target = f"127.0.0.1:{behind.port}"
            async with proxy(target, f"127.0.0.1:{other.port}", limits=EgressLimits(connections=1)) as way:
                reader, writer = await way.connect()
                await tunnel_and_rest(reader, writer, target)
                waiting = asyncio.ensure_future(way.say(get(f"127.0.0.1:{other.port}")))
                writer.write(b"still here")  # answered while the other one waits
                assert await reader.readexactly(10) == b"still here"
                assert len(way.visits) == 1
                await closed(writer)
                assert (await waiting).startswith(b"HTTP/1.1 200 ")
                assert len(way.visits) == 2

    asyncio.run(body())


def test_a_flood_of_refusals_is_not_a_flood_of_reports() -> None:
    async def body() -> None:
        async with proxy("127.0.0.1:80", limits=EgressLimits(visits=3)) as way:
            for _ in range(5):
                assert b"403" in await way.say(connect_to("other.example:80"))
            assert len(way.visits) == 3

    asyncio.run(body())


def test_nothing_is_left_of_it_when_the_execution_ends() -> None:
    async def body() -> None:
        async with server(None) as behind:
            target = f"127.0.0.1:{behind.port}"
            listening = socket.create_server(("127.0.0.1", 0))
            async with EgressProxy(lambda _: None).serve(listening, [target]) as url:
                reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
                await tunnel_and_rest(reader, writer, target)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await closed(writer)
            assert listening.fileno() == -1
            left = [task for task in asyncio.all_tasks() if "egress" in repr(task.get_coro())]
            assert left == []

    asyncio.run(body())
    gc.collect()


def test_what_a_sandbox_hands_over_must_be_a_listening_socket() -> None:
    async def body() -> None:
        one, other = socket.socketpair()
        with other, pytest.raises(SandboxError) as raised:
            async with EgressProxy(lambda _: None).serve(one, ["a.example:443"]):
                pass
        assert raised.value.code == "SBX061"
        assert one.fileno() == -1

    asyncio.run(body())


def test_an_answer_is_passed_on_byte_for_byte_but_for_the_end_of_the_connection() -> None:
    async def body() -> None:
        async with server() as behind, proxy(f"127.0.0.1:{behind.port}") as way:
            said = await way.say(get(f"127.0.0.1:{behind.port}"), end=False)
            first, rest = ANSWER.split(b"\r\n", 1)
            assert said == first + b"\r\nConnection: close\r\n" + rest

    asyncio.run(body())


def test_the_systems_resolver_is_asked_when_nothing_else_is_given() -> None:
    async def body() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        visits: list[Visit] = []
        async with EgressProxy(visits.append).serve(listening, ["localhost:80"]) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(connect_to("localhost:80"))
            assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
            await closed(writer)
        assert "127.0.0.1" in visits[0].why or "::1" in visits[0].why

    asyncio.run(body())
