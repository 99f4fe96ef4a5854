"""One agent connection to one server as a state machine without I/O: frames in, frames out.

    session.agent_line(b'…')     session.server_line(b'…')     session.commit()
    session.take_for_server()    session.take_for_agent()

Nothing may be sent before `commit`: that is where the records are written (law 6). The shell around it
(`proxy.relay`) moves bytes and knows nothing of what they mean.
"""

from callgate import denial_codes as code
from callgate.clock import Clock
from callgate.errors import AuditError
from callgate.gate.admit import Gate
from callgate.gate.denial import Denial
from callgate.policy.compile import Policy
from callgate.proxy.agent_side import AgentSide
from callgate.proxy.pending import Kind, Parked
from callgate.proxy.schema_fetch import SchemaFetch
from callgate.proxy.server_side import ServerSide
from callgate.proxy.state import Log, RequestId, SessionState
from callgate.wire import replies
from callgate.wire.framing import Oversized


class Session:
    """`token` is unguessable text, one half for the names that the gate itself makes up and one for its ids, so that
    neither gives the other away; `max_frame` is the most bytes that a frame of the agent may have.
    """

    def __init__(
        self, gate: Gate, policy: Policy, clock: Clock, log: Log, *, token: str, max_frame: int
    ) -> None:
        self.gate = gate
        half = len(token) // 2
        self._state = state = SessionState(gate, policy, log, token[:half], clock)
        self._agent = AgentSide(state, max_frame)
        self._server = ServerSide(state)
        self._fetch = SchemaFetch(
            f"callgate-{token[half:]}", clock, state.to_server.append, self._server.page, self._release
        )
        self._agent.fetch = self._server.fetch = self._fetch
        self.audit_failed = False
        """Whether the last attempt to write records failed."""
        self._sent = state.held
        self.agent_line = self._agent.line
        self.server_line = self._server.line

    @property
    def unanswered(self) -> int:
        """How many requests of the agent still wait for an answer (subscriptions and what was cancelled apart)."""
        pending = self._state.pending.values()
        return sum(one.kind is not Kind.LISTEN and not one.cancelled for one in pending)

    @property
    def parked(self) -> int:
        """How many calls the server has not got yet, as they wait for its answer to the gate's own question."""
        return self._fetch.parked

    @property
    def deadline_ns(self) -> int | None:
        """When `tick` has something to do next (monotonic clock), or None."""
        return self._fetch.deadline_ns

    def agent_oversized(self, frame: Oversized) -> None:
        """A frame of the agent that was too large to be read."""
        self._agent.oversized(frame)

    def server_oversized(self, frame: Oversized) -> None:
        """A frame of the server that was too large to be passed on."""
        self._server.oversized(frame)

    @property
    def dropped(self) -> int:
        """How many frames of the server were not passed on."""
        return self._state.dropped

    def server_stray(self) -> None:
        """The server sent something that is not even the beginning of a frame."""
        text = "the server sent something that is no message; it is not passed on"
        self._state.refused("server", "WIR055", text, text)

    def tick(self) -> None:
        """Let time-outs happen."""
        self._fetch.expire()

    def server_gone(self, why: str) -> None:
        """The server has ended: every open request is answered with `why`."""
        self._fetch.drop()
        self._server.gone(why)

    def is_open(self, request_id: RequestId | None) -> bool:
        """Whether an answer to this request is waited for, by the agent or by the gate itself."""
        return request_id in self._state.pending or self._fetch.awaits(request_id)

    def lost(self, request_id: RequestId, code: str, why: str, *, ran: bool) -> None:
        """No answer comes to this request of those taken for the server: it is answered with `why`.

        `ran` is False only if the server has not got a byte of it.
        """
        self._server.lost(request_id, code, why, ran=ran)

    def input_schema(self, tool: str) -> object:
        """The decoded inputSchema that the server lists for `tool`, None if it is not known."""
        return self._state.catalog.input_schema(tool)

    def stopped(self, why: str) -> None:
        """The connection is over: record it, with everything that still waits."""
        self._state.remarks.end()
        self._state.gate.event("gate_stopped", None, why)
        self.commit()

    def commit(self) -> None:
        """Write the audit records. If that fails, the calls they speak of are refused instead of forwarded."""
        state = self._state
        state.remarks.tick()
        try:
            state.gate.commit()
        except AuditError as error:
            self._refuse_held(error)
        else:
            if self.audit_failed:
                self.audit_failed = False
                state.log("warning", "the audit can be written again")

    def take_for_server(self) -> list[bytes]:
        """Frames to send to the server now, in order."""
        state = self._state
        frames = state.to_server
        if frames:
            # The list itself stays, as others append to it.
            frames = frames[:]
            state.to_server.clear()
            self._sent, state.held = state.held, []
        return frames

    def not_sent(self) -> None:
        """Not a byte of the frames last taken for the server could be written: their calls did not run."""
        state = self._state
        for _, _, pending in self._sent:
            if pending.admission is not None:
                state.gate.not_forwarded(pending.admission)
                pending.admission = None
        self._sent = []

    def take_for_agent(self) -> list[bytes]:
        """Frames to send to the agent now, in order."""
        frames = self._state.to_agent
        if frames:
            self._state.to_agent = []
        return frames

    def replace_policy(self, policy: Policy) -> None:
        """Judge by `policy` from the next frame on; tell the agent if it now sees other tools. Counters stay."""
        state = self._state
        old, state.policy = state.policy, policy
        state.gate.policy = policy
        if any(old.hides(name) != policy.hides(name) for name in state.catalog.names):
            self._announce()

    def _announce(self) -> None:
        """Say that the list of tools changed, in the way of the agent's era."""
        state = self._state
        if state.initialized:
            state.to_agent.append(replies.tools_list_changed())
        for request_id, pending in state.pending.items():
            if pending.kind is Kind.LISTEN and pending.tools_changed:
                state.to_agent.append(replies.tools_list_changed(request_id))

    def _release(self, parked: list[Parked]) -> None:
        for call in parked:
            self._state.pending.pop(call.frame.id, None)  # type: ignore[arg-type]
            self._agent.judge(call.frame, modern=call.modern)

    def _refuse_held(self, error: AuditError) -> None:
        state = self._state
        if not self.audit_failed:
            state.log(
                "error",
                f"[{error.code}] {error.message}; no call is forwarded until the audit can be written",
            )
        self.audit_failed = True
        denial = Denial(
            code.AUDIT_UNAVAILABLE, None, "the audit cannot be written, and nothing is forwarded unrecorded"
        )
        for place, request_id, pending in reversed(state.held):
            del state.to_server[place]
            # A call that was cancelled, or answered by a server that guessed its id, waits no more.
            if pending.admission is not None and state.pending.get(request_id) is pending:
                state.answered(request_id, pending)
                state.gate.refuse(pending.admission, denial)
                self._agent.answer_denial(request_id, pending.admission.tool, denial, modern=pending.modern)
        state.held.clear()
