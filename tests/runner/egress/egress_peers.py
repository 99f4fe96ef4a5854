"""A proxy with real sockets, servers behind it, and clients that say exactly what they are told to say."""

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callgate.runner.sandbox.egress.contract import EgressLimits, Visit
from callgate.runner.sandbox.egress.hosts import Address
from callgate.runner.sandbox.egress.proxy import Egress

LOOPBACK = IPv4Address("127.0.0.1")


async def always_here(host: str, port: int) -> Sequence[Address]:
    """Resolves every name to loopback."""
    return [LOOPBACK]


class Proxy:
    """`visits` are those that were told; `url` is what clients are given."""

    def __init__(self, egress: Egress, port: int, visits: list[Visit]) -> None:
        self.egress = egress
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.visits = visits

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes, *, end: bool = True) -> bytes:
        """Send `data` and return all that comes back until the proxy ends the connection."""
        reader, writer = await self.connect()
        writer.write(data)
        if end:
            writer.write_eof()
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            await closed(writer)


@contextlib.asynccontextmanager
async def proxy(
    *allow: str,
    limits: EgressLimits | None = None,
    names: dict[str, list[str]] | None = None,
) -> AsyncIterator[Proxy]:
    """A proxy that is running. `names` are all that resolve; without it every name resolves to loopback."""

    async def lookup(host: str, port: int) -> Sequence[Address]:
        if names is None:
            return [LOOPBACK]
        if host not in names:
            raise OSError("no such name")
        return [ipaddress.ip_address(each) for each in names[host]]

    listening = socket.create_server(("127.0.0.1", 0))
    visits: list[Visit] = []
    egress = Egress(listening, allow, visits.append, limits=limits, resolver=lookup)
    egress.start()
    try:
        yield Proxy(egress, listening.getsockname()[1], visits)
    finally:
        await egress.close()


class Server:
    """Takes what it is sent, and answers with `answer` when a request's head has come; `None` to echo instead."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.taken: list[bytearray] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = bytearray()
        self.taken.append(taken)
        try:
            while data := await reader.read(1 << 16):
                taken += data
                if self.answer is None:
                    writer.write(data)
                    await writer.drain()
                elif b"\r\n\r\n" in taken:
                    writer.write(self.answer)
                    break
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            await closed(writer)


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextlib.asynccontextmanager
async def server(answer: bytes | None = ANSWER, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on a port of loopback."""
    made = Server(answer)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        await listening.wait_closed()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever the other side does."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def tls_pair(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `names`, and a client's that trusts it."""
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
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(path)
    theirs = ssl.create_default_context(cafile=str(path))
    return ours, theirs


@functools.cache
def client_hello(name: str | None) -> bytes:
    """A real ClientHello, with a server name if there is one."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def connect_to(target: str) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()


def get(target: str, more: str = "") -> bytes:
    return f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n{more}\r\n".encode()


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


async def tunnel_and_rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    writer.write(connect_to(target))
    await reader.readexactly(len(ESTABLISHED))
