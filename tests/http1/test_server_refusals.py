"""Requests that can be read in two ways, or not at all, get one short answer, and nothing behind them is heard."""

import json

import pytest
from raw_server import LOOPS, Recorder, gate, replies

from callgate.http1.contract import HttpRefusal, Limits

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(fields: bytes, target: bytes = b"/") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + fields + b"\r\n"


REFUSED: dict[str, tuple[bytes, int, str]] = {
    # the length of the body
    "Content-Length beside Transfer-Encoding": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    "Transfer-Encoding beside Content-Length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    "two equal Content-Lengths": (POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400, "HTTP002"),
    "two different Content-Lengths": (
        POST + b"Content-Length: 0\r\ncontent-length: 9\r\n\r\n",
        400,
        "HTTP002",
    ),
    "a list of Content-Lengths": (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400, "HTTP002"),
    "a signed Content-Length": (POST + b"Content-Length: +3\r\n\r\nabc", 400, "HTTP002"),
    "a negative Content-Length": (POST + b"Content-Length: -1\r\n\r\n", 400, "HTTP002"),
    "a hexadecimal Content-Length": (POST + b"Content-Length: 0x3\r\n\r\nabc", 400, "HTTP002"),
    "a Content-Length with an underscore": (POST + b"Content-Length: 1_0\r\n\r\n", 400, "HTTP002"),
    "a Content-Length with a space inside": (POST + b"Content-Length: 1 0\r\n\r\n", 400, "HTTP002"),
    "an empty Content-Length": (POST + b"Content-Length: \r\n\r\n", 400, "HTTP002"),
    "a Content-Length beyond 64 bits": (
        POST + b"Content-Length: 18446744073709551617\r\n\r\n",
        400,
        "HTTP002",
    ),
    "a Content-Length of many noughts": (
        POST + b"Content-Length: 0000000000000000003\r\n\r\nabc",
        400,
        "HTTP002",
    ),
    "two Transfer-Encodings": (
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    "identity and chunked": (
        POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    "gzip before chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "HTTP002"),
    "chunked before identity": (
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    "chunked twice in one header": (
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    "chunked with a parameter": (POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400, "HTTP002"),
    "chunked in quotes": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400, "HTTP002"),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "HTTP002"),
    "an empty Transfer-Encoding": (POST + b"Transfer-Encoding: \r\n\r\n", 400, "HTTP002"),
    "a vertical tab before chunked": (
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        400,
        "HTTP001",
    ),
    "a chunked body in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "HTTP002",
    ),
    # headers
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "HTTP001"),
    "a tab before the colon": (POST + b"Content-Length\t: 0\r\n\r\n", 400, "HTTP001"),
    "a folded header": (get(b"Host: a\r\nX: 1\r\n continued\r\n"), 400, "HTTP001"),
    "a header folded with a tab": (get(b"Host: a\r\nX: 1\r\n\tcontinued\r\n"), 400, "HTTP001"),
    "white space before the first header": (get(b" Host: a\r\n"), 400, "HTTP001"),
    "a header without a colon": (get(b"Host: a\r\nnonsense\r\n"), 400, "HTTP001"),
    "a header without a name": (get(b"Host: a\r\n: x\r\n"), 400, "HTTP001"),
    "a name with a slash": (get(b"Host: a\r\nX/Y: 1\r\n"), 400, "HTTP001"),
    "a name with braces": (get(b"Host: a\r\nX{}: 1\r\n"), 400, "HTTP001"),
    "a name with a letter that is not ASCII": (get(b"Host: a\r\nX\xe9: 1\r\n"), 400, "HTTP001"),
    "a NUL in a name": (get(b"Host: a\r\nX\x00: 1\r\n"), 400, "HTTP001"),
    "a NUL in a value": (get(b"Host: a\r\nX: 1\x00\r\n"), 400, "HTTP001"),
    "a control character in a value": (get(b"Host: a\r\nX: 1\x01\r\n"), 400, "HTTP001"),
    "a DEL in a value": (get(b"Host: a\r\nX: 1\x7f\r\n"), 400, "HTTP001"),
    "a bare carriage return in a value": (get(b"Host: a\r\nX: 1\rY: 2\r\n"), 400, "HTTP001"),
    "a bare line feed between headers": (get(b"Host: a\nX: 1\r\n"), 400, "HTTP001"),
    "two carriage returns before a line feed": (get(b"Host: a\r\r\n"), 400, "HTTP001"),
    "line feeds alone": (b"GET / HTTP/1.1\nHost: a\n\n", 400, "HTTP001"),
    "no Host in HTTP/1.1": (get(b""), 400, "HTTP004"),
    "an empty Host": (get(b"Host:\r\n"), 400, "HTTP004"),
    "two Hosts": (get(b"Host: a\r\nHost: b\r\n"), 400, "HTTP003"),
    "two equal Hosts in different case": (get(b"Host: a\r\nHOST: a\r\n"), 400, "HTTP003"),
    "a list of Hosts": (get(b"Host: a, b\r\n"), 400, "HTTP004"),
    "a Host with a user": (get(b"Host: a@b\r\n"), 400, "HTTP004"),
    "a Host with a path": (get(b"Host: a/b\r\n"), 400, "HTTP004"),
    "a Host with a space": (get(b"Host: a b\r\n"), 400, "HTTP004"),
    "a Host with a letter that is not ASCII": (get(b"Host: \xe9\r\n"), 400, "HTTP004"),
    "two Content-Types": (
        POST + b"Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
        400,
        "HTTP003",
    ),
    "two Authorizations": (get(b"Host: a\r\nAuthorization: a\r\nauthorization: b\r\n"), 400, "HTTP003"),
    "two Origins": (get(b"Host: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n"), 400, "HTTP003"),
    "more headers than allowed": (get(b"Host: a\r\n" + b"X: 1\r\n" * 100), 431, "HTTP006"),
    "larger headers than allowed": (get(b"Host: a\r\nX: " + b"x" * 40_000 + b"\r\n"), 431, "HTTP006"),
    # the request line
    "a request line too long": (get(b"Host: a\r\n", b"/" + b"x" * 9_000), 414, "HTTP007"),
    "an absolute target": (get(b"Host: a\r\n", b"http://a/"), 400, "HTTP005"),
    "a target with a host": (get(b"Host: a\r\n", b"a:80"), 400, "HTTP005"),
    "an asterisk as the target": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP005"),
    "a target without a slash": (get(b"Host: a\r\n", b"git/mcp"), 400, "HTTP005"),
    "a fragment": (get(b"Host: a\r\n", b"/a#b"), 400, "HTTP005"),
    "a target that is not ASCII": (get(b"Host: a\r\n", b"/\xc3\xa9"), 400, "HTTP005"),
    "a control character in the target": (get(b"Host: a\r\n", b"/\x01"), 400, "HTTP005"),
    "a NUL in the target": (get(b"Host: a\r\n", b"/\x00"), 400, "HTTP005"),
    "a tab in the target": (get(b"Host: a\r\n", b"/\t"), 400, "HTTP005"),
    "a DEL in the target": (get(b"Host: a\r\n", b"/\x7f"), 400, "HTTP005"),
    "a carriage return in the target": (get(b"Host: a\r\n", b"/\r"), 400, "HTTP005"),
    "a space in the target": (get(b"Host: a\r\n", b"/a b"), 400, "HTTP001"),
    "two spaces before the target": (get(b"Host: a\r\n", b" /"), 400, "HTTP001"),
    "two spaces before the version": (get(b"Host: a\r\n", b"/ "), 400, "HTTP001"),
    "a space behind the version": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "a tab before the target": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "no target": (b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "a lower-case method": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "a method that is no token": (b"G{T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "an unknown method": (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "HTTP009"),
    "a method that reflects": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "HTTP009"),
    "a method of another protocol": (b"DESCRIBE / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "HTTP009"),
    "a tunnel": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP011"),
    "a change to WebSocket": (
        get(b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
        400,
        "HTTP011",
    ),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400, "HTTP001"),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "HTTP010"),
    "HTTP/2.0 without a preface": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP010"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP010"),
    "a version in lower case": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "a version with a leading nought": (b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "another protocol": (b"GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "a TLS handshake": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "HTTP001"),
    "two empty lines before the request": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    "a line feed before the request": (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP001"),
    # expectations
    "an unknown expectation": (POST + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n", 417, "HTTP012"),
    "two expectations": (
        POST + b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        400,
        "HTTP003",
    ),
    "an expectation of HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        417,
        "HTTP012",
    ),
    # bodies
    "a longer body than allowed": (POST + b"Content-Length: 1048577\r\n\r\n", 413, "HTTP008"),
    "a longer chunked body than allowed": (
        CHUNKED + b"100001\r\n" + b"x" * 0x100001 + b"\r\n0\r\n\r\n",
        413,
        "HTTP008",
    ),
    "a chunk with a size that is no number": (CHUNKED + b"x\r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a chunk with a 0x": (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a chunk with a sign": (CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a chunk with a space behind its size": (CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a chunk with a size beyond 64 bits": (CHUNKED + b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a chunk line that ends with a line feed": (CHUNKED + b"3\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "chunk data that end with a line feed": (CHUNKED + b"3\r\nabc\n0\r\n\r\n", 400, "HTTP001"),
    "chunk data longer than their size": (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", 400, "HTTP001"),
    "a NUL in a chunk extension": (CHUNKED + b"3;a\x00\r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a line feed in a chunk extension": (CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n", 400, "HTTP001"),
    "a Content-Length among the trailers": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400, "HTTP001"),
    "a Transfer-Encoding among the trailers": (
        CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "HTTP001",
    ),
    "a folded trailer": (CHUNKED + b"0\r\nX: 1\r\n 2\r\n\r\n", 400, "HTTP001"),
    "chunk extensions without end": (
        CHUNKED + b"1;" + b"x" * 200_000 + b"\r\na\r\n0\r\n\r\n",
        400,
        "HTTP013",
    ),
    "trailers without end": (CHUNKED + b"0\r\n" + b"X: 1\r\n" * 40_000 + b"\r\n", 400, "HTTP013"),
    "chunks of one byte without end": (CHUNKED + b"1\r\na\r\n" * 30_000 + b"0\r\n\r\n", 400, "HTTP013"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kind", LOOPS)
def test_it_is_refused_in_one_answer_and_nothing_behind_it_is_heard(kind: str, name: str) -> None:
    sent, status, code = REFUSED[name]
    with gate(kind) as server:
        answers = replies(server.talk(sent + SMUGGLED))
        assert [answer.status for answer in answers] == [status]
        assert json.loads(answers[0].body)["error"]["code"] == code
        assert answers[0].headers["connection"] == "close"
        assert server.codes == [code]
        assert server.app.requests == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_comes_behind_a_refusal_later_is_not_heard_either(name: str) -> None:
    sent, status, _ = REFUSED[name]
    with gate() as server, server.connect() as sock:
        sock.sendall(sent + b"\r\n\r\n")
        received = bytearray(sock.recv(65_536))
        for _ in range(3):
            try:
                sock.sendall(SMUGGLED)
            except OSError:
                break
        while piece := sock.recv(65_536):
            received += piece
        assert [answer.status for answer in replies(bytes(received))] == [status]
        assert server.app.requests == []


@pytest.mark.parametrize("name", [name for name, case in REFUSED.items() if len(case[0]) <= 2_000])
def test_it_is_refused_the_same_way_when_it_comes_byte_by_byte(name: str) -> None:
    sent, status, code = REFUSED[name]
    with gate() as server, server.connect() as sock:
        try:
            for place in range(len(sent)):
                sock.sendall(sent[place : place + 1])
                server.call(lambda: None)
        except OSError:
            pass
        received = sock.recv(65_536)
        assert [answer.status for answer in replies(received)] == [status]
        assert server.codes == [code]


def test_no_refusal_repeats_what_was_sent() -> None:
    mark = b"zzmarkzz"
    for sent in (
        b"GET /" + mark + b"# HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/" + mark + b"\r\n\r\n",
        mark.upper() + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + mark + b"\r\n\r\n",
        POST + b"Expect: " + mark + b"\r\n\r\n",
    ):
        with gate() as server:
            assert mark not in server.talk(sent).lower()


def test_a_refused_head_with_a_short_body_is_answered_and_the_body_never_taken_for_a_request() -> None:
    app = Recorder()
    app.refusal = HttpRefusal(401, b'{"no":1}', headers=[(b"www-authenticate", b"Bearer")])
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    head = POST + b"Content-Length: %d\r\n" % len(body)
    with gate(app=app) as server:
        answers = replies(
            server.talk(head + b"\r\n" + body[:7], body[7:] + head + b"Connection: close\r\n\r\n" + body)
        )
        assert [answer.status for answer in answers] == [401, 401]
        assert answers[0].headers["www-authenticate"] == "Bearer"
        assert answers[0].body == b'{"no":1}'
        assert [head.path for head in app.heads] == ["/", "/"]
        assert app.requests == []


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 70000\r\n\r\n" + b"x" * 100,
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    ],
    ids=["a long body", "a chunked body", "a body that is held back"],
)
def test_a_refused_head_with_any_other_body_ends_the_connection(framing: bytes) -> None:
    app = Recorder()
    app.refusal = HttpRefusal(403)
    with gate(app=app) as server:
        answers = replies(server.talk(POST + framing + SMUGGLED))
        assert [answer.status for answer in answers] == [403]
        assert answers[0].headers["connection"] == "close"
        assert len(app.heads) == 1


def test_a_client_that_is_still_sending_reads_its_refusal() -> None:
    with gate() as server, server.connect() as sock:
        sock.sendall(POST + b"Content-Length: 9000000\r\n\r\n")
        for _ in range(90):
            sock.sendall(b"x" * 100_000)
        answer = sock.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 ")


def test_the_bounds_of_a_head_are_those_of_the_limits() -> None:
    limits = Limits(max_head=200, max_headers=3)
    fit = b"GET / HTTP/1.1\r\nConnection: close\r\nHost: a\r\nX: "
    fit += b"x" * (200 - len(fit) - 4) + b"\r\n\r\n"
    with gate(limits=limits) as server:
        assert replies(server.talk(fit))[0].status == 200
        assert replies(server.talk(fit.replace(b"X: ", b"X: x")))[0].status == 431
        assert replies(server.talk(fit[:-4] + b"xxxxx"))[0].status == 431
        assert replies(server.talk(get(b"Host: a\r\nX: 1\r\nY: 1\r\nZ: 1\r\n")))[0].status == 431
