"""One accepted connection: takes requests one after another and hands them to the application.

Everything happens in the callbacks of the transport; there are no tasks and no timers of its own (`check_time` is
called for all connections by the listener). While a request is being answered nothing behind it is looked at; what
the client sends ahead is kept up to a bound, then no longer read. After a refusal nothing is taken as a request.

A client that ends its side before its answer is complete has gone, also if it might still read: over TCP the two
cannot be told apart, clients of MCP cancel by closing, and the common servers treat it alike.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from callgate.http1.answer import Answer
from callgate.http1.body import ChunkedBody, SizedBody
from callgate.http1.contract import Head, HttpRefusal
from callgate.http1.phases import (
    AHEAD,
    BUSY,
    CHUNKS,
    CLOSED,
    HEAD,
    LINGER,
    LINGER_BYTES,
    LINGER_TIME,
    MIN_BODY_RATE,
    SIZED,
    SKIP,
    SKIPPED_BODY,
    TURN,
)
from callgate.http1.refusals import Refused, refusal
from callgate.http1.strictness import CHUNKED, check_beginning

if TYPE_CHECKING:
    from callgate.http1.listener import Listener

_log = logging.getLogger("callgate.http1")


class Connection(asyncio.BufferedProtocol):
    """The protocol of one connection; made by the listener for every one that is accepted."""

    __slots__ = (
        *("_advancing", "_answer", "_at", "_body", "_fresh", "_head", "_input", "_keep_alive", "_modern"),
        *("_peer", "_phase", "_reading", "_secure", "_since", "_skip", "_stalled", "_taken", "_view"),
        *("congested", "listener", "sent", "transport"),
    )

    transport: asyncio.Transport

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self.congested = False
        self.sent = 0
        """Bytes written so far, for telling a slow client from one that takes nothing."""
        self._view = listener.scratch
        self._phase = HEAD
        self._fresh = True
        self._input = b""
        self._at = 0
        self._head: Head | None = None
        self._body: SizedBody | ChunkedBody | None = None
        self._answer: Answer | None = None
        self._modern = True
        self._keep_alive = True
        self._skip = 0
        self._advancing = False
        self._reading = True
        self._since = listener.now
        self._stalled: float | None = None
        self._taken = 0

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=self.listener.limits.high_water)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._peer = peer[0]
        else:
            # A TCP client that has already gone has no address either; it must not pass for a local one.
            sock = transport.get_extra_info("socket")
            self._peer = "unix" if sock is not None and sock.family == socket.AF_UNIX else ""
        self._secure = transport.get_extra_info("sslcontext") is not None
        self.listener.enter(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        if self._phase == SIZED:
            return cast("SizedBody", self._body).room()
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        phase = self._phase
        if phase == SIZED:
            body = cast("SizedBody", self._body)
            try:
                whole = body.took(nbytes)
            except Refused as refused:
                self.refuse(refused.code)
                return
            if whole:
                self._whole(body.value())
            return
        if phase == CLOSED:
            return
        if phase == LINGER:
            self._skip -= nbytes
            if self._skip < 0:
                self.transport.abort()
            return
        data = self._view[:nbytes].tobytes()
        if self._at < len(self._input):
            data = self._input[self._at :] + data
        elif phase == HEAD:
            self._since = self.listener.now
        self._input = data
        self._at = 0
        self._advance()

    def eof_received(self) -> bool:
        self._lose()
        self._phase = CLOSED
        self._input = b""
        self._at = 0
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lose()
        self.listener.leave(self)
        self._phase = CLOSED
        self._input = b""
        self._drop_body()

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        answer = self._answer
        if answer is not None and answer.on_room is not None:
            self._guarded(answer.on_room)
        self._advance()

    # what the listener and the answer call

    @property
    def idle(self) -> bool:
        """Whether no request is under way and no part of one has come."""
        return self._phase == HEAD and self._at >= len(self._input)

    def answered(self, keep_alive: bool) -> None:
        """The answer is complete."""
        self._answer = None
        if self._phase != BUSY:
            return
        if not keep_alive or not self._keep_alive:
            if self._skip or self._at < len(self._input):
                self._linger()
            else:
                self._close()
            return
        self._rest()
        if self._at >= len(self._input):
            self._input = b""
        elif not self._advancing:
            self._advance()

    def refuse(self, code: str) -> None:
        """Answer with a fixed refusal, unless an answer was begun, and take nothing more."""
        self.listener.observe(code)
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.lose(tell=False)
        if self._phase in (LINGER, CLOSED):
            return
        if answer is not None and answer.started:
            self.abandon()
            return
        if self._phase != SKIP:
            self.transport.write(refusal(code, self.listener.date))
        self._linger()

    def abandon(self) -> None:
        """End the connection without the rest of the answer."""
        self._answer = None
        self._phase = CLOSED
        self.transport.abort()

    def drain(self) -> None:
        """Take no further request: an idle connection ends now, any other one behind its answer."""
        self._keep_alive = False
        if self.idle:
            self._close()

    def check_time(self, now: float, slack: float) -> None:
        """Act on a time-out that has passed; `slack` is how much later than it this may be called."""
        limits = self.listener.limits
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            self._stalled = None
        elif self._stalled is None or self.sent - waiting != self._taken:
            self._stalled = now
            self._taken = self.sent - waiting
        elif now - self._stalled > limits.write_timeout + slack:
            self.listener.observe("HTTP017")
            self.transport.abort()
            return
        elapsed = now - self._since - slack
        phase = self._phase
        if phase == BUSY:
            return
        if phase == HEAD:
            if self._at < len(self._input):
                if elapsed > limits.head_timeout and not self.congested:
                    self.refuse("HTTP014")
            elif elapsed > (limits.head_timeout if self._fresh else limits.idle_timeout):
                self._close()
        elif phase in (SIZED, CHUNKS, SKIP):
            received = self._body.received if self._body is not None else 0
            if elapsed > limits.body_timeout + received / MIN_BODY_RATE:
                self.refuse("HTTP015")
        elif phase == LINGER and elapsed > LINGER_TIME:
            self.transport.abort()

    # taking requests

    def _advance(self) -> None:
        """Take what has arrived, request after request, as far as their answers allow."""
        if self._advancing:
            return
        self._advancing = True
        try:
            for _ in range(TURN):
                if self._at >= len(self._input) or not self._take():
                    break
            else:
                if self._phase == HEAD and self._at < len(self._input):
                    self.listener.loop.call_soon(self._advance)
        except Refused as refused:
            self.refuse(refused.code)
        finally:
            self._advancing = False
        if self._reading == (len(self._input) - self._at > AHEAD and self._phase in (HEAD, BUSY)):
            self._reading = not self._reading
            if self._phase != CLOSED:
                (self.transport.resume_reading if self._reading else self.transport.pause_reading)()

    def _take(self) -> bool:
        """Take the next piece of input. False if there is nothing to be done with it now."""
        phase = self._phase
        if phase == HEAD:
            return not self.congested and self._take_head()
        if phase == CHUNKS:
            body = cast("ChunkedBody", self._body)
            end = body.feed(self._input, self._at)
            self._at = len(self._input) if end is None else end
            if end is not None:
                self._whole(body.value())
            return end is not None
        if phase == SKIP:
            step = min(self._skip, len(self._input) - self._at)
            self._at += step
            self._skip -= step
            if not self._skip:
                if self._keep_alive:
                    self._rest()
                else:
                    self._linger()
            return True
        return False

    def _take_head(self) -> bool:
        data, at = self._input, self._at
        if data.startswith(b"\r", at):
            # RFC 9112, 2.2: one empty line before a request is passed over.
            if len(data) == at + 1:
                return False
            if data[at + 1] == 10:
                at += 2
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            check_beginning(data, at, self.listener.limits.max_head)
            return False
        end += 4
        raw = data if at == 0 and end == len(data) else data[at:end]
        head, length, modern, keep_alive, expects = self.listener.reader.read(raw, self._peer, self._secure)
        self._at = end
        self._keep_alive = keep_alive and not self.listener.draining
        have = len(data) - end
        try:
            limit = self.listener.application.head(head)
        except HttpRefusal as refused:
            if expects or not 0 <= length <= SKIPPED_BODY:
                self._keep_alive = False
            self._decline(Answer(self, head.method, modern, self._keep_alive), refused, length)
            return True
        except Exception:
            _log.exception("the application failed on a head")
            raise Refused("HTTP018") from None
        if length > limit:
            raise Refused("HTTP008")
        self._head = head
        self._modern = modern
        if length == 0:
            self._whole(b"")
            return True
        if expects and have == 0:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._since = self.listener.now
        if length == CHUNKED:
            self._phase = CHUNKS
            self._body = ChunkedBody(limit, self.listener.bodies)
        elif have >= length:
            self._at = end + length
            self._whole(data[end : end + length])
        else:
            self._body = SizedBody(length, data[end:], self.listener.bodies)
            self._input = b""
            self._at = 0
            self._phase = SIZED
        return True

    def _whole(self, body: bytes) -> None:
        """The request is complete: have it answered."""
        head = cast("Head", self._head)
        self._head = None
        if self._body is not None:
            self._drop_body()
        self._phase = BUSY
        answer = self._answer = Answer(self, head.method, self._modern, self._keep_alive)
        try:
            self.listener.application.handle(head, body, answer)
        except Exception:
            _log.exception("the application failed on a request")
            if self._answer is answer:
                self.refuse("HTTP018")

    def _decline(self, answer: Answer, refused: HttpRefusal, length: int) -> None:
        """Answer what the application refused by its head; its body is read past, or the connection ends."""
        self._phase = BUSY
        self._skip = length
        answer.send(refused.status, refused.body, refused.content_type, refused.headers)
        if self._phase == HEAD and length:
            self._phase = SKIP

    def _rest(self) -> None:
        """Be ready for the next request."""
        self._phase = HEAD
        self._fresh = False
        self._since = self.listener.now

    def _linger(self) -> None:
        """Say that nothing more will come, and throw away what the client still sends, for a short while."""
        self._phase = LINGER
        self._since = self.listener.now
        self._skip = LINGER_BYTES
        self._input = b""
        self._at = 0
        self._head = None
        self._drop_body()
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _drop_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.release()

    def _close(self) -> None:
        self._phase = CLOSED
        self.transport.close()

    def _lose(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            self._guarded(partial(answer.lose, tell=True))

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            _log.exception("the application failed")
