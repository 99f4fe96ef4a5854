"""Laws over any bytes: a request is never two requests, and how the bytes are cut up changes nothing."""

import h11
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from raw_server import Gate, gate, replies
from test_server_refusals import REFUSED

END = b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

Outcome = tuple[list[int], list[tuple[str, str, bytes]]]


@pytest.fixture(scope="module")
def server() -> object:
    with gate() as running:
        yield running


def outcome(server: Gate, pieces: list[bytes]) -> Outcome:
    """The statuses that come back, and the requests that were handled."""
    server.app.requests.clear()
    with server.connect() as sock:
        received = bytearray()
        for piece in pieces:
            try:
                sock.sendall(piece)
            except OSError:
                break
            server.settle()
        while True:
            try:
                data = sock.recv(65_536)
            except OSError:
                break
            if not data:
                break
            received += data
    requests = [(head.method, head.path, body) for head, body in server.app.requests]
    methods = [method for method, _, _ in requests]
    return [answer.status for answer in replies(bytes(received), methods)], requests


LINES = [
    *(
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: 40",
        b"content-length:5",
        b"Content-Length: 5 ",
    ),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"transfer-encoding:chunked"),
    *(
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"X: y\r\n Transfer-Encoding: chunked",
    ),
    *(b"Host: b", b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade", b"Upgrade: h2c"),
    *(
        b"Expect: 100-continue",
        b"X: 1\rTransfer-Encoding: chunked",
        b"X: 1\nContent-Length: 3",
        b"X\x00: 1",
        b"X: \xff",
    ),
    *(b"Content_Length: 7", b"X-Long: " + b"x" * 100),
]
BODIES = [
    b"",
    b"hello",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n",
    b"hello\r\n",
]
BODIES += [b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", b"1\r\nab\r\n", b"5\r\nhello0\r\n\r\n", b"x" * 40]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """One to three requests, most of them with something doubtful, and a last one that ends the connection."""
    data = b""
    for _ in range(draw(st.integers(1, 3))):
        method = draw(st.sampled_from([b"POST", b"POST", b"GET", b"HEAD", b"PUT", b"CONNECT", b"post"]))
        version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.1", b"1.0"]))
        lines = draw(st.lists(st.sampled_from(LINES), max_size=3))
        data += (
            method + b" /x HTTP/" + version + b"\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines)
        )
        data += b"\r\n" + draw(st.sampled_from(BODIES))
    return data + END


QUICK = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@QUICK
@given(data=streams(), cuts=st.lists(st.integers(0, 400), max_size=6))
@example(data=END + END, cuts=[len(END) - 1])
def test_how_the_bytes_are_cut_up_changes_nothing(server: Gate, data: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    wanted = outcome(server, [data])
    found = outcome(server, [piece for piece in pieces if piece])
    assert found == wanted


@pytest.mark.parametrize("behind", range(1, 8))
def test_the_end_of_a_chunked_body_may_come_in_pieces(server: Gate, behind: int) -> None:
    chunked = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    data = chunked + chunked + END
    cut = len(chunked) - behind
    wanted = [("POST", "/x", b"hello"), ("POST", "/x", b"hello"), ("GET", "/end", b"")]
    assert outcome(server, [data[:cut], data[cut:]]) == ([200, 200, 200], wanted)


@QUICK
@given(data=streams())
def test_every_request_that_is_handled_is_one_that_another_parser_reads_there(
    server: Gate, data: bytes
) -> None:
    _, handled = outcome(server, [data])
    assert handled == by_h11(data)[: len(handled)]


def by_h11(data: bytes) -> list[tuple[str, str, bytes]]:
    """The requests at the beginning of `data` as h11 reads them."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    found: list[tuple[str, str, bytes]] = []
    head, body = None, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return found
        if isinstance(event, h11.Request):
            head, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            found.append((head.method.decode(), head.target.decode(), body))
            connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
                return found
            connection.start_next_cycle()
        elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            return found


@QUICK
@given(data=st.binary(max_size=300))
def test_no_bytes_make_it_fail(server: Gate, data: bytes) -> None:
    statuses, handled = outcome(server, [data + b"\r\n\r\n" + END])
    assert all(status in {200, 400, 413, 414, 431, 501, 505} for status in statuses)
    assert len(handled) <= 1


@pytest.mark.parametrize("name", REFUSED)
def test_behind_a_good_request_it_is_refused_all_the_same(server: Gate, name: str) -> None:
    sent, status, _ = REFUSED[name]
    good = b"POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    statuses, handled = outcome(server, [good + sent + END])
    assert statuses == [200, status]
    assert handled == [("POST", "/good", b"{}")]
