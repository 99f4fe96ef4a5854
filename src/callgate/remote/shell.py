"""The event loop around one session: frames of the agent on stdin and stdout, the server's through a conversation.

What one loop turn brings is judged, recorded in one write, then sent (law 6). Neither side is read faster than the
other takes.
"""

import asyncio
import errno
import os
import select
import signal
from collections.abc import Callable

from callgate.policy.compile import Policy
from callgate.proxy.relay import HIGH_WATER, READ_SIZE, Reload
from callgate.proxy.session import Session
from callgate.proxy.state import Log
from callgate.proxy.watch import FileWatch
from callgate.remote.conversation import Conversation
from callgate.remote.policy_watch import PolicyWatch
from callgate.transports.outbox import Outbox
from callgate.upstream.contract import Upstream
from callgate.wire.framing import LineReader, Oversized

FLUSH_SECONDS = 2.0
"""How long the agent may take to read the last answers, and the server to hear of the session's end."""

_TICK_SECONDS = 0.25
_SETTLING_SECONDS = 0.02
_RECORDS_SECONDS = 0.001
_RECORDS_MAX = 256
_MAX_UNSENT = 64 << 20
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Shell:
    """`agent_in` and `agent_out` are descriptors; `max_frame` bounds a frame of the agent, in bytes.

    `called` is what the log calls the server by, fit to be shown.
    """

    def __init__(
        self,
        session: Session,
        upstream: Upstream,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        *,
        called: str,
        agent_in: int,
        agent_out: int,
        max_frame: int,
        watch: FileWatch,
        reload: Reload,
    ) -> None:
        self._session = session
        self._gate = session.gate
        self._loop = loop
        self._log = log
        self._agent_in = agent_in
        self._reader = LineReader(max_frame)
        self._to_agent = Outbox(agent_out)
        self._conversation = Conversation(session, upstream, loop.call_later, self._stir, log, called)
        self._upstream = upstream
        self._policy = PolicyWatch(loop, watch, reload, self._policy_changed)
        self._turning = False
        self._reading = False
        self._unpollable = False
        """The agent's input is a file, which can always be read."""
        self._writing = False
        self._records: asyncio.TimerHandle | None = None
        self._agent_ended = False
        self._agent_gone = False
        self._over: asyncio.Future[str] = loop.create_future()

    async def run(self) -> None:
        """Carry frames until the agent has gone and everything is answered, or a signal says so."""
        for number in _END_SIGNALS:
            self._loop.add_signal_handler(number, self._end, f"the gate was ended by signal {int(number)}")
        ticking = self._loop.call_later(0, self._tick)
        self._ticking = ticking
        try:
            await self._finish(await self._over)
        finally:
            self._ticking.cancel()
            if self._records is not None:
                self._records.cancel()
            for number in _END_SIGNALS:
                self._loop.remove_signal_handler(number)

    def _end(self, why: str) -> None:
        if not self._over.done():
            self._over.set_result(why)

    # Turns.

    def _stir(self) -> None:
        """Something is about to be told to the session: a turn begins, unless one is under way."""
        if not self._turning:
            self._turning = True
            self._gate.begin_turn()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Record and send what the turn brought."""
        self._turning = False
        if self._session.deadline_ns is not None:
            self._session.tick()
        self._send()
        if self._gate.waiting and self._records is None:
            delay = _TICK_SECONDS if self._session.audit_failed else _RECORDS_SECONDS
            self._records = self._loop.call_later(delay, self._write_records)
        self._flow()
        self._end_if_done()

    def _send(self) -> None:
        session = self._session
        if self._gate.must_commit or self._gate.waiting >= _RECORDS_MAX:
            session.commit()
        frames = session.take_for_server()
        if frames:
            self._conversation.send(frames)
        answers = session.take_for_agent()
        if answers and not self._agent_gone:
            answers.append(b"")
            self._write(lambda: self._to_agent.send(b"\n".join(answers)))

    def _write_records(self) -> None:
        self._records = None
        if self._gate.waiting and not self._turning:
            self._gate.begin_turn()
            self._session.commit()

    def _tick(self) -> None:
        """What is due without anything happening."""
        self._ticking = self._loop.call_later(_TICK_SECONDS, self._tick)
        self._policy.settled()
        if self._agent_ended and self._unread():
            self._agent_gone = True
        self._stir()

    def _end_if_done(self) -> None:
        if self._agent_gone:
            self._end("the agent is gone")
        elif (
            self._agent_ended
            and not self._session.parked
            and not self._session.unanswered
            and not self._conversation.waiting
        ):
            self._end("the agent ended the connection")

    # The agent.

    def _flow(self) -> None:
        """Read each side as long as the other takes what it says."""
        waiting = self._to_agent.size
        self._conversation.set_paused(waiting >= HIGH_WATER)
        self._set_reading(
            not (self._agent_ended or self._over.done())
            and waiting < 4 * HIGH_WATER
            and self._conversation.unsent < _MAX_UNSENT
        )
        if (writing := waiting > 0 and not self._agent_gone) is not self._writing:
            self._writing = writing
            if writing:
                self._loop.add_writer(self._to_agent.fd, self._writable)
            else:
                self._loop.remove_writer(self._to_agent.fd)

    def _set_reading(self, wanted: bool) -> None:
        if wanted is self._reading:
            return
        self._reading = wanted
        if self._unpollable:
            if wanted:
                self._loop.call_soon(self._readable)
        elif wanted:
            try:
                self._loop.add_reader(self._agent_in, self._readable)
            except PermissionError:
                self._unpollable = True
                self._loop.call_soon(self._readable)
        else:
            self._loop.remove_reader(self._agent_in)

    def _readable(self) -> None:
        if not self._reading:
            return
        if not self._policy.settled():
            # What was judged by a policy half written could be let through by it.
            self._set_reading(False)
            self._loop.call_later(_SETTLING_SECONDS, self._flow)
            return
        self._stir()
        data = os.read(self._agent_in, READ_SIZE)
        if data:
            frames = self._reader.feed(data)
        else:
            frames = self._reader.finish()
            self._agent_ended = True
        for frame in frames:
            if type(frame) is bytes:
                self._session.agent_line(frame)
            elif isinstance(frame, Oversized):
                self._session.agent_oversized(frame)
        if self._unpollable and data:
            self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        self._write(self._to_agent.flush)
        self._stir()

    def _write(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self._agent_gone = self._agent_ended = True
            self._stir()

    def _unread(self) -> bool:
        """Whether nobody can read what is written to the agent any more."""
        poll = select.poll()
        poll.register(self._to_agent.fd, 0)
        return bool(poll.poll(0))

    def _policy_changed(self, policy: Policy) -> None:
        self._stir()
        self._session.replace_policy(policy)

    # The end.

    async def _finish(self, why: str) -> None:
        self._set_reading(False)
        self._policy.close()
        if self._session.unanswered:
            self._log("warning", f"{why}, with {self._session.unanswered} requests unanswered")
        self._gate.begin_turn()
        ended = self._loop.create_future()
        self._conversation.end(lambda: None if ended.done() else ended.set_result(None))
        self._session.server_gone(why)
        self._session.stopped(why)
        self._send()
        flushed = self._loop.create_task(self._flush())
        await asyncio.wait((ended, flushed), timeout=FLUSH_SECONDS)
        flushed.cancel()
        if self._writing:
            self._loop.remove_writer(self._to_agent.fd)
        self._upstream.close()
        # Closed connections are let go of in the loop's next turns.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _flush(self) -> None:
        while self._to_agent.size and not self._agent_gone:
            self._write(self._to_agent.flush)
            await asyncio.sleep(0.01)
