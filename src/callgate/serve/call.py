"""One tools/call over HTTP: judged before it is forwarded, recorded before and after.

Nothing of a call reaches the server before its decision is written; what it spent is given back only if the gate
itself knows that not a byte of it left (laws 5 and 6).
"""

from typing import Any

from msgspec import structs

from callgate import denial_codes as code
from callgate.audit.record import Status
from callgate.gate.call import Admission, Call
from callgate.gate.denial import Denial
from callgate.proxy.denial_content import fitting_content
from callgate.proxy.results import call_status
from callgate.serve import param_headers, tasks
from callgate.serve.exchange import Exchange
from callgate.serve.judging import Settlement
from callgate.serve.versions import HEADER_MISMATCH
from callgate.telemetry.trace_context import (
    context_from_headers,
    context_from_meta,
    context_headers,
    inject_meta,
)
from callgate.telemetry.tracing import CallSpan
from callgate.wire import replies
from callgate.wire.server import ServerFrame


class CallExchange(Exchange):
    """`start` judges; the rest is as with any other frame."""

    __slots__ = ("admission", "alias", "checked", "params", "span")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.admission: Admission | None = None
        self.alias: bytes | None = None
        self.span: CallSpan | None = None
        self.params = param_headers.given(self.head.headers) if self.modern else ()
        # What an HTTP server checks of them itself, nobody else would for a child.
        self.checked = bool(self.params) or (self.modern and self.guarded.config.url is None)

    @property
    def tool(self) -> str:
        return self.frame.params["name"]  # type: ignore[index, no-any-return]

    def start(self) -> None:
        """Judge the call, once its tool's schema is known if that matters."""
        tool, policy, tools = self.tool, self.guarded.policy, self.guarded.tools[self.route.era]
        if (policy.needs_schema(tool) or self.checked) and not tools.ready(self.route):
            # Of a hidden tool nothing is looked up, but asking must take as long as for an unknown one.
            tools.wait(self.route, self.judge)
            return
        self.judge()

    def judge(self) -> None:
        """Judge the call with what is known now."""
        if self.responder.gone:
            self.over = True
            return
        frame, guarded, tool = self.frame, self.guarded, self.tool
        arguments: dict[str, Any] = frame.params.get("arguments") or {}  # type: ignore[union-attr]
        # What the server lists of a hidden tool must not make a difference: it is unknown.
        schema = None if guarded.policy.hides(tool) else guarded.tools[self.route.era].schema(tool)
        if self.checked:
            known = None if schema is None else schema.document
            passed, wrong = param_headers.checked(
                self.params, known, arguments, complete=guarded.config.url is None
            )
            if wrong is not None:
                self.error(400, HEADER_MISMATCH, wrong, "WIR070")
                return
            self.route = structs.replace(self.route, param_headers=passed)
        if self.shared.tracing is not None:
            self.span = self.shared.tracing.begin(
                tool,
                server=guarded.name,
                request_id=frame.id,  # type: ignore[arg-type]
                headers=context_from_headers(self.head.headers),
                meta=context_from_meta(frame.params),
                protocol_version=self.route.version,
            )
        call = Call(guarded.policy, self.caller, tool, arguments, frame.id, schema, frame.arguments)  # type: ignore[arg-type]
        self.shared.judging.judge(call, self.judged)

    def judged(self, admission: Admission) -> None:
        """The decision is recorded: act on it."""
        shared, guarded, denial = self.shared, self.guarded, admission.denial
        told = code.HIDDEN if admission.hidden else None if denial is None else denial.code
        shared.observer.judged(guarded.name, admission.tool, "allow" if told is None else "deny", told)
        if self.span is not None:
            self.span.judged(admission.decision_id, "allow" if told is None else "deny", told)
        if denial is not None:
            self._log_denial(admission, denial.code, denial.log_text)
            self._end_span("denied", code=told)
            self._deny(denial, admission.tool)
            return
        self.admission = admission
        shared.calls += 1
        if self.responder.gone:
            self.settle("not_forwarded", ran=False)
            self.over = True
            return
        if admission.hidden:
            self.alias = guarded.aliases.make(admission.tool)
            self.forward = replies.stand_in_call(self.frame.message, self.alias.decode())
            self._log_denial(admission, code.HIDDEN, "hidden, and answered as unknown")
        if self.span is not None:
            context = self.span.forwarded(transport="tcp" if guarded.config.url else "pipe")
            self.forward = inject_meta(self.forward, self.frame.message, context)
            self.route = structs.replace(self.route, trace=context_headers(context))
        self.send()

    def answer(self, frame: ServerFrame) -> bytes | None:
        """Settle the call; its answer passes as it is."""
        status, task = call_status(frame, modern=self.modern)
        self.settle(status, rpc_code=frame.error_code, size=len(frame.forward), task=task)
        if not self.caller.proven or (self.modern and task is None):
            return frame.forward
        sealed = tasks.sealed_result if self.modern else tasks.sealed_handshake_result
        return sealed(self.shared.seal, frame, self.guarded.name, self.caller.identity, self.tool)

    def settle(
        self,
        status: Status,
        *,
        ran: bool = True,
        rpc_code: int | None = None,
        size: int | None = None,
        task: str | None = None,
    ) -> None:
        admission, self.admission = self.admission, None
        if admission is None:
            return
        self.shared.calls -= 1
        self.shared.judging.settle(Settlement(admission, status, ran, rpc_code, size, task))
        seconds = (self.shared.clock.monotonic_ns() - self.began_ns) / 1e9
        self.shared.observer.ended(self.guarded.name, admission.tool, status, seconds)
        self._end_span(status, rpc_code=rpc_code)

    def leave(self) -> None:
        admission = self.admission
        if admission is None or self.modern:
            return
        self.admission = None
        self.shared.calls -= 1
        self.shared.unanswered.wait((self.guarded.name, self.route.lane, self.frame.id), admission)  # type: ignore[arg-type]
        self._end_span("unknown")

    def finish(self, status: int, body: bytes) -> None:
        super().finish(status, body)
        if self.alias is not None:
            self.guarded.aliases.past(self.alias)
            self.alias = None

    def _deny(self, denial: Denial, tool: str) -> None:
        guarded = self.guarded
        structured: dict[str, Any] = denial.structured()
        tools, hidden = guarded.tools[self.route.era], guarded.policy.hides(tool)
        schema = None if hidden else tools.output_schema(tool)
        content: dict[str, Any] | None = structured
        if schema is not None:
            content = fitting_content(schema, structured, denial.text)
        # Of a tool that is not known nobody can say what its content must be like.
        unsure = not content or not tools.complete
        body = replies.denial_reply(
            self.frame.id,  # type: ignore[arg-type]
            denial.text,
            content or structured,
            modern=self.modern,
            has_output_schema=unsure,
        )
        self.finish(200, body)

    def _log_denial(self, admission: Admission, told: str, reason: str) -> None:
        self.shared.log(
            "info",
            f"denied: {reason}",
            event="denied",
            server=self.guarded.name,
            tool=admission.tool,
            identity=self.caller.identity,
            session=self.caller.session,
            decision=admission.decision_id,
            code=told,
        )

    def _end_span(self, status: str, *, rpc_code: int | None = None, code: str | None = None) -> None:
        span, self.span = self.span, None
        if span is not None:
            span.ended(status, rpc_code=rpc_code, code=code)
