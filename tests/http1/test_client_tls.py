"""The client over TLS: who the server is, is checked before a byte of a request leaves."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.http_peers import OK, Taken, on_a_loop

from callgate.clock import ManualClock
from callgate.http1.client import HttpClient, tls_context
from callgate.http1.origin import Origin


def certificate(folder: Path, *names: str) -> Path:
    """A file with a key and a certificate for `names`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        for name in names
    ]
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def ask(pem: Path, host: str, context: ssl.SSLContext | None, requests: list[bytes]) -> Taken:
    """Ask a server with the certificate `pem` twice; returns the second answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(OK)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient(Origin("https", host, port), loop, ManualClock(), tls=context)
    for _ in range(2):
        taken = Taken()
        client.send(b"GET", b"/", [], b"", taken)
        await taken.ended()
    client.close()
    server.close()
    await server.wait_closed()
    return taken


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_whose_certificate_is_known_is_asked(tmp_path: Path, host: str) -> None:
    async def test() -> None:
        pem, requests = certificate(tmp_path, "127.0.0.1", "localhost"), list[bytes]()
        taken = await ask(pem, host, tls_context(str(pem)), requests)
        assert (taken.failure, taken.body, len(requests)) == (None, b"hi", 2)

    on_a_loop(test)


@pytest.mark.parametrize(
    ("names", "known", "why"),
    [(("localhost",), True, "mismatch"), (("127.0.0.1",), False, "self-signed")],
)
def test_a_server_that_cannot_prove_its_name_gets_nothing(
    tmp_path: Path, names: tuple[str, ...], known: bool, why: str
) -> None:
    async def test() -> None:
        pem, requests = certificate(tmp_path, *names), list[bytes]()
        taken = await ask(pem, "127.0.0.1", tls_context(str(pem)) if known else None, requests)
        assert taken.failure is not None
        assert (taken.failure.kind, taken.failure.sent, requests) == ("tls", False, [])
        assert why in taken.failure.text

    on_a_loop(test)


def test_a_server_that_does_not_speak_tls_gets_nothing() -> None:
    async def test() -> None:
        seen = list[bytes]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.read(65536))
            writer.write(OK)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(Origin("https", "127.0.0.1", port), asyncio.get_running_loop(), ManualClock())
        taken = Taken()
        client.send(b"POST", b"/", [(b"authorization", b"secret")], b"secret", taken)
        await taken.ended()
        assert taken.failure is not None
        assert (taken.failure.kind, taken.failure.sent) == ("tls", False)
        assert b"secret" not in b"".join(seen)
        client.close()
        server.close()
        await server.wait_closed()

    on_a_loop(test)
