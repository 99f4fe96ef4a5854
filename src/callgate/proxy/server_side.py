"""Frames from the server: passed on as they are, but for tools/list where the policy hides something.

On the way outcomes are settled and the catalog learns. The server is hostile; no I/O happens here.
"""

from callgate.proxy.pending import Kind, Pending
from callgate.proxy.results import UNASKED_LIST, UNREADABLE_LIST, call_status, unasked_answer, visible_list
from callgate.proxy.schema_fetch import SchemaFetch
from callgate.proxy.state import MAX_IN_FLIGHT, RequestId, SessionState
from callgate.text import quote
from callgate.wire import replies, toolslist
from callgate.wire.envelope import trusted_id
from callgate.wire.framing import Oversized
from callgate.wire.server import ServerFrame, read_server_frame
from callgate.wire.vocabulary import SERVER_ERROR

_CALL = Kind.CALL


class ServerSide:
    """Reads what the server sends and queues what follows from it in `state`."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self.fetch: SchemaFetch

    def line(self, line: bytes) -> None:
        """Take one frame without its newline."""
        state = self._state
        if state.aliases.used:
            line = state.aliases.undo(line)
        frame = read_server_frame(line)
        if frame.kind == "response":
            request_id = frame.id
            pending = None if request_id is None else state.pending.get(request_id)
            if pending is None:
                if self.fetch.owns(request_id):
                    self.fetch.answered(frame)
                else:
                    self._unasked(frame)
                return
            if pending.parked:
                self._early()
                return
            state.answered(request_id, pending)  # type: ignore[arg-type]
            if pending.kind is _CALL:
                self._called(frame, pending)
            elif pending.kind is Kind.LIST:
                state.to_agent.append(self._listed(frame, pending))
                return
            elif pending.kind is Kind.INITIALIZE:
                state.initialized = frame.result is not None
            state.to_agent.append(frame.forward)
        elif frame.kind == "garbage":
            self._garbage(frame)
        else:
            if frame.kind == "request":
                if len(state.server_requests) < MAX_IN_FLIGHT and trusted_id(frame.id) is not None:
                    state.server_requests.add(frame.id)  # type: ignore[arg-type]
            elif frame.method == "notifications/tools/list_changed":
                state.catalog.outdated()
            state.to_agent.append(frame.forward)

    def oversized(self, frame: Oversized) -> None:
        """Take the notice of a frame that was too large to be passed on."""
        state = self._state
        text = f"the server sent a frame of {frame.size} bytes, which is more than this gate passes on"
        state.refused("server", "WIR053", text, text)
        # A request of the server's own that happens to have the same id answers nothing.
        pending = None if frame.kind in ("request", "notification") else self._take(frame.id)
        if pending is None:
            return
        if pending.admission is not None:
            state.gate.settle(pending.admission, "unknown", size=frame.size)
        state.to_agent.append(replies.error_reply(frame.id, SERVER_ERROR, text, {"code": "WIR053"}))

    def gone(self, why: str) -> None:
        """The server has ended: answer whoever waits for it; what was spent stays spent."""
        state = self._state
        for request_id, pending in state.pending.items():
            if pending.admission is not None:
                state.gate.settle(pending.admission, "unknown")
            state.to_agent.append(replies.error_reply(request_id, SERVER_ERROR, why, {"code": "UPS003"}))
        state.pending.clear()

    def lost(self, request_id: RequestId, code: str, why: str, *, ran: bool) -> None:
        """No answer comes to this request: answer it. What it spent is given back only if it cannot have run."""
        state = self._state
        answer = replies.error_reply(request_id, SERVER_ERROR, why, {"code": code})
        if self.fetch.awaits(request_id):
            self.fetch.answered(read_server_frame(answer))
            return
        pending = self._take(request_id)
        if pending is None:
            return
        if pending.admission is not None:
            if ran:
                state.gate.settle(pending.admission, "unknown")
            else:
                state.gate.not_forwarded(pending.admission)
        state.to_agent.append(answer)

    def page(self, tools: list[toolslist.ListedTool], first: bool, last: bool) -> None:
        """Let the catalog learn one page of the server's tools."""
        self._state.catalog.page(tools, first=first, last=last)

    def _take(self, request_id: RequestId | None) -> Pending | None:
        """The request that something from the server has to count as the answer to, if there is one; it is over."""
        pending = None if request_id is None else self._state.pending.get(request_id)
        if pending is None:
            return None
        if pending.parked:
            self._early()
            return None
        self._state.answered(request_id, pending)  # type: ignore[arg-type]
        return pending

    def _early(self) -> None:
        """Drop an answer to a call that the server has not got: the call still holds the id."""
        text = "the server answered a call that was not forwarded yet; the answer is dropped"
        self._state.refused("server", "WIR056", text, text)

    def _unasked(self, frame: ServerFrame) -> None:
        """Pass on an answer to no open request; the agent may still take it for the list of tools it asked for."""
        state = self._state
        forward = unasked_answer(frame, state.policy)
        if forward is None:
            state.refused("server", "WIR054", UNASKED_LIST, UNASKED_LIST)
            return
        state.to_agent.append(forward)

    def _called(self, frame: ServerFrame, pending: Pending) -> None:
        admission = pending.admission
        if admission is None:
            return
        size = len(frame.forward)
        status, task = call_status(frame, modern=pending.modern)
        self._state.gate.settle(admission, status, rpc_code=frame.error_code, size=size, task=task)

    def _listed(self, frame: ServerFrame, pending: Pending) -> bytes:
        """Learn a page of tools and return it without the hidden ones."""
        state = self._state
        shown = visible_list(
            frame,
            state.policy,
            lambda tools, last: self.page(tools, pending.first_page, last),
            modern=pending.modern,
        )
        if shown is None:
            state.log("warning", UNREADABLE_LIST)
            return replies.error_reply(frame.id, SERVER_ERROR, UNREADABLE_LIST, {"code": "WIR054"})
        return shown

    def _garbage(self, frame: ServerFrame) -> None:
        """A line that is no message: the agent's to complain of, unless it could be read as an answer after all."""
        state = self._state
        pending = None if frame.id is None else state.pending.get(frame.id)
        if pending is not None:
            unseen = pending.parked or (pending.kind is Kind.LIST and state.policy.hides_anything)
        else:
            unseen = frame.id is not None and (state.policy.hides_anything or self.fetch.owns(frame.id))
        # A lenient reader may find a list of tools in an answer that the gate cannot read.
        if frame.passable and not unseen:
            state.to_agent.append(frame.forward)
            return
        shown = quote(frame.forward[:200].decode("utf-8", "replace"), 200)
        line = f"the server wrote a line that is no valid message, not passed on: {shown}"
        state.refused("server", "WIR055", "a line from the server is no valid message", line)
        pending = self._take(frame.id)
        if pending is None:
            return
        if pending.admission is not None:
            state.gate.settle(pending.admission, "unknown", size=len(frame.forward))
        text = "the server's answer is no valid message"
        state.to_agent.append(replies.error_reply(frame.id, SERVER_ERROR, text, {"code": "WIR055"}))
