"""The client against a server that does as the test says: reuse, ends, time-outs, bounds."""

import asyncio
from contextlib import suppress

import pytest
from tests.support.http_peers import OK, Client, RawServer, Taken, on_a_loop


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def test_a_request_arrives_as_it_was_said_and_its_answer_comes_back() -> None:
    async def test() -> None:
        async with RawServer(chunked(b"hello, ", b"world")) as server:
            client, taken = Client(server.port), Taken()
            client.send(b"POST", b"/mcp?a=b", [(b"accept", b"text/plain")], b"{}", taken)
            await taken.ended()
            assert (taken.status, taken.body, taken.failure) == (200, b"hello, world", None)
            assert server.requests == [
                b"POST /mcp?a=b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: text/plain\r\n"
                b"content-length: 2\r\n\r\n{}" % server.port
            ]
            client.close()

    on_a_loop(test)


def test_headers_come_in_lower_case_and_without_white_space() -> None:
    async def test() -> None:
        answer = b"HTTP/1.1 200 OK\r\nX-One:  a \t\r\nx-two:b\r\nX-ONE: c\r\nContent-Length: 0\r\n\r\n"
        async with RawServer(answer) as server:
            client = Client(server.port)
            headers = (await client.get()).headers
            assert headers.items == [
                (b"x-one", b"a"),
                (b"x-two", b"b"),
                (b"x-one", b"c"),
                (b"content-length", b"0"),
            ]
            client.close()

    on_a_loop(test)


def test_one_connection_serves_many_requests() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client = Client(server.port)
            for _ in range(10):
                assert (await client.get()).body == b"hi"
            assert (server.connections, client.connections, len(server.requests)) == (1, 1, 10)
            client.close()

    on_a_loop(test)


def test_requests_at_the_same_time_have_connections_of_their_own_which_are_kept() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client = Client(server.port)
            for _ in range(3):
                await asyncio.gather(*(client.get() for _ in range(8)))
            assert server.connections == 8
            client.close()

    on_a_loop(test)


def test_a_request_can_be_sent_while_another_is_reported_done() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client, second = Client(server.port), Taken()

            class First(Taken):
                def done(self) -> None:
                    super().done()
                    client.send(b"GET", b"/second", [], b"", second)

            client.send(b"GET", b"/first", [], b"", First())
            await second.ended()
            assert server.connections == 1
            assert [request.split()[1] for request in server.requests] == [b"/first", b"/second"]
            client.close()

    on_a_loop(test)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n\r\nhi" + RawServer.CLOSE,
    ],
)
def test_a_connection_that_is_not_to_be_kept_is_not_used_again(answer: bytes) -> None:
    async def test() -> None:
        async with RawServer(answer) as server:
            client = Client(server.port)
            first = await client.get()
            assert (first.body, first.failure) == (b"hi", None)
            assert (await client.get()).body == b"hi"
            assert server.connections == 2
            client.close()

    on_a_loop(test)


def test_a_connection_that_the_server_ended_while_it_was_idle_is_noticed() -> None:
    async def test() -> None:
        async with RawServer(OK + RawServer.CLOSE) as server:
            client = Client(server.port)
            await client.get()
            await server.closed.get()
            # The loop has not been let read the end yet.
            client.clock.advance(1)
            taken = Taken()
            client.send(b"GET", b"/", [], b"", taken)
            await taken.ended()
            assert (taken.failure, taken.body, server.connections) == (None, b"hi", 2)
            client.close()

    on_a_loop(test)


def test_a_request_that_may_have_arrived_is_never_sent_again() -> None:
    async def test() -> None:
        async with RawServer(OK, RawServer.CLOSE) as server:
            client = Client(server.port)
            await client.get()
            second = await client.get()
            assert second.failure is not None
            assert (second.failure.kind, second.failure.sent) == ("closed", True)
            assert len(server.requests) == 2
            client.close()

    on_a_loop(test)


def test_a_server_that_is_not_there_has_got_nothing() -> None:
    async def test() -> None:
        async with RawServer() as server:
            port = server.port
        client = Client(port)
        failure = (await client.get()).failure
        assert failure is not None
        assert (failure.kind, failure.sent) == ("connect", False)
        assert "onnection refused" in failure.text
        assert client.connections == 0
        client.close()

    on_a_loop(test)


def test_idle_connections_are_let_go() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client = Client(server.port, keep_alive=10)
            await client.get()
            client.clock.advance(9)
            client.sweep()
            assert client.connections == 1
            client.clock.advance(2)
            client.sweep()
            assert client.connections == 0
            await server.closed.get()
            client.close()

    on_a_loop(test)


def test_there_are_no_more_connections_than_allowed() -> None:
    async def test() -> None:
        async with RawServer(None, None) as server:
            client = Client(server.port, max_connections=2)
            handles = [client.send(b"GET", b"/", [], b"", Taken()) for _ in range(2)]
            while len(server.requests) < 2:
                await asyncio.sleep(0)
            third = await client.get()
            assert third.failure is not None
            assert (third.failure.kind, third.failure.sent) == ("busy", False)
            handles[0].cancel()
            assert (await client.get()).failure is None
            client.close()

    on_a_loop(test)


def test_a_cancelled_request_is_never_heard_of_again_and_its_connection_ends() -> None:
    async def test() -> None:
        part = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"
        async with RawServer(part) as server:
            client, taken = Client(server.port), Taken()
            handle = client.send(b"GET", b"/", [], b"", taken)
            await taken.arrived()
            handle.cancel()
            handle.cancel()
            await server.closed.get()
            assert (taken.ends, client.connections) == (0, 0)
            client.close()
            assert taken.ends == 0

    on_a_loop(test)


def test_a_sink_may_cancel_from_within() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client = Client(server.port)
            taken = Taken(on_head=lambda: handle.cancel())
            handle = client.send(b"GET", b"/", [], b"", taken)
            await taken.arrived()
            assert (taken.status, taken.pieces, taken.ends) == (200, [], 0)
            assert (await client.get()).body == b"hi"
            client.close()

    on_a_loop(test)


def test_a_request_cancelled_before_there_is_a_connection_is_not_sent() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client, taken = Client(server.port), Taken()
            client.send(b"GET", b"/", [], b"", taken).cancel()
            assert (await client.get()).body == b"hi"
            assert (taken.ends, len(server.requests)) == (0, 1)
            client.close()

    on_a_loop(test)


def test_nothing_is_read_while_the_sink_is_full() -> None:
    async def test() -> None:
        body = b"x" * 8_000_000
        async with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as server:
            client = Client(server.port, answer_timeout=5)
            taken = Taken(on_head=lambda: handle.pause())
            handle = client.send(b"GET", b"/", [], b"", taken)
            await taken.arrived()
            held = len(taken.body)
            assert held <= 65_536
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(taken.body) == held
            # Who waits for the sink does not run out of time.
            client.clock.advance(100)
            client.sweep()
            handle.resume()
            await taken.ended()
            assert taken.body == body
            assert max(map(len, taken.pieces)) <= 65_536
            assert (await client.get()).body == b"hi"
            assert server.connections == 1
            client.close()

    on_a_loop(test)


def test_a_connection_whose_answer_ended_while_it_was_paused_is_read_again() -> None:
    async def test() -> None:
        async with RawServer(OK, OK) as server:
            client = Client(server.port)
            taken = Taken(on_head=lambda: handle.pause())
            handle = client.send(b"GET", b"/", [], b"", taken)
            await taken.ended()
            assert (await client.get()).body == b"hi"
            assert server.connections == 1
            client.close()

    on_a_loop(test)


def test_a_large_request_arrives_whole() -> None:
    async def test() -> None:
        async with RawServer() as server:
            client, taken, body = Client(server.port), Taken(), bytes(range(256)) * 20_000
            client.send(b"POST", b"/", [], body, taken)
            await taken.ended()
            assert server.requests[0].endswith(body)
            client.close()

    on_a_loop(test)


def test_a_connection_whose_request_was_answered_before_it_was_read_is_not_used_again() -> None:
    async def test() -> None:
        connections = 0

        async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
                # What is left of the body would be read as the next request.
                await reader.readuntil(b"never")
            writer.close()

        server = await asyncio.start_server(hasty, "127.0.0.1", 0, limit=1000)
        client, taken = Client(server.sockets[0].getsockname()[1]), Taken()
        client.send(b"POST", b"/", [], b"x" * 30_000_000, taken)
        await taken.ended()
        assert (taken.status, taken.body, client.connections) == (200, b"hi", 0)
        assert (await client.get()).body == b"hi"
        assert connections == 2
        client.close()
        server.close()
        await server.wait_closed()

    on_a_loop(test)


def test_an_answer_that_does_not_come_is_given_up() -> None:
    async def test() -> None:
        async with RawServer(None) as server:
            client, taken = Client(server.port, answer_timeout=60), Taken()
            client.send(b"GET", b"/", [], b"", taken, stream=True)
            while not server.requests:
                await asyncio.sleep(0)
            client.clock.advance(59)
            client.sweep()
            assert not taken.ends
            client.clock.advance(2)
            client.sweep()
            assert taken.failure is not None
            assert (taken.failure.kind, taken.failure.sent) == ("timeout", True)
            await server.closed.get()
            client.close()

    on_a_loop(test)


@pytest.mark.parametrize(
    ("stream", "patience", "survives"), [(False, None, False), (True, None, True), (True, 20.0, False)]
)
def test_an_answer_that_stands_still_is_given_up_but_for_a_stream(
    stream: bool, patience: float | None, survives: bool
) -> None:
    async def test() -> None:
        async with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart") as server:
            client, taken = Client(server.port, answer_timeout=30, idle_stream_timeout=patience), Taken()  # type: ignore[arg-type]
            handle = client.send(b"GET", b"/", [], b"", taken)
            if stream:
                handle.stream()
            await taken.arrived()
            client.sweep()
            client.clock.advance(31)
            client.sweep()
            assert (taken.failure is None) is survives
            client.close()

    on_a_loop(test)


def test_an_answer_that_goes_on_is_not_given_up() -> None:
    async def test() -> None:
        async with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as server:
            client, taken = Client(server.port, answer_timeout=30), Taken()
            client.send(b"GET", b"/", [], b"", taken)
            await taken.arrived()
            for _ in range(9):
                client.sweep()
                client.clock.advance(29)
                client.sweep()
                server.writers[0].write(b"x")
                if len(taken.body) < 8:
                    await taken.arrived()
            await taken.ended()
            assert taken.body == b"x" * 9
            client.close()

    on_a_loop(test)


def test_closing_fails_what_is_under_way_and_what_comes_later() -> None:
    async def test() -> None:
        async with RawServer(None) as server:
            client, taken = Client(server.port), Taken()
            client.send(b"GET", b"/", [], b"", taken)
            while not server.requests:
                await asyncio.sleep(0)
            client.close()
            client.close()
            await taken.ended()
            late = await client.get()
            assert taken.failure is not None
            assert late.failure is not None
            assert (taken.failure.sent, late.failure.sent) == (True, False)

    on_a_loop(test)
