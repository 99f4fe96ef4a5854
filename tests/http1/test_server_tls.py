"""The listener over TLS: what is accepted, what files are refused, and certificates that change while it runs."""

import datetime
import os
import shutil
import socket
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from raw_server import LOOPS, Recorder, gate, read_all, replies

from callgate.errors import UsageError
from callgate.http1.tls import Certificate

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def write_pair(folder: Path, name: str, *, passphrase: bytes | None = None) -> tuple[str, str]:
    """A new self-signed certificate for localhost with the common name `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    protection = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    )
    return str(cert_file), str(key_file)


def client(trusted: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=trusted)


def ask(port: int, context: ssl.SSLContext, sent: bytes = ASK) -> tuple[bytes, str]:
    """What comes back, and the common name of the certificate that was shown."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as sock,
    ):
        sock.sendall(sent)
        found = sock.getpeercert()
        assert found is not None
        return read_all(sock), str(found["subject"][0][0][1])


@pytest.mark.parametrize("kind", LOOPS)
def test_requests_are_answered_over_tls(kind: str, tmp_path: Path) -> None:
    files = write_pair(tmp_path, "one")
    body = b"x" * 900_000
    with gate(kind, certificate=Certificate(*files)) as server:
        post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        received, name = ask(server.port, client(files[0]), post + body + ASK)
        assert [answer.status for answer in replies(received)] == [200, 200]
        assert name == "one"
        assert server.app.requests[0][0].secure
        assert server.app.requests[0][1] == body


@pytest.mark.parametrize("kind", LOOPS)
def test_a_refusal_and_a_client_that_goes_work_over_tls(kind: str, tmp_path: Path) -> None:
    files = write_pair(tmp_path, "one")
    app = Recorder()
    app.respond = app.keep
    with gate(kind, certificate=Certificate(*files), app=app) as server:
        context = client(files[0])
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"nonsense")
            assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as sock,
        ):
            sock.sendall(ASK)
            responder = app.next_waiting()
        server.until(lambda: responder.gone)
        server.until(lambda: server.listener.connections == 0)


def test_plain_text_and_old_versions_get_nothing(tmp_path: Path) -> None:
    files = write_pair(tmp_path, "one")
    with gate(certificate=Certificate(*files)) as server:
        assert b"HTTP/1.1" not in server.talk(ASK)
        old = client(files[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            ask(server.port, old)
        assert server.app.heads == []


@pytest.mark.parametrize("kind", LOOPS)
def test_a_changed_certificate_is_shown_to_new_connections(kind: str, tmp_path: Path) -> None:
    first, second = write_pair(tmp_path, "one"), write_pair(tmp_path, "two")
    certificate = Certificate(*first)
    trusted = first[0]
    both = tmp_path / "both.crt"
    both.write_bytes(Path(first[0]).read_bytes() + Path(second[0]).read_bytes())
    trusted = str(both)
    with gate(kind, certificate=certificate) as server:
        assert ask(server.port, client(trusted))[1] == "one"
        assert not server.call(certificate.refresh)
        shutil.copy(second[0], first[0])
        shutil.copy(second[1], first[1])
        assert server.call(certificate.refresh)
        assert ask(server.port, client(trusted))[1] == "two"
        assert not server.call(certificate.refresh)


def test_files_that_do_not_belong_together_leave_what_is_served_alone(tmp_path: Path) -> None:
    first, second = write_pair(tmp_path, "one"), write_pair(tmp_path, "two")
    certificate = Certificate(*first)
    trusted = tmp_path / "both.crt"
    trusted.write_bytes(Path(first[0]).read_bytes() + Path(second[0]).read_bytes())
    with gate(certificate=certificate) as server:
        shutil.copy(second[0], first[0])
        for _ in range(2):
            with pytest.raises(UsageError) as caught:
                server.call(certificate.refresh)
            assert caught.value.code == "HTTP031"
            assert ask(server.port, client(str(trusted)))[1] == "one"
        shutil.copy(second[1], first[1])
        assert server.call(certificate.refresh)
        assert ask(server.port, client(str(trusted)))[1] == "two"


def test_files_that_are_no_certificate_are_a_clear_error(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, "one")
    other = write_pair(tmp_path, "two")
    locked = write_pair(tmp_path, "locked", passphrase=b"secret")
    empty = tmp_path / "empty"
    empty.touch()
    for pair, code in (
        ((str(tmp_path / "absent"), key), "HTTP030"),
        ((cert, str(tmp_path / "absent")), "HTTP030"),
        ((str(tmp_path), key), "HTTP030"),
        ((cert, other[1]), "HTTP031"),
        ((key, cert), "HTTP031"),
        ((str(empty), key), "HTTP031"),
        (locked, "HTTP031"),
    ):
        with pytest.raises(UsageError) as caught:
            Certificate(*pair)
        assert caught.value.code == code
        assert caught.value.help
        assert os.linesep not in caught.value.message


@pytest.mark.parametrize("kind", LOOPS)
def test_an_address_that_is_taken_is_a_clear_error(kind: str, tmp_path: Path) -> None:
    import asyncio

    with gate(kind) as server:
        for awaitable in (
            server.listener.bind("127.0.0.1", server.port),
            server.listener.bind("192.0.2.1", 0),
            server.listener.bind_unix(str(tmp_path / "absent" / "socket")),
        ):
            with pytest.raises(UsageError) as caught:
                asyncio.run_coroutine_threadsafe(awaitable, server.loop).result(10)
            assert caught.value.code == "HTTP032"
