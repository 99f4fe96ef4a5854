"""One connection of a guest: its request read, judged, and carried; or refused in words that the script understands."""

import asyncio
from collections.abc import Sequence

from callgate.runner.sandbox.egress.contract import EgressLimits, Log, Resolve, Visit
from callgate.runner.sandbox.egress.dial import Refused, Streams, Unreachable, dial
from callgate.runner.sandbox.egress.entries import Entry
from callgate.runner.sandbox.egress.heads import MAX_HEAD, BadHead, Head, read_head
from callgate.runner.sandbox.egress.hello import MAX_HELLO, BadHello, NotYet, looks_like_tls, server_name
from callgate.runner.sandbox.egress.hosts import Address, NoHost, Target
from callgate.runner.sandbox.egress.relay import Idle, Meter, Spent, both, carry, shut
from callgate.text import escape

_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    411: "Length Required",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
}
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LAST_WORDS = 5.0
"""Seconds for a refusal to be taken."""


class Connection:
    """`tell` is called with every visit, when it is decided; with another one if the TLS handshake is refused."""

    def __init__(
        self,
        guest: Streams,
        entries: Sequence[Entry],
        limits: EgressLimits,
        meter: Meter,
        resolver: Resolve,
        tell: Log,
    ) -> None:
        self._reader, self._writer = guest
        self._entries = entries
        self._limits = limits
        self._meter = meter
        self._resolver = resolver
        self._tell = tell

    async def serve(self) -> None:
        """Serve to the end. Raises nothing but CancelledError."""
        try:
            async with asyncio.timeout(self._limits.life):
                await self._serve()
        except (TimeoutError, OSError, Spent):
            return  # the guest sees an end; there is nobody else to tell

    async def _serve(self) -> None:
        try:
            async with asyncio.timeout(self._limits.head):
                raw = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            await self._refuse(431, f"the head of a request may have {MAX_HEAD} bytes")
            return
        try:
            head = read_head(raw[:-4])
        except BadHead as error:
            await self._refuse(error.status, str(error))
            return
        except NoHost as error:
            self._tell(Visit(host=escape(raw[:200].decode("latin-1")), allowed=False, why=str(error)))
            await self._refuse(403, f"this is not allowed by the operator of this runner: {error}")
            return
        try:
            streams, address = await dial(self._entries, head.target, self._limits, self._resolver)
        except Refused as error:
            self._tell(Visit(host=str(head.target), allowed=False, why=error.why))
            await self._refuse(403, error.told)
            return
        except Unreachable as error:
            self._tell(Visit(host=str(head.target), allowed=True, why=str(error)))
            await self._refuse(502, str(error))
            return
        self._tell(Visit(host=str(head.target), allowed=True, address=str(address)))
        try:
            async with Idle(self._limits.idle) as idle:
                if head.tunnel:
                    await self._tunnel(head.target, address, streams, idle)
                else:
                    await self._forward(head, streams, idle)
        finally:
            await shut(streams)

    async def _tunnel(self, target: Target, address: Address, streams: Streams, idle: Idle) -> None:
        self._writer.write(_ESTABLISHED)
        down = asyncio.ensure_future(carry(streams[0], self._writer, self._meter, idle, sent=False))
        up = asyncio.ensure_future(self._send_checked(target, streams[1], idle))
        try:
            await both(up, down)
        except BadHello as error:
            self._tell(Visit(host=str(target), allowed=False, address=str(address), why=str(error)))

    async def _send_checked(self, target: Target, writer: asyncio.StreamWriter, idle: Idle) -> None:
        """Carry what the guest sends; if it is TLS, only after its server name turned out to be the host's.

        Raises BadHello if it is not.
        """
        first = await self._reader.read(MAX_HELLO)
        while looks_like_tls(first):
            try:
                name = server_name(first)
            except NotYet:
                more = await self._reader.read(MAX_HELLO)
                if not more:
                    return
                first += more
                continue
            if name is not None and name != target.host:
                raise BadHello(
                    f"the TLS handshake is for `{escape(name[:253])}`, which is not the host asked for"
                )
            break
        self._meter.count(len(first), sent=True)
        idle.touch()
        writer.write(first)
        await carry(self._reader, writer, self._meter, idle, sent=True)

    async def _forward(self, head: Head, streams: Streams, idle: Idle) -> None:
        self._meter.count(len(head.forward), sent=True)
        streams[1].write(head.forward)
        answer = asyncio.ensure_future(self._answer(streams[0], idle))
        body = asyncio.ensure_future(
            carry(self._reader, streams[1], self._meter, idle, sent=True, length=head.length)
        )
        await both(answer, body)

    async def _answer(self, reader: asyncio.StreamReader, idle: Idle) -> None:
        """Carry an answer, and say that this connection ends with it: it is for one request to one host."""
        try:
            line = await reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        if line.startswith(b"HTTP/1."):
            line += b"Connection: close\r\n"
        self._meter.count(len(line), sent=False)
        self._writer.write(line)
        await carry(reader, self._writer, self._meter, idle, sent=False)

    async def _refuse(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self._writer.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        async with asyncio.timeout(_LAST_WORDS):
            await self._writer.drain()
            self._writer.write_eof()
            # An unread request would turn the end into a reset, and the words would be lost.
            while await self._reader.read(1 << 16):
                pass
