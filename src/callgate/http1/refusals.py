"""The fixed answers to what is not taken as a request. Nothing that a client wrote ever stands in one of them."""

from http import HTTPStatus
from typing import Final

_CLOSED_WITH: Final[dict[str, tuple[int, str]]] = {
    "HTTP001": (400, "not a well-formed request"),
    "HTTP002": (400, "the length of the body is ambiguous"),
    "HTTP003": (400, "a header that must be the only one stands more than once"),
    "HTTP004": (400, "no valid Host"),
    "HTTP005": (400, "the request target is not a path"),
    "HTTP006": (431, "the headers are too large or too many"),
    "HTTP007": (414, "the request line is too long"),
    "HTTP008": (413, "the body is too large"),
    "HTTP009": (501, "the method is not implemented"),
    "HTTP010": (505, "not HTTP/1.1 or HTTP/1.0"),
    "HTTP011": (400, "the protocol cannot be changed here"),
    "HTTP012": (417, "unknown expectation"),
    "HTTP013": (400, "too much framing for too little body"),
    "HTTP014": (408, "the headers took too long"),
    "HTTP015": (408, "the body took too long"),
    "HTTP016": (503, "too many connections"),
    "HTTP018": (500, "internal error"),
    "HTTP019": (500, "internal error"),
    "HTTP021": (503, "too much is being received"),
}


class Refused(Exception):
    """What a connection sent is not taken. `code` is a stable code; its answer is fixed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _answer(code: str, status: int, text: str) -> tuple[bytes, bytes]:
    body = b'{"error":{"code":"%b","message":"%b"}}' % (code.encode(), text.encode())
    return (
        b"HTTP/1.1 %d %b\r\nDate: " % (status, HTTPStatus(status).phrase.encode()),
        b"\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
    )


_ANSWERS: Final = {code: _answer(code, *what) for code, what in _CLOSED_WITH.items()}


def refusal(code: str, date: bytes) -> bytes:
    """The whole answer for `code`, after which the connection must be closed. `date` is an HTTP date."""
    before, after = _ANSWERS[code]
    return before + date + after
