"""What must hold between the keys of callgate.yaml, and between the file and the command line."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from callgate.config.model import ServeConfig
from callgate.config.places import is_any_address, is_loopback
from callgate.config.state_url import is_memory
from callgate.diagnostics import Diagnostic
from callgate.errors import ConfigError, UsageError
from callgate.text import quote

if TYPE_CHECKING:
    from callgate.config.findings import ConfigFindings
    from callgate.config.section import Section
    from callgate.policy.yaml_tree import Node


def check(config: ServeConfig, top: "Section", findings: "ConfigFindings") -> None:
    """Record what does not go together. `top` is the whole file, `config` what was read of it."""
    listen = _within(top.at("listen"), "host")
    if config.auth is not None and config.listen.allow_unauthenticated:
        findings.error(
            "CFG049",
            "`allow_unauthenticated` says that anyone may call, and `auth` that not anyone may",
            _within(top.at("listen"), "allow_unauthenticated").source,
            "delete one of the two",
        )
    for each in _listener(config) if "auth" not in top.found else ():
        (findings.error if each.severity == "error" else findings.warning)(
            each.code, each.message, listen.source, each.help
        )
    named = "hosts" in _keys(top.at("listen")) or "resource" in _keys(top.at("auth"))
    if is_any_address(config.listen.host) and not named:
        findings.warning(
            "CFG104",
            "no host name is served but those of loopback: requests from other machines are refused",
            listen.source,
            "write `hosts: [NAME]`, the names that clients reach the gate by",
        )
    for each in _workers(config):
        findings.error(each.code, each.message, top.at("workers").source, each.help)
    if config.state_failure == "allow":
        findings.warning(
            "CFG103",
            "while the limit store does not answer, calls are allowed without any limit",
            top.at("on_state_failure").source,
            "`deny` keeps the limits whatever happens",
        )


def overridden(
    config: ServeConfig,
    *,
    host: str | None = None,
    port: int | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    state: str | None = None,
    workers: int | None = None,
) -> ServeConfig:
    """Return `config` with what the command line says instead.

    Raises ConfigError if that does not go together, UsageError (CFG041) for one TLS file without the other.
    """
    listen = config.listen
    if (tls_cert is None) != (tls_key is None):
        missing = "--tls-key" if tls_key is None else "--tls-cert"
        raise UsageError(
            "CFG041", f"TLS needs a certificate and its key: `{missing}` is missing", "give both"
        )
    listen = replace(
        listen,
        host=listen.host if host is None else host,
        port=listen.port if port is None else port,
        tls_cert=tls_cert or listen.tls_cert,
        tls_key=tls_key or listen.tls_key,
    )
    config = replace(
        config,
        listen=listen,
        state=config.state if state is None else state,
        workers=config.workers if workers is None else workers,
    )
    problems = [each for each in (*_listener(config), *_workers(config)) if each.severity == "error"]
    if problems:
        raise ConfigError(problems)
    return config


def _listener(config: ServeConfig) -> list[Diagnostic]:
    host = config.listen.host
    if config.auth is not None or is_loopback(host):
        return []
    if config.listen.allow_unauthenticated:
        message = f"anyone who can reach {quote(host)} may call, without proving who they are"
        return [Diagnostic("warning", "CFG107", message, help="write `auth` to know who calls")]
    return [
        _error(
            "CFG040",
            f"{quote(host)} can be reached from other machines, and nobody would be asked who they are",
            "write `auth`, or listen on 127.0.0.1, or write `allow_unauthenticated: true` if anyone may call",
        )
    ]


def _workers(config: ServeConfig) -> list[Diagnostic]:
    if config.workers == 1:
        return []
    found = []
    child = next((server for server in config.servers if server.command), None)
    if child is not None:
        found.append(
            _error(
                "CFG042",
                f"{config.workers} workers cannot share the server {quote(child.name)}: its children belong to one "
                "process, and the next request of a session may meet another",
                "write `workers: 1`, or reach the server by a `url`",
            )
        )
    if is_memory(config.state):
        found.append(
            _error(
                "CFG043",
                f"{config.workers} workers cannot count in memory: it belongs to one process, and each would admit the "
                "whole of every limit",
                "write `state: sqlite:PATH` or `state: redis://…`, or `workers: 1`",
            )
        )
    return found


def refusal(code: str, message: str, help: str | None = None) -> ConfigError:
    """The error for something that the configuration says and that cannot be."""
    return ConfigError([_error(code, message, help)])


def _error(code: str, message: str, help: str | None = None) -> Diagnostic:
    return Diagnostic("error", code, message, help=help)


def _keys(node: "Node") -> set[str]:
    return {name.text for name, _ in getattr(node, "entries", ())}


def _within(node: "Node", key: str) -> "Node":
    """The value of `key` in a mapping, else the mapping."""
    entries = getattr(node, "entries", ())
    return next((value for name, value in entries if name.text == key), node)
