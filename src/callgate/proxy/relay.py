"""Move bytes between an agent and a server's process through a session: one thread, one poll loop.

It never blocks on a write, reads no faster than the other side takes (back-pressure both ways), and sends nothing
before the session has committed. What the bytes mean is the session's business.
"""

import errno
import os
import select
from collections.abc import Callable, Sequence
from typing import Protocol

from callgate.clock import Clock
from callgate.policy.compile import Policy
from callgate.proxy.session import Session
from callgate.proxy.watch import FileWatch
from callgate.transports.outbox import Outbox
from callgate.wire.framing import LineReader, Oversized

READ_SIZE = 65536
HIGH_WATER = 1 << 20
"""Bytes that may wait for one side before the other is no longer read."""

_IDLE_MS = 250
_RECORDS_MS = 1
_RECORDS_MAX = 256
_SETTLING_MS = 20
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Reload(Protocol):
    """Reads the changed policy file while the relay goes on."""

    def start(self) -> int | None:
        """Begin to read; returns a descriptor that becomes readable as the result arrives, None if it cannot."""
        ...

    def expire(self) -> None:
        """Give up a reading that takes too long; its descriptor becomes readable then."""
        ...

    def feed(self) -> bool:
        """Take in what has arrived. True when it is all there."""
        ...

    def finish(self) -> Policy | None:
        """The policy; None, having said why, if it is not good."""
        ...


class Relay:
    """The loop around one session. `max_agent_frame` and `max_server_frame` are in bytes."""

    def __init__(
        self,
        session: Session,
        clock: Clock,
        *,
        agent_in: int,
        agent_out: int,
        server_in: int,
        server_out: int,
        max_agent_frame: int,
        max_server_frame: int,
        watch: FileWatch | None = None,
        reload: Reload | None = None,
    ) -> None:
        self.session = session
        self._gate = session.gate
        self._clock = clock
        self._agent_in = agent_in
        self._server_out = server_out
        self._to_agent = Outbox(agent_out)
        self._to_server = Outbox(server_in)
        self._agent_reader = LineReader(max_agent_frame)
        self._server_reader = LineReader(max_server_frame)
        self._watch = watch
        self._reload = reload
        self._poll = select.poll()
        self._interest: dict[int, int] = {}
        self._others: dict[int, Callable[[], None]] = {}
        self._settling = False
        """The policy file is changing or being read: the agent's frames wait."""
        self._reading = False
        self._flowing = False
        """Both sides are read and nothing waits to be written: the poll object knows all it has to."""
        self.agent_ended = False
        """The agent closed its side: there is nothing more to read."""
        self.agent_gone = False
        """Nobody reads the answers any more."""
        self.server_ended = False
        """The server closed its output."""
        self.server_closed = False
        """The server takes no more input, or was told that there is none."""
        self.server_deaf = False
        """The server closed its input by itself."""

    def watch_descriptor(self, fd: int, readable: Callable[[], None]) -> None:
        """Call `readable` whenever `fd` can be read; it is forgotten by `forget_descriptor`."""
        self._others[fd] = readable
        self._poll.register(fd, select.POLLIN)

    def forget_descriptor(self, fd: int) -> None:
        """Stop watching `fd`."""
        if self._others.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def turn(self, timeout_ms: int | None = None) -> bool:
        """Wait for something to happen (at most `timeout_ms`), take it in, and send what follows from it.

        True if nothing happened.
        """
        if self._settling:
            self._policy_settled()
        if not self._flowing:
            self._set_interest()
        records = self._gate.waiting
        # Records that could not be written are tried again when something happens, or after an idle while.
        soon = records and not self.session.audit_failed
        if soon:
            wait = _RECORDS_MS
        elif self._settling:
            wait = _SETTLING_MS
        elif timeout_ms is not None:
            wait = timeout_ms
        else:
            wait = _IDLE_MS
        events = self._poll.poll(wait)
        self._gate.begin_turn()
        if not events:
            if records:
                self.session.commit()
            if not soon and self._watch is not None:
                self._policy_settled()
            self.session.tick()
            self._send()
            return True
        for fd, event in events:
            if fd == self._server_out:
                self._read_server()
            elif fd == self._agent_in:
                if self._watch is None or self._policy_settled():
                    self._read_agent()
            elif fd == self._to_agent.fd:
                self._agent_writable(event)
            elif fd == self._to_server.fd:
                self._server_writable(event)
            else:
                self._others[fd]()
        if self.session.deadline_ns is not None:
            self.session.tick()
        self._send()
        self._flowing = self._flowing and not (
            self._to_agent.size
            or self._to_server.size
            or self._settling
            or self.agent_ended
            or self.server_ended
        )
        return False

    def close_server_input(self) -> None:
        """Let the server see the end of its input, once all that waits for it is written."""
        if not self.server_closed and not self._to_server.size:
            self._stop_server_input()

    def drain_server(self) -> None:
        """Read what a server that has ended left in its pipe."""
        os.set_blocking(self._server_out, False)
        self._gate.begin_turn()
        while not self.server_ended:
            try:
                self._read_server()
            except BlockingIOError:
                break
            self._send()

    def flush_agent(self, seconds: float) -> None:
        """Write what waits for the agent, for at most `seconds`."""
        end = self._clock.monotonic_ns() + round(seconds * 1e9)
        self._send()
        while self._to_agent.size and not self.agent_gone and self._clock.monotonic_ns() < end:
            poll = select.poll()
            poll.register(self._to_agent.fd, select.POLLOUT)
            for _, event in poll.poll(100):
                self._agent_writable(event)

    def _policy_settled(self) -> bool:
        """Whether the policy in force is the file's; reads the file if it changed. False: wait a moment."""
        if self._watch is None:
            return True
        if self._reading:
            if self._reload is not None:
                self._reload.expire()
            return False
        change = self._watch.check()
        self._settling = change == "settling"
        if change == "changed" and self._reload is not None:
            reload, fd = self._reload, self._reload.start()
            if fd is None:
                self._watch.unread()
                return True
            self._reading = self._settling = True
            self.watch_descriptor(fd, lambda: self._policy_arrives(reload, fd))
        return not self._settling

    def _policy_arrives(self, reload: Reload, fd: int) -> None:
        if not reload.feed():
            return
        self.forget_descriptor(fd)
        self._reading = self._settling = False
        policy = reload.finish()
        if policy is not None:
            self.session.replace_policy(policy)

    def _read_agent(self) -> None:
        data = os.read(self._agent_in, READ_SIZE)
        if data:
            self._take(self._agent_reader.feed(data), self.session.agent_line, self.session.agent_oversized)
        else:
            self._take(self._agent_reader.finish(), self.session.agent_line, self.session.agent_oversized)
            self.agent_ended = True

    def _read_server(self) -> None:
        data = os.read(self._server_out, READ_SIZE)
        if data:
            self._take(
                self._server_reader.feed(data), self.session.server_line, self.session.server_oversized
            )
        else:
            self._take(self._server_reader.finish(), self.session.server_line, self.session.server_oversized)
            self.server_ended = True

    @staticmethod
    def _take(
        frames: Sequence[bytes | Oversized],
        line: Callable[[bytes], None],
        oversized: Callable[[Oversized], None],
    ) -> None:
        for frame in frames:
            if type(frame) is bytes:
                line(frame)
            else:
                oversized(frame)  # type: ignore[arg-type]

    def _send(self) -> None:
        session = self.session
        if self._gate.must_commit or self._gate.waiting >= _RECORDS_MAX:
            session.commit()
        frames = session.take_for_server()
        if frames and self.server_closed:
            session.not_sent()
        elif frames:
            self._send_server(frames)
        answers = session.take_for_agent()
        if answers and not self.agent_gone:
            answers.append(b"")
            try:
                self._to_agent.send(b"\n".join(answers))
            except OSError as error:
                self._agent_lost(error)

    def _send_server(self, frames: list[bytes]) -> None:
        frames.append(b"")
        try:
            self._to_server.send(b"\n".join(frames))
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            # The first write failed, so nothing of these frames got out.
            self.session.not_sent()
            self._server_lost()

    def _agent_writable(self, event: int) -> None:
        if event & select.POLLOUT:
            try:
                self._to_agent.flush()
            except OSError as error:
                self._agent_lost(error)
        elif event & _BROKEN:
            self.agent_gone = self.agent_ended = True

    def _agent_lost(self, error: OSError) -> None:
        if error.errno not in (errno.EPIPE, errno.ECONNRESET):
            raise error
        self.agent_gone = self.agent_ended = True

    def _server_writable(self, event: int) -> None:
        if event & _BROKEN:
            self._server_lost()
            return
        try:
            self._to_server.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self._server_lost()

    def _server_lost(self) -> None:
        self.server_deaf = True
        self._stop_server_input()

    def _stop_server_input(self) -> None:
        self.server_closed = True
        self._flowing = False
        self._want(self._to_server.fd, None)
        os.close(self._to_server.fd)

    def _set_interest(self) -> None:
        room = self._to_server.size < HIGH_WATER and self._to_agent.size < 4 * HIGH_WATER
        read_agent = room and not self.agent_ended and not self._settling
        self._want(self._agent_in, select.POLLIN if read_agent else None)
        read_server = self._to_agent.size < HIGH_WATER and not self.server_ended
        self._want(self._server_out, select.POLLIN if read_server else None)
        if not self.agent_gone:
            self._want(self._to_agent.fd, select.POLLOUT if self._to_agent.size else 0)
        else:
            self._want(self._to_agent.fd, None)
        if not self.server_closed:
            self._want(self._to_server.fd, select.POLLOUT if self._to_server.size else 0)
        self._flowing = read_agent and read_server and not (self._to_agent.size or self._to_server.size)

    def _want(self, fd: int, events: int | None) -> None:
        """Tell the poll object only what changed."""
        if self._interest.get(fd) == events:
            return
        if events is None:
            del self._interest[fd]
            self._poll.unregister(fd)
        else:
            self._interest[fd] = events
            self._poll.register(fd, events)
