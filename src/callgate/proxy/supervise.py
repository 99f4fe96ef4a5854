"""Run a relay until agent or server end, and end the rest in order.

agent ends its input   the server gets what is under way, then end of file, then a grace, then signals
nobody reads answers   the same without waiting for open calls
server ends            what it wrote is passed on, open requests are answered, its status is ours
"""

import os
import signal

from callgate.clock import Clock
from callgate.proxy.relay import Relay
from callgate.proxy.state import Log
from callgate.transports.prctl import become_subreaper
from callgate.transports.server_process import PASSED_SIGNALS, ServerProcess

LEAVE_SECONDS = 1.0
"""How long the server may go on after the end of its input before it is told to end."""

FLUSH_SECONDS = 2.0
"""How long the agent may take to read the last answers."""

_BUSY_TURNS = 50
"""Turns without a quiet moment after which what could wait for one is done all the same."""


class Supervisor:
    """Owns the process's signals while it runs."""

    def __init__(self, relay: Relay, server: ServerProcess, clock: Clock, log: Log) -> None:
        self._relay = relay
        self._server = server
        self._clock = clock
        self._log = log
        self._keeper_ended = False
        self._leave_at_ns: int | None = None
        self._turns = 0

    def run(self) -> int:
        """Relay until everything has ended. Returns the server's wait status."""
        relay, server = self._relay, self._server
        wake_r, wake_w = os.pipe()
        os.set_blocking(wake_r, False)
        os.set_blocking(wake_w, False)
        for number in PASSED_SIGNALS:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        relay.watch_descriptor(wake_r, lambda: self._signalled(os.read(wake_r, 64)))
        relay.watch_descriptor(server.report, self._reported)
        while not self._keeper_ended:
            quiet = relay.turn(self._patience_ms())
            if self._turns < _BUSY_TURNS:
                # For the death of the keeper. Loading what it takes can wait for the first quiet moment.
                self._turns = _BUSY_TURNS if quiet else self._turns + 1
                if self._turns == _BUSY_TURNS:
                    become_subreaper()
            if relay.agent_ended:
                self._agent_ended()
            ended = relay.server_ended or relay.server_deaf
            if ended and server.status is None and self._leave_at_ns is None:
                # It closed its output or input and lives on: nothing can come of it any more.
                self._leave_soon()
        return self._finish()

    def _agent_ended(self) -> None:
        relay = self._relay
        if relay.session.parked and not relay.agent_gone:
            # They go to the server when it has answered the gate's question, or are refused in time.
            return
        relay.close_server_input()
        if (
            self._leave_at_ns is None
            and relay.server_closed
            and (relay.agent_gone or not relay.session.unanswered)
        ):
            self._leave_soon()

    def _leave_soon(self) -> None:
        self._leave_at_ns = self._clock.monotonic_ns() + round(LEAVE_SECONDS * 1e9)

    def _patience_ms(self) -> int | None:
        if self._leave_at_ns is None or self._server.ending:
            return None
        left = self._leave_at_ns - self._clock.monotonic_ns()
        if left > 0:
            return left // 1_000_000 + 1
        self._server.end()
        return None

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number in PASSED_SIGNALS:
                self._server.pass_signal(number)

    def _reported(self) -> None:
        if not self._server.read_report():
            self._keeper_ended = True
            self._relay.forget_descriptor(self._server.report)

    def _finish(self) -> int:
        relay, server = self._relay, self._server
        relay.drain_server()
        status = server.status
        why = "the server was ended by force" if status is None else f"the server ended: {describe(status)}"
        if relay.session.unanswered:
            self._log("warning", f"{why}, with {relay.session.unanswered} requests unanswered")
        relay.session.server_gone(why)
        relay.session.stopped(why)
        relay.flush_agent(FLUSH_SECONDS)
        signal.set_wakeup_fd(-1)
        # Without a status the server was killed together with its keeper.
        return int(signal.SIGKILL) if status is None else status


def describe(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def _noted(_number: int, _frame: object) -> None:
    """A Python-level handler must exist for the wakeup descriptor to be written."""
