"""The one line that `callgate serve` begins with: what is in force, and where it listens."""

from callgate import __version__
from callgate.config.model import ServeConfig


def banner(config: ServeConfig, host: str, port: int) -> str:
    """The line for a gate with `config` that listens on `host` and `port`. Shows no secret."""
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if config.listen.tls_cert is None else "https"
    keys = "nobody is asked who they are" if config.auth is None else "callers authenticated"
    names = ", ".join(one.name for one in config.servers)
    several = "" if config.workers == 1 else f"  {config.workers} workers"
    return (
        f"callgate {__version__}  listening on {scheme}://{shown}:{port}"
        f"  configuration {config.revision[:7]}  state {_state(config)}  audit {_audit(config)}  {keys}{several}"
        f"  self-test ok  → {names}"
    )


def _state(config: ServeConfig) -> str:
    if config.state is None:
        return "sqlite"
    # What is kept as a secret is the URL of a server that wants a password.
    return config.state.partition(":")[0] if isinstance(config.state, str) else "redis"


def _audit(config: ServeConfig) -> str:
    if config.audit is None:
        return "off"
    return "jsonl" if config.audit_sync == "full" else "jsonl (not synced)"
