"""Frames from the agent: judged, passed on, or answered. The agent is hostile; no I/O happens here.

What is judged is what is forwarded: only `ClientFrame.forward`, the re-encoding of the judged object, ever
reaches the server.
"""

from typing import Any

from callgate import denial_codes as code
from callgate.errors import WireRefusal
from callgate.gate.call import Admission
from callgate.gate.denial import Denial
from callgate.proxy.denial_content import fitting_content
from callgate.proxy.pending import Kind, Parked, Pending
from callgate.proxy.schema_fetch import SchemaFetch
from callgate.proxy.state import MAX_IN_FLIGHT, RequestId, SessionState
from callgate.text import escape, quote
from callgate.wire import replies
from callgate.wire.framing import Oversized
from callgate.wire.strict import ClientFrame, read_client_frame
from callgate.wire.vocabulary import INVALID_REQUEST, METHOD_NOT_FOUND, Treatment, is_modern, treatment


class AgentSide:
    """Reads what the agent sends and queues what follows from it in `state`."""

    def __init__(self, state: SessionState, max_frame: int) -> None:
        self._state = state
        self._max_frame = max_frame
        self.fetch: SchemaFetch

    def line(self, line: bytes) -> None:
        """Take one frame without its newline."""
        try:
            frame = read_client_frame(line)
        except WireRefusal as refusal:
            self._refused(refusal)
            return
        if frame.method == "tools/call":
            self._call(frame)
        elif frame.kind == "request":
            self._request(frame)
        elif frame.kind == "notification":
            self._notification(frame)
        else:
            self._state.server_requests.discard(frame.id)
            self._state.to_server.append(frame.forward)

    def oversized(self, frame: Oversized) -> None:
        """Take the notice of a frame that was too large to be read."""
        self._refused(frame.refusal(self._max_frame))

    def judge(self, frame: ClientFrame, *, modern: bool) -> None:
        """Judge a tools/call with what is known now and forward or answer it."""
        state = self._state
        params: dict[str, Any] = frame.params  # type: ignore[assignment]
        request_id: RequestId = frame.id  # type: ignore[assignment]
        tool: str = params["name"]
        # What the server lists of a hidden tool must not make a difference: it is unknown.
        schema = None if state.policy.hides(tool) else state.catalog.schema(tool)
        admission = state.gate.admit(
            tool, params.get("arguments") or {}, request_id, schema=schema, spelled=frame.arguments
        )
        if admission.denial is not None:
            self._deny(request_id, admission, modern=modern)
            return
        pending = Pending(_CALL, modern, admission)
        forward = frame.forward
        if admission.hidden:
            pending.alias = state.aliases.make(tool)
            forward = replies.stand_in_call(frame.message, pending.alias.decode())
            state.log("info", f"deny   {escape(tool)}   {code.HIDDEN} hidden, and answered as unknown")
        state.pending[request_id] = pending
        state.held.append((len(state.to_server), request_id, pending))
        state.to_server.append(forward)

    def _call(self, frame: ClientFrame) -> None:
        state = self._state
        if len(state.pending) >= MAX_IN_FLIGHT or self._taken(frame.id):
            self._cannot_track(frame)
            return
        params: dict[str, Any] = frame.params  # type: ignore[assignment]
        modern = is_modern(params)
        tool: str = params["name"]
        if (
            state.policy.needs_schema(tool)
            and not state.catalog.complete
            and (state.policy.hides(tool) or not state.catalog.knows(tool))
            and (modern or state.initialized)
            and self.fetch.park(Parked(frame, modern))
        ):
            # Its place is taken, so that no other request can use its id meanwhile.
            state.pending[frame.id] = Pending(_CALL, modern, parked=True)  # type: ignore[index]
            return
        self.judge(frame, modern=modern)

    def _request(self, frame: ClientFrame) -> None:
        state = self._state
        method: str = frame.method  # type: ignore[assignment]
        request_id: RequestId = frame.id  # type: ignore[assignment]
        how = treatment(method)
        if how is Treatment.REFUSE and not state.policy.allows_method(method):
            text = f"method {quote(method)} is not one this gate lets through"
            state.refused("agent", "WIR050", text, f"refused: {text}")
            state.to_agent.append(replies.error_reply(request_id, METHOD_NOT_FOUND, text, {"code": "WIR050"}))
            return
        if len(state.pending) >= MAX_IN_FLIGHT or self._taken(request_id):
            self._cannot_track(frame)
            return
        params = frame.params or {}
        pending = Pending(_KINDS.get(how, Kind.PASS), is_modern(params))
        if pending.kind is Kind.LIST:
            pending.first_page = params.get("cursor") is None
        elif pending.kind is Kind.LISTEN:
            wanted = params.get("notifications")
            pending.tools_changed = isinstance(wanted, dict) and wanted.get("toolsListChanged") is True
        state.pending[request_id] = pending
        state.to_server.append(frame.forward)

    def _notification(self, frame: ClientFrame) -> None:
        state = self._state
        method: str = frame.method  # type: ignore[assignment]
        how = treatment(method, notification=True)
        if how is Treatment.REFUSE and not state.policy.allows_method(method):
            text = f"notification {quote(method)} is not one this gate lets through"
            state.refused("agent", "WIR050", text, f"refused: {text}")
            return
        if how is Treatment.CANCEL:
            self._cancelled((frame.params or {}).get("requestId"))
        state.to_server.append(frame.forward)

    def _cancelled(self, request_id: Any) -> None:
        state = self._state
        if type(request_id) not in (str, int):
            return
        self.fetch.withdraw(request_id)
        pending = state.pending.get(request_id)
        if pending is None or pending.kind is Kind.INITIALIZE:
            return
        if pending.kind is Kind.LIST:
            # It must be filtered even if its answer comes late.
            pending.cancelled = True
            return
        state.retire(request_id, pending)
        if pending.admission is not None:
            # The server may or may not have run it, and need not answer: what it spent stays spent.
            state.gate.settle(pending.admission, "cancelled")
            pending.admission = None

    def _deny(self, request_id: RequestId, admission: Admission, *, modern: bool) -> None:
        denial: Denial = admission.denial  # type: ignore[assignment]
        self.answer_denial(request_id, admission.tool, denial, modern=modern)
        told = code.HIDDEN if admission.hidden else denial.code
        self._state.log("info", f"deny   {escape(admission.tool)}   {told} {escape(denial.log_text)}")

    def answer_denial(self, request_id: RequestId, tool: str, denial: Denial, *, modern: bool) -> None:
        """Queue the answer to a refused call."""
        state = self._state
        structured: dict[str, Any] = denial.structured()
        output_schema = None if state.policy.hides(tool) else state.catalog.output_schema(tool)
        content = structured
        if output_schema is not None:
            content = fitting_content(output_schema, structured, denial.text) or {}
        state.to_agent.append(
            replies.denial_reply(
                request_id, denial.text, content or structured, modern=modern, has_output_schema=not content
            )
        )

    def _taken(self, request_id: RequestId | None) -> bool:
        """Whether an answer under this id could be taken for another request's."""
        state = self._state
        return request_id in state.pending or request_id in state.retired or self.fetch.owns(request_id)

    def _cannot_track(self, frame: ClientFrame) -> None:
        state = self._state
        if self._taken(frame.id):
            why, refusal_code = "this id belongs to another request", "WIR051"
        else:
            why, refusal_code = f"{MAX_IN_FLIGHT} requests wait for an answer already", "WIR052"
        state.refused("agent", refusal_code, why, f"refused: {why}")
        state.to_agent.append(
            replies.error_reply(
                frame.id, INVALID_REQUEST, f"refused by the gate: {why}", {"code": refusal_code}
            )
        )

    def _refused(self, refusal: WireRefusal) -> None:
        state = self._state
        line = f"refused [{refusal.code}]: {escape(refusal.message)}"
        state.refused("agent", refusal.code, refusal.message, line)
        text = f"refused by the gate: {refusal.message}"
        data = {"code": refusal.code}
        if refusal.expects_answer:
            state.to_agent.append(replies.error_reply(refusal.request_id, refusal.rpc_code, text, data))
        elif refusal.request_id is not None and refusal.request_id in state.server_requests:
            # The agent's answer to a server's request is refused: the server must not wait for it for ever.
            state.server_requests.discard(refusal.request_id)
            state.to_server.append(replies.error_reply(refusal.request_id, refusal.rpc_code, text, data))


_CALL = Kind.CALL
_KINDS = {
    Treatment.LIST_TOOLS: Kind.LIST,
    Treatment.INITIALIZE: Kind.INITIALIZE,
    Treatment.LISTEN: Kind.LISTEN,
}
