"""One HTTPS GET with an end: of time, of size, of trust. Blocks; never called on the event loop.

Redirects are not followed, proxies of the environment not asked, and no word of what the server says gets into an
error. Certificates are checked against the system's authorities (`SSL_CERT_FILE` adds to them, as OpenSSL has it).
"""

import io
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

SECONDS = 10.0
"""From the connection to the last byte."""

_MAX_HEAD = 65_536


class FetchError(Exception):
    """Why there is no document: one line of our own."""


def fetch(url: str, max_bytes: int, seconds: float = SECONDS) -> bytes:
    """Return the body of `url` (http or https). Raises FetchError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    deadline = time.monotonic() + seconds
    try:
        connection = socket.create_connection((host, port), timeout=min(5.0, seconds))
    except (OSError, UnicodeError):
        raise FetchError("the server cannot be reached") from None
    try:
        if parts.scheme == "https":
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=host)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        authority = parts.netloc.rpartition("@")[2]
        request = f"GET {target} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode("ascii"))
        return _body(connection, max_bytes, deadline)
    except ssl.SSLCertVerificationError:
        raise FetchError("the server's certificate is not trusted") from None
    except ssl.SSLError:
        raise FetchError("TLS with the server failed") from None
    except TimeoutError:
        raise FetchError("the server is too slow") from None
    except (OSError, HTTPException, ValueError):
        raise FetchError("the server does not answer as it must") from None
    finally:
        connection.close()


def _body(connection: socket.socket, max_bytes: int, deadline: float) -> bytes:
    response = HTTPResponse(_Readable(connection, max_bytes + _MAX_HEAD, deadline))  # type: ignore[arg-type]
    with response:
        response.begin()
        if 300 <= response.status < 400:
            raise FetchError("the server redirects, which is not followed")
        if response.status != 200:
            raise FetchError(f"the server answers with status {response.status}")
        data = response.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise FetchError(f"the document is larger than {max_bytes} bytes")
        if response.length:
            raise FetchError("the document is cut off")
    return data


class _Readable(io.RawIOBase):
    """A socket to read from until `deadline` and `max_bytes`: a time-out for each read alone could be stretched."""

    def __init__(self, connection: socket.socket, max_bytes: int, deadline: float) -> None:
        self._connection = connection
        self._left = max_bytes
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What HTTPResponse asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise FetchError("the document is too large")
        self._connection.settimeout(remaining)
        size = self._connection.recv_into(buffer)
        self._left -= size
        return size
