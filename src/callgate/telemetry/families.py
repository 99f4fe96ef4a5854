"""The metrics that exist: names, labels and meanings. Data only; the documentation's table is checked against it."""

from typing import Literal

from msgspec import Struct

Kind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of every histogram, in seconds; one more bucket holds the rest."""


class Family(Struct, frozen=True):
    """One metric. A counter is exposed with `_total` behind its name."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """The name that queries use."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


CALLS = Family(
    "callgate_calls",
    "counter",
    "Tool calls that were judged; code says why a call was denied",
    ("server", "tool", "verdict", "code"),
)
OUTCOMES = Family(
    "callgate_call_outcomes",
    "counter",
    "Admitted tool calls that ended, by what came of them",
    ("server", "tool", "status"),
)
CALL_SECONDS = Family(
    "callgate_call_duration_seconds",
    "histogram",
    "From the decision to the end of an admitted tool call",
    ("server", "tool"),
)
REQUESTS = Family(
    "callgate_http_requests",
    "counter",
    "HTTP requests that were answered; method is the MCP method, if there was one",
    ("server", "method", "status"),
)
REQUEST_SECONDS = Family(
    "callgate_http_request_duration_seconds",
    "histogram",
    "From an HTTP request to the end of its answer; streams last as long as they are open",
    ("server", "method"),
)
UPSTREAM_ERRORS = Family(
    "callgate_upstream_errors", "counter", "Failures of the servers behind the gate", ("server", "code")
)
REFUSED = Family(
    "callgate_refused", "counter", "Frames and requests refused before they were judged", ("server", "code")
)
LOG_DROPPED = Family("callgate_log_lines_dropped", "counter", "Log lines that nobody read in time")
CPU = Family("process_cpu_seconds", "counter", "Processor time of the gate's processes, user and system")

LIMIT_USED = Family(
    "callgate_limit_used",
    "gauge",
    "Fullest counter of a limit that was charged in the last minute: what it holds",
    ("server", "limit"),
)
LIMIT_MAX = Family(
    "callgate_limit_max", "gauge", "What the counter in callgate_limit_used may hold", ("server", "limit")
)
SESSIONS = Family("callgate_sessions", "gauge", "Sessions that are open", ("server",))
CHILDREN = Family("callgate_children", "gauge", "Server processes that run", ("server",))
IN_FLIGHT = Family("callgate_in_flight", "gauge", "Requests that wait for a server's answer", ("server",))
STREAMS = Family("callgate_streams", "gauge", "Event streams that are open")
CONNECTIONS = Family("callgate_connections", "gauge", "Connections of clients")
AUDIT_FAILING = Family(
    "callgate_audit_failing", "gauge", "1 while the audit cannot be written, so calls are denied"
)
STORE_FAILING = Family("callgate_store_failing", "gauge", "1 while the limit store does not answer")
WORKERS = Family("callgate_workers", "gauge", "Processes of the gate that are alive")
POLICY = Family("callgate_policy_info", "gauge", "1 for the policy in force", ("server", "revision"))
BUILD = Family("callgate_build_info", "gauge", "1 for the version that runs", ("version", "python"))
MEMORY = Family("process_resident_memory_bytes", "gauge", "Resident memory of the gate's processes, added up")
DESCRIPTORS = Family("process_open_fds", "gauge", "Open file descriptors of the gate's processes, added up")
STARTED = Family("process_start_time_seconds", "gauge", "When the oldest of the gate's processes started")

FAMILIES: tuple[Family, ...] = (
    CALLS,
    OUTCOMES,
    CALL_SECONDS,
    REQUESTS,
    REQUEST_SECONDS,
    UPSTREAM_ERRORS,
    REFUSED,
    LIMIT_USED,
    LIMIT_MAX,
    SESSIONS,
    CHILDREN,
    IN_FLIGHT,
    STREAMS,
    CONNECTIONS,
    AUDIT_FAILING,
    STORE_FAILING,
    POLICY,
    BUILD,
    WORKERS,
    LOG_DROPPED,
    CPU,
    MEMORY,
    DESCRIPTORS,
    STARTED,
)
