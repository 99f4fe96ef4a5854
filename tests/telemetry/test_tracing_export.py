"""Spans of tool calls as a collector receives them."""

import subprocess
import sys

import pytest
from otlp_receiver import attributes, receiver

from callgate.telemetry.trace_context import NO_CONTEXT, TraceContext
from callgate.telemetry.tracing import Tracing, TracingError, open_tracing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "a" * 32
AGENT = TraceContext(f"00-{TRACE}-00f067aa0ba902b7-01", "rojo=1", "user=alice")
HEADER = TraceContext(f"00-{OTHER}-00f067aa0ba902b8-01")


def _silent(level: str, text: str) -> None:
    """A log that keeps nothing."""


def start(url: str | None, environ: dict[str, str] | None = None, log: list[str] | None = None) -> Tracing:
    said = [] if log is None else log
    tracing = open_tracing(
        url, "callgate", environ or {}, lambda level, text: said.append(f"{level}: {text}")
    )
    assert tracing is not None
    return tracing


def test_an_allowed_call_is_two_spans_under_the_agents_own() -> None:
    with receiver() as received:
        tracing = start(received.url)
        span = tracing.begin("read", server="git", request_id=7, meta=AGENT, protocol_version="2026-07-28")
        span.judged("d-1", "allow")
        sent = span.forwarded(transport="tcp", address="127.0.0.1", port=9000)
        span.ended("ok")
        tracing.close()
    assert received.paths == ["/v1/traces"]
    ours, upstream = received.span("server"), received.span("client")
    assert ours.name == upstream.name == "tools/call read"
    assert (ours.trace_id.hex(), ours.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")
    assert upstream.parent_span_id == ours.span_id
    assert sent.traceparent == f"00-{TRACE}-{upstream.span_id.hex()}-01"
    assert (sent.tracestate, sent.baggage) == ("rojo=1", "user=alice")
    assert attributes(ours) == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "read",
        "jsonrpc.request.id": "7",
        "mcp.protocol.version": "2026-07-28",
        "network.transport": "tcp",
        "callgate.server": "git",
        "callgate.decision.id": "d-1",
        "callgate.verdict": "allow",
    }
    assert attributes(upstream)["server.address"] == "127.0.0.1"
    assert attributes(upstream)["server.port"] == 9000
    assert (ours.status.code, upstream.status.code) == (0, 0)
    assert received.resources[0]["service.name"] == "callgate"


def test_a_denied_call_is_one_span_with_the_denials_code() -> None:
    with receiver() as received:
        tracing = start(received.url)
        span = tracing.begin("rm", server="git", request_id="a")
        span.judged("d-2", "deny", "DEN001")
        span.ended("denied", code="DEN001")
        tracing.close()
    (found,) = received.spans
    told = attributes(found)
    assert (told["callgate.verdict"], told["callgate.denial.code"], told["error.type"]) == (
        "deny",
        "DEN001",
        "DEN001",
    )
    assert found.status.code == 2
    assert not found.parent_span_id


@pytest.mark.parametrize(
    ("status", "rpc_code", "code", "error"),
    [
        ("tool_error", None, None, "tool_error"),
        ("rpc_error", -32602, None, "-32602"),
        ("unknown", None, "UPS004", "UPS004"),
        ("cancelled", None, None, "cancelled"),
    ],
)
def test_a_call_that_failed_says_how(status: str, rpc_code: int | None, code: str | None, error: str) -> None:
    with receiver() as received:
        tracing = start(received.url)
        span = tracing.begin("read", server="git", request_id=1)
        span.judged("d", "allow")
        span.forwarded(transport="pipe")
        span.ended(status, rpc_code=rpc_code, code=code)
        tracing.close()
    for kind in ("server", "client"):
        found = received.span(kind)
        assert attributes(found)["error.type"] == error
        assert attributes(found).get("rpc.response.status_code") == (str(rpc_code) if rpc_code else None)
        assert found.status.code == 2


def test_the_frames_context_wins_over_the_headers_which_is_linked() -> None:
    with receiver() as received:
        tracing = start(received.url)
        tracing.begin("read", server="git", request_id=1, headers=HEADER, meta=AGENT).ended("ok")
        tracing.close()
    (span,) = received.spans
    assert span.trace_id.hex() == TRACE
    assert [link.trace_id.hex() for link in span.links] == [OTHER]


def test_the_headers_context_counts_where_the_frame_has_none_and_neither_is_a_new_trace() -> None:
    with receiver() as received:
        tracing = start(received.url)
        tracing.begin("read", server="git", request_id=1, headers=HEADER).ended("ok")
        tracing.begin("read", server="git", request_id=2, headers=NO_CONTEXT).ended("ok")
        tracing.close()
    first, second = received.spans
    assert (first.trace_id.hex(), list(first.links)) == (OTHER, [])
    assert second.trace_id.hex() not in (OTHER, TRACE)
    assert not second.parent_span_id


def test_a_trace_that_the_agent_does_not_sample_is_passed_on_and_not_exported() -> None:
    with receiver() as received:
        tracing = start(received.url)
        quiet = TraceContext(AGENT.traceparent[:-2] + "00" if AGENT.traceparent else None)
        span = tracing.begin("read", server="git", request_id=1, meta=quiet)
        span.judged("d", "allow")
        sent = span.forwarded(transport="tcp")
        span.ended("ok")
        tracing.close()
    assert received.spans == []
    assert sent.trace_id == TRACE
    assert sent.traceparent is not None
    assert sent.traceparent.endswith("-00")


def test_hostile_names_do_not_spoil_the_batch() -> None:
    with receiver() as received:
        tracing = start(received.url)
        tracing.begin("\ud800\x1b[31m" + "x" * 5000, server="git", request_id="\udfff").ended("ok")
        tracing.begin("read", server="git", request_id=1).ended("ok")
        tracing.close()
    assert len(received.spans) == 2
    assert all(span.name.isprintable() and len(span.name) < 300 for span in received.spans)


def test_the_standard_variables_name_the_endpoint_and_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as received:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.url, "OTEL_SERVICE_NAME": "gate-7"}
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        tracing = start(None, environ)
        tracing.begin("read", server="git", request_id=1).ended("ok")
        tracing.close()
    assert received.paths == ["/v1/traces"]
    assert received.resources[0]["service.name"] == "gate-7"


@pytest.mark.parametrize(
    ("endpoint", "environ"),
    [
        (None, {}),
        ("http://127.0.0.1:1", {"OTEL_SDK_DISABLED": "true"}),
        ("http://127.0.0.1:1", {"OTEL_TRACES_EXPORTER": "none"}),
    ],
)
def test_without_an_endpoint_or_turned_off_there_is_no_tracing(
    endpoint: str | None, environ: dict[str, str]
) -> None:
    assert open_tracing(endpoint, "callgate", environ, _silent) is None


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "grpc://127.0.0.1:4317", "http://", "http://u:secret@:0", "http://[::1"]
)
def test_an_endpoint_that_is_no_url_is_told_without_what_may_be_secret_in_it(endpoint: str) -> None:
    with pytest.raises(TracingError) as caught:
        open_tracing(endpoint, "callgate", {}, _silent)
    assert (caught.value.code, caught.value.exit_status) == ("TEL002", 3)
    assert "secret" not in caught.value.message
    with pytest.raises(TracingError, match="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        open_tracing(None, "x", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}, _silent)


def test_a_collector_that_is_gone_is_told_in_the_gates_log_and_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with receiver() as received:
        url = received.url
    said: list[str] = []
    tracing = start(url, log=said)
    tracing.begin("read", server="git", request_id=1).ended("ok")
    tracing.close(timeout=20)
    assert said
    assert all(line.startswith(("warning: traces: ", "error: traces: ")) for line in said)


def test_traces_that_are_configured_without_the_extra_are_an_error_that_names_it() -> None:
    program = (
        "import sys\n"
        "sys.modules['opentelemetry.exporter.otlp.proto.http.trace_exporter'] = None\n"
        "from callgate.telemetry.tracing import TracingError, open_tracing\n"
        "try:\n"
        "    open_tracing('http://127.0.0.1:4318', 'callgate', {}, print)\n"
        "except TracingError as error:\n"
        "    print(error.code, error.help)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.startswith("TEL001 run `pip install callgate[otel]`")


def test_without_configuration_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys\n"
        "from callgate.telemetry.tracing import open_tracing\n"
        "assert open_tracing(None, 'callgate', {}, print) is None\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
