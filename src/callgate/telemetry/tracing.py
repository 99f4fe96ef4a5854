"""Spans of tool calls, for OpenTelemetry. Needs the extra `callgate[otel]`; without configuration nothing is imported.

One span for a tools/call as the agent sees it, and under it one for the request to the server. No argument, no
answer, no session id and no credential ever becomes an attribute; the decision id leads to the audit.
Source of names: OpenTelemetry semantic conventions for MCP (development status), spans of client and server.
"""

from collections.abc import Callable, Mapping
from threading import Thread
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import callgate
from callgate.errors import CallgateError
from callgate.telemetry.trace_context import NO_CONTEXT, TraceContext
from callgate.text import escape

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext
    from opentelemetry.util.types import AttributeValue

Transport = Literal["tcp", "pipe"]
Log = Callable[[str, str], None]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TRACES = "/v1/traces"
_FINE = frozenset(("ok", "input_required", "task"))
_MAX_TEXT = 256


class TracingError(CallgateError):
    """Tracing is configured and cannot be had."""

    exit_status = 3


def open_tracing(
    endpoint: str | None, service_name: str, environ: Mapping[str, str], log: Log
) -> "Tracing | None":
    """Start exporting spans to `endpoint` (OTLP over HTTP; `/v1/traces` is added), or to where OTEL_* variables say.

    None if neither names an endpoint, or OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none turns it off. To be called
    in the process that serves, after any fork: the exporter has a thread. `log` takes what the exporter complains of.
    Raises TracingError: TEL001 the extra is not installed, TEL002 the endpoint is no URL.
    """
    named = next((name for name in _ENDPOINTS if environ.get(name)), None)
    if endpoint is None and named is None:
        return None
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    if endpoint is None:
        assert named is not None  # noqa: S101
        _checked(environ[named], f"the variable {named}")
    else:
        endpoint = _checked(endpoint, "the endpoint for traces")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        asked = "`otlp_endpoint` is set" if named is None or endpoint is not None else f"{named} is set"
        raise TracingError(
            "TEL001",
            f"{asked}, and the packages that export traces are not installed",
            "run `pip install callgate[otel]`; to do without traces leave out the endpoint, or set "
            "OTEL_SDK_DISABLED=true",
        ) from error
    _listen(log)
    attributes = {"service.version": callgate.__version__}
    if service_name != "callgate" or not environ.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = service_name
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracing(provider)


class Tracing:
    """Begins spans. Costs some tens of microseconds a call; exporting is the SDK's, in its own thread."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("callgate", callgate.__version__)

    def begin(
        self,
        tool: str,
        *,
        server: str,
        request_id: str | int,
        headers: TraceContext = NO_CONTEXT,
        meta: TraceContext = NO_CONTEXT,
        protocol_version: str | None = None,
        transport: Transport = "tcp",
    ) -> "CallSpan":
        """The span of one tools/call that the agent has sent.

        The context of the frame's `_meta` is its parent, else that of the request's headers; if both are there the
        headers' is linked (one request may carry several messages, and `_meta` belongs to this one). Neither: a new
        trace. `transport` is the agent's: tcp for HTTP, pipe for stdio.
        """
        from opentelemetry.trace import Link, SpanKind

        links = []
        if meta.traceparent is not None:
            parent: TraceContext = meta
            if headers.traceparent is not None and headers.traceparent != meta.traceparent:
                links.append(Link(_span_context(headers)))
        else:
            parent = headers
        attributes: dict[str, AttributeValue] = {
            "mcp.method.name": "tools/call",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": _fit(tool),
            "jsonrpc.request.id": _fit(str(request_id)),
            "network.transport": transport,
            "callgate.server": server,
        }
        if protocol_version is not None:
            attributes["mcp.protocol.version"] = _fit(protocol_version)
        name = f"tools/call {_fit(tool)}"
        span = self._tracer.start_span(
            name, _remote(parent), SpanKind.SERVER, attributes=attributes, links=links
        )
        return CallSpan(self, span, name, attributes, meta.baggage or headers.baggage)

    def child(self, span: "Span", name: str, attributes: "dict[str, AttributeValue]") -> "Span":
        """A span under `span` for a request of the gate's own."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        return self._tracer.start_span(
            name, set_span_in_context(span), SpanKind.CLIENT, attributes=attributes
        )

    def close(self, timeout: float = 5.0) -> None:
        """Export what waits and stop; gives up after `timeout` seconds, as a collector may be gone."""
        stopping = Thread(target=self._provider.shutdown, name="tracing-shutdown", daemon=True)
        stopping.start()
        stopping.join(timeout)


class CallSpan:
    """One tools/call under way: `judged`, then if it is allowed `forwarded`, and `ended` in every case."""

    __slots__ = ("_attributes", "_baggage", "_name", "_span", "_tracing", "_upstream")

    def __init__(
        self,
        tracing: Tracing,
        span: "Span",
        name: str,
        attributes: "dict[str, AttributeValue]",
        baggage: str | None,
    ) -> None:
        self._tracing = tracing
        self._span = span
        self._name = name
        self._attributes = attributes
        self._baggage = baggage
        self._upstream: Span | None = None

    @property
    def trace_id(self) -> str:
        """32 hex digits, for logs."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def judged(self, decision_id: str, verdict: str, code: str | None = None) -> None:
        """What the gate decided, as in the audit."""
        self._span.set_attribute("callgate.decision.id", decision_id)
        self._span.set_attribute("callgate.verdict", verdict)
        if code is not None:
            self._span.set_attribute("callgate.denial.code", code)

    def forwarded(
        self, *, transport: Transport, address: str | None = None, port: int | None = None
    ) -> TraceContext:
        """The request to the server begins. Returns the context to send with it: in headers and in `_meta`."""
        attributes = {**self._attributes, "network.transport": transport}
        if address is not None:
            attributes["server.address"] = address
            if port is not None:
                attributes["server.port"] = port
        self._upstream = self._tracing.child(self._span, self._name, attributes)
        context = self._upstream.get_span_context()
        return TraceContext(
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
            context.trace_state.to_header() or None,
            self._baggage,
        )

    def ended(self, status: str, *, rpc_code: int | None = None, code: str | None = None) -> None:
        """The call is over: `status` as in the audit, `rpc_code` of a JSON-RPC error, `code` a stable code."""
        error = None if status in _FINE else code or (status if rpc_code is None else str(rpc_code))
        if self._upstream is not None:
            _end(self._upstream, error, rpc_code)
            self._upstream = None
        _end(self._span, error, rpc_code)


def _end(span: "Span", error: str | None, rpc_code: int | None) -> None:
    if rpc_code is not None:
        span.set_attribute("rpc.response.status_code", str(rpc_code))
    if error is not None:
        from opentelemetry.trace import StatusCode

        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)
    span.end()


def _remote(context: TraceContext) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    # An empty context: what is current in this thread belongs to another call.
    if context.traceparent is None:
        return Context()
    return set_span_in_context(NonRecordingSpan(_span_context(context)), Context())


def _span_context(context: TraceContext) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    parent = context.traceparent or ""
    return SpanContext(
        trace_id=int(parent[3:35], 16),
        span_id=int(parent[36:52], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(parent[53:55], 16) & TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([context.tracestate]) if context.tracestate else TraceState(),
    )


def _fit(text: str) -> str:
    # A lone surrogate would make the whole batch unencodable.
    return escape(text[:_MAX_TEXT])


def _checked(endpoint: str, what: str) -> str:
    try:
        parts = urlsplit(endpoint.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise TracingError(
            "TEL002",
            f"{what} is not an http or https URL",
            "give the address of an OTLP receiver, such as http://127.0.0.1:4318",
        )
    path = parts.path.rstrip("/")
    return parts._replace(path=path if path.endswith(_TRACES) else path + _TRACES).geturl()


def _listen(log: Log) -> None:
    """What the SDK says (a collector that does not answer) goes to the gate's log."""
    import logging

    class _ToLog(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            level = "error" if record.levelno >= logging.ERROR else "warning"
            log(level, f"traces: {escape(record.getMessage())[:500]}")

    logger = logging.getLogger("opentelemetry")
    logger.handlers = [_ToLog(logging.WARNING)]
    logger.propagate = False
