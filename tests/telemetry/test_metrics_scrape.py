"""What is counted is what Prometheus reads, and nobody but the operator decides how many series there are."""

import re
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from metrics_reading import parsed, scraped, value
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from callgate.clock import ManualClock
from callgate.telemetry.contract import Levels, Observer
from callgate.telemetry.exposition import expose
from callgate.telemetry.families import FAMILIES, SECONDS
from callgate.telemetry.labels import MAX_LISTED, MAX_UNLISTED
from callgate.telemetry.metrics import MAX_SERIES, Metrics
from callgate.telemetry.snapshot import Totals

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/operations.md"


def new(levels: Levels | None = None, clock: ManualClock | None = None) -> Metrics:
    metrics = Metrics(clock or ManualClock(), (lambda: levels) if levels is not None else Levels)
    metrics.know("git", ["read", "push"])
    return metrics


def test_metrics_are_an_observer() -> None:
    observer: Observer = new()
    observer.judged("git", "read", "allow", None)


def test_calls_are_counted_by_tool_verdict_and_code() -> None:
    metrics = new()
    for _ in range(3):
        metrics.judged("git", "read", "allow", None)
    metrics.judged("git", "push", "deny", "DEN001")
    samples = scraped(metrics)
    calls = "callgate_calls_total"
    assert value(samples, calls, server="git", tool="read", verdict="allow", code="") == 3
    assert value(samples, calls, server="git", tool="push", verdict="deny", code="DEN001") == 1


def test_everything_else_that_is_reported_is_counted_too() -> None:
    metrics = new()
    metrics.ended("git", "read", "ok", 0.003)
    metrics.answered("git", "tools/call", 200, 0.004)
    metrics.answered("", "", 404, 0.001)
    metrics.upstream_failed("git", "UPS004")
    metrics.refused("git", "WIR001")
    metrics.log_lines_dropped(5)
    samples = scraped(metrics)
    assert value(samples, "callgate_call_outcomes_total", server="git", tool="read", status="ok") == 1
    requests = "callgate_http_requests_total"
    assert value(samples, requests, server="git", method="tools/call", status="200") == 1
    assert value(samples, requests, server="", method="", status="404") == 1
    assert value(samples, "callgate_upstream_errors_total", server="git", code="UPS004") == 1
    assert value(samples, "callgate_refused_total", server="git", code="WIR001") == 1
    assert value(samples, "callgate_log_lines_dropped_total") == 5


@given(st.lists(st.floats(min_value=0, max_value=1000), max_size=40))
def test_a_histogram_holds_every_duration_at_or_below_its_bound(durations: list[float]) -> None:
    metrics = new()
    for seconds in durations:
        metrics.ended("git", "read", "ok", seconds)
    samples = scraped(metrics)
    name = "callgate_call_duration_seconds"
    for bound in SECONDS:
        found = value(samples, f"{name}_bucket", server="git", tool="read", le=str(bound))
        assert (found or 0) == sum(seconds <= bound for seconds in durations)
    assert (value(samples, f"{name}_count", server="git", tool="read") or 0) == len(durations)


def test_an_agent_that_makes_up_names_makes_no_series() -> None:
    metrics = new()
    for number in range(5000):
        metrics.judged("git", f"evil{number}", "deny", "DEN002")
        metrics.judged("git", f"made-up{number}", "allow", None)
        metrics.ended("git", f"made-up{number}", "rpc_error", 0.001)
        metrics.answered("git", f"evil/{number}", 404, 0.001)
    metrics.judged("git", "push", "allow", None)
    samples = scraped(metrics)
    tools = {dict(labels)["tool"] for name, labels in samples if name == "callgate_calls_total"}
    assert len(tools) <= MAX_UNLISTED + 2
    assert "push" in tools
    calls = "callgate_calls_total"
    assert value(samples, calls, server="git", tool="other", verdict="deny", code="DEN002") == 5000
    allowed = [
        count for (name, labels), count in samples.items() if name == calls and ("verdict", "allow") in labels
    ]
    assert sum(allowed) == 5001
    requests = "callgate_http_requests_total"
    assert value(samples, requests, server="git", method="other", status="404") == 5000


def test_a_server_that_lists_very_many_tools_gets_no_more_than_its_room() -> None:
    metrics = new()
    names = [f"tool{number}" for number in range(20_000)]
    metrics.know("huge", names)
    for name in names:
        metrics.judged("huge", name, "deny", "DEN001")
    samples = scraped(metrics)
    assert sum(name == "callgate_calls_total" for name, _ in samples) == MAX_LISTED + 1


def test_however_the_names_come_a_family_has_an_end() -> None:
    metrics = new()
    for number in range(MAX_SERIES + 500):
        metrics.refused(f"server{number}", "WIR001")
    samples = scraped(metrics)
    assert sum(name == "callgate_refused_total" for name, _ in samples) <= MAX_SERIES + 1
    assert (
        sum(count for (name, _), count in samples.items() if name == "callgate_refused_total")
        == MAX_SERIES + 500
    )


@given(st.text(max_size=30))
def test_hostile_text_in_a_label_comes_back_as_it_was(text: str) -> None:
    metrics = new()
    metrics.know("git", [text])
    metrics.judged("git", text, "deny", "DEN001")
    body, _ = expose(Totals([metrics.snapshot()]), None)
    samples = parsed(body.decode())
    (tool,) = [dict(labels)["tool"] for name, labels in samples if name == "callgate_calls_total"]
    assert tool == (text if text and text.isprintable() else "other")


def test_levels_are_asked_when_they_are_scraped() -> None:
    levels = Levels(
        sessions={"git": 7},
        children={"git": 2},
        in_flight={"git": 1},
        streams=3,
        connections=9,
        audit_failing=True,
        policies={"git": "3f9c1a2"},
    )
    samples = scraped(new(levels))
    assert value(samples, "callgate_sessions", server="git") == 7
    assert value(samples, "callgate_children", server="git") == 2
    assert value(samples, "callgate_in_flight", server="git") == 1
    assert value(samples, "callgate_streams") == 3
    assert value(samples, "callgate_connections") == 9
    assert value(samples, "callgate_audit_failing") == 1
    assert value(samples, "callgate_store_failing") == 0
    assert value(samples, "callgate_policy_info", server="git", revision="3f9c1a2") == 1


def test_the_process_is_measured() -> None:
    samples = scraped(new())
    assert (value(samples, "process_resident_memory_bytes") or 0) > 1_000_000
    assert (value(samples, "process_open_fds") or 0) >= 3
    assert (value(samples, "process_cpu_seconds_total") or 0) > 0


def test_of_a_limit_the_fullest_counter_of_the_last_minute_is_shown() -> None:
    clock = ManualClock()
    metrics = new(clock=clock)
    metrics.limit("git", "hourly", 3, 10)
    metrics.limit("git", "hourly", 9, 10)
    metrics.limit("git", "hourly", 1, 10)
    metrics.limit("git", "spend", Decimal("12.50"), Decimal(500))

    def used() -> float | None:
        return value(scraped(metrics), "callgate_limit_used", server="git", limit="hourly")

    assert used() == 9
    assert value(scraped(metrics), "callgate_limit_max", server="git", limit="spend") == 500
    clock.advance(30)
    metrics.limit("git", "hourly", 2, 10)
    assert used() == 9
    clock.advance(30)
    assert used() == 2
    clock.advance(60)
    assert used() is None


def test_very_many_limits_are_not_all_remembered() -> None:
    metrics = new()
    for number in range(5000):
        metrics.limit("git", f"rule{number}", 1, 2)
    assert sum(name == "callgate_limit_used" for name, _ in scraped(metrics)) == 1000


def test_the_format_is_the_one_that_the_scrape_asks_for() -> None:
    metrics = new(Levels(sessions={"git": 1}))
    metrics.judged("git", "read", "allow", None)
    metrics.ended("git", "read", "ok", 0.1)
    totals = Totals([metrics.snapshot()])
    body, content_type = expose(totals, "application/openmetrics-text;version=1.0.0;q=0.7,text/plain;q=0.3")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics_families(body.decode())}  # type: ignore[no-untyped-call]
    assert names == {family.name for family in FAMILIES}
    for accept in (None, "", "text/plain", "*/*", "application/json"):
        assert expose(totals, accept)[1] == "text/plain; version=0.0.4; charset=utf-8"


def test_nothing_of_a_hostile_accept_header_comes_back() -> None:
    totals = Totals([new().snapshot()])
    for accept in (
        "application/openmetrics-text;version=1.0.0\r\nX: y",
        "application/openmetrics-text;version=not.a.version",
        "application/openmetrics-text;version=99;escaping=<script>",
        "text/plain;version=1.0.0<b>",
        ";,;=",
    ):
        content_type = expose(totals, accept)[1]
        assert re.fullmatch(r"[a-z/;= \-.0-9]+", content_type)
        assert "script" not in content_type


def test_the_documents_table_is_what_the_code_exposes() -> None:
    """CALLGATE_WRITE_DOCS is not needed: the table is short enough to be written by hand, and compared here."""
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    told = {(name, kind, labels.replace("`", "").strip(), text.strip()) for name, kind, labels, text in rows}
    assert told == {(each.exposed, each.kind, ", ".join(each.labels), each.help) for each in FAMILIES}
