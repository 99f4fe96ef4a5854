"""Text of callgate.yaml → ServeConfig. Reads everything it can and records every mistake with its place. No I/O but
to see whether named files are there."""

from typing import Any

from callgate.config.auth import read_auth
from callgate.config.checks import check
from callgate.config.findings import ConfigFindings
from callgate.config.keys import LIMITS, LISTEN, SESSIONS, TELEMETRY, TLS, TOP
from callgate.config.model import ListenConfig, ServeConfig, SessionConfig, TelemetryConfig
from callgate.config.places import Folder, listen_host, origin, served_host, url
from callgate.config.purpose import Purpose
from callgate.config.quantities import count, duration, size
from callgate.config.runner import check_runner, read_runner
from callgate.config.secret_values import header_name, secret
from callgate.config.section import Section, each_of, one_of
from callgate.config.servers import NamedPolicy, read_servers
from callgate.config.state_url import state
from callgate.http1.contract import Limits
from callgate.policy.values import boolean, name
from callgate.policy.yaml_tree import MapNode, Node

_DAY = 86_400.0


def read_config(
    tree: Node,
    path: str,
    revision: str,
    folder: Folder,
    purpose: Purpose | None,
    findings: ConfigFindings,
) -> tuple[ServeConfig, list[NamedPolicy], NamedPolicy | None]:
    """Return what the file says, the policies of its servers and that of its runner.

    With errors in `findings` the first is not to be used.
    """
    section = Section(tree, "the file", "at the top of the file", TOP, findings, _hint)
    policies: list[NamedPolicy] = []
    needs_servers = purpose == "serve" or (purpose is None and "runner" not in section.found)
    if needs_servers and isinstance(tree, MapNode) and "servers" not in section.found:
        findings.error("CFG004", "the file needs `servers`", tree.source)

    def servers(node: Node, what: str, findings: ConfigFindings) -> Any:  # noqa: ARG001
        found, named = read_servers(node, folder, findings, needed=needs_servers)
        policies.extend(named)
        return found

    section.take("servers", servers)
    section.take("listen", lambda node, what, findings: _listen(node, what, folder, findings))
    section.take("auth", lambda node, _, findings: read_auth(node, folder, findings))
    section.take("sessions", lambda node, what, findings: _sessions(node, what, folder, findings))
    section.take("state", state(folder))
    section.take("on_state_failure", one_of("deny", "allow"), "state_failure")
    section.take("audit", folder.file)
    section.take("audit_sync", one_of("full", "none"))
    section.take("audit_arguments", one_of("hash", "redacted", "full"))
    section.take("telemetry", _telemetry)
    section.take("workers", count(1, 256))
    section.take("drain", duration(0.0, _DAY))
    of_runner = None
    if "runner" in section.found:
        runner, of_runner, its_section = read_runner(section.found["runner"][1], folder, findings)
        section.values["runner"] = runner
        check_runner(runner, its_section, section.values.get("servers", ()), findings)
    config = ServeConfig(**{"path": path, "revision": revision, "servers": (), **section.values})
    check(config, section, findings)
    return config, policies, of_runner


def _hint(key: str) -> str | None:
    if key in ("host", "port", "tls", "hosts", "origins", "allow_unauthenticated"):
        return f"write `listen: {{{key}: …}}`"
    if key in ("keys", "jwt", "resource"):
        return f"write `auth: {{{key}: …}}`"
    if key in ("journal", "queue", "backend", "packages", "concurrency"):
        return f"write `runner: {{{key}: …}}`"
    if key in ("mcpServers", "upstreams"):
        return "write `servers: {NAME: {command: […], policy: FILE}}`"
    if key in ("tools", "default", "hide"):
        return "that is a key of policies: name the policy file under its server, `policy: FILE`"
    return None


def _listen(node: Node, what: str, folder: Folder, findings: ConfigFindings) -> ListenConfig:
    section = Section(node, what, "in `listen`", LISTEN, findings)
    section.take("host", listen_host)
    section.take("port", count(0, 65535))
    if "tls" in section.found:
        tls = Section(section.found["tls"][1], "`tls`", "in `tls`", TLS, findings)
        tls.take("cert", folder.present, "tls_cert")
        tls.take("key", folder.present, "tls_key")
        section.values.update(tls.values)
    section.take("hosts", each_of(served_host))
    section.take("origins", each_of(origin))
    section.take("allow_unauthenticated", boolean)
    section.take("limits", _limits)
    return ListenConfig(**section.values)


def _limits(node: Node, what: str, findings: ConfigFindings) -> Limits:
    section = Section(node, what, "in `limits`", LIMITS, findings)
    section.take("max_connections", count(1, 1_000_000))
    section.take("max_headers", count(10, 10_000))
    section.take("max_head", size(1_024, 1 << 20))
    section.take("high_water", size(4_096, 1 << 30))
    section.take("max_buffered", size(1 << 20, 1 << 40))
    for key in ("head_timeout", "body_timeout", "idle_timeout", "write_timeout"):
        section.take(key, duration(0.1, 3_600.0))
    return Limits(**section.values)


def _sessions(node: Node, what: str, folder: Folder, findings: ConfigFindings) -> SessionConfig:
    section = Section(node, what, "in `sessions`", SESSIONS, findings)
    section.take("secret", secret(folder))
    section.take("key_header", header_name)
    return SessionConfig(**section.values)


def _telemetry(node: Node, what: str, findings: ConfigFindings) -> TelemetryConfig:
    section = Section(node, what, "in `telemetry`", TELEMETRY, findings)
    section.take("metrics", one_of("off", "loopback", "authenticated"))
    section.take("otlp_endpoint", url(secure=False))
    section.take("service_name", name)
    return TelemetryConfig(**section.values)
