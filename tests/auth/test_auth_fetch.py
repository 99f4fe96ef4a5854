"""One GET with an end: whatever the server does, a fetch ends in time, in size, and with a trusted server."""

import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from auth_parts import KeyServer, running, standard_set
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from callgate.auth.fetch import FetchError, fetch

OK = b"HTTP/1.1 200 OK\r\n"
DOCUMENT = standard_set()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with running(KeyServer()) as server:
        yield server


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_server_that_drips_is_left_when_the_time_is_up(server: KeyServer, where: str) -> None:
    def drip(handler: object) -> None:
        out = handler.wfile  # type: ignore[attr-defined]
        out.write(OK if where == "head" else OK + b"Content-Length: 10000\r\n\r\n")
        # Each piece in time for a time-out between two pieces.
        while not server.released.wait(0.01):
            out.write(b"X: a\r\n" if where == "head" else b" ")
            out.flush()

    server.answer = drip
    with pytest.raises(FetchError, match=r"too slow|as it must"):
        fetch(server.url(), 10_000, seconds=0.3)


def test_a_server_that_says_nothing_is_left_when_the_time_is_up(server: KeyServer) -> None:
    server.serve_raw(then_wait=True)
    with pytest.raises(FetchError, match="too slow"):
        fetch(server.url(), 10_000, seconds=0.2)


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    server = KeyServer()
    url = server.url()
    server.server_close()
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch(url, 10_000)


def test_a_kept_alive_answer_of_known_length_is_not_waited_out(server: KeyServer) -> None:
    server.serve_raw(OK + b"Content-Length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT, then_wait=True)
    assert fetch(server.url(), 10_000) == DOCUMENT


def test_chunks_are_put_together(server: KeyServer) -> None:
    server.serve_raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n")
    assert fetch(server.url(), 10_000) == b"hello you"


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        (tmp_path / "crt").write_bytes(made.public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "key").write_bytes(pem)
        return tmp_path / "crt", tmp_path / "key"

    @pytest.fixture
    def secure(self, certificate: tuple[Path, Path]) -> Iterator[KeyServer]:
        server = KeyServer()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # The handshake belongs to the thread of the connection, not to the one that accepts.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with running(server):
            yield server

    def test_a_trusted_server_is_believed(
        self, secure: KeyServer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate[0]))
        assert fetch(secure.url("https", "localhost"), 10_000) == DOCUMENT

    def test_one_that_nobody_vouches_for_is_not(self, secure: KeyServer) -> None:
        with pytest.raises(FetchError, match="not trusted"):
            fetch(secure.url("https", "localhost"), 10_000)

    def test_one_of_another_name_is_not(
        self, secure: KeyServer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate[0]))
        with pytest.raises(FetchError, match="not trusted"):
            fetch(secure.url("https", "127.0.0.1"), 10_000)

    def test_plain_http_behind_an_https_url_is_not(self, server: KeyServer) -> None:
        with pytest.raises(FetchError, match="TLS"):
            fetch(server.url("https"), 10_000)
