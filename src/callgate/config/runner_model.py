"""The checked contents of the `runner` section of callgate.yaml. Data only; secrets are named here, never held.

Sizes in bytes, times in seconds, paths absolute.
"""

from typing import Literal

from msgspec import Struct, field

from callgate.config.secret_model import Secret


class RunLimits(Struct, frozen=True, kw_only=True):
    """What one execution may use; as `runner.sandbox.contract.Limits`."""

    memory: int = 1 << 30
    cpu: float | None = None
    time: float | None = None
    """The longest an execution may take; None: only `executeCode` ends, at its own time-out."""
    threads: int = 64
    disk: int = 64 << 20
    inodes: int = 10_000
    output: int = 1 << 20
    results: int = 1 << 20
    calls: int = 100_000
    """Tool calls, refused ones too."""
    answers: int = 256 << 20
    """What all of them are answered with, together."""


class PackagesConfig(Struct, frozen=True, kw_only=True):
    """`additional_imports`: which PyPI names (globs) may be installed, and how much is kept.

    `allow` empty: any that `deny` does not name. `enabled` False: none. `index` None: uv's own default.
    """

    enabled: bool = True
    profile: Literal["data", "none"] = "data"
    """What every execution sees, if it is installed beside the runner."""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    cache: str | None = None
    max_set: int = 512 << 20
    max_cache: int = 4 << 30
    max_packages: int = 50
    timeout: float = 120.0
    index: str | None = None


class RetentionConfig(Struct, frozen=True, kw_only=True):
    """How long and how much the journal keeps of executions that ended; more queued ones than `max_queued` are
    refused."""

    keep: float = 7 * 86_400.0
    max_executions: int = 100_000
    max_bytes: int = 4 << 30
    max_queued: int = 10_000


class RunnerConfig(Struct, frozen=True, kw_only=True):
    """`callgate runner`. `servers` None: all servers of the file. `policy` guards executions as such: budgets
    (`per_execution`) and `grant_secrets`. `pool` is how many sandboxes wait ready."""

    policy: str | None = None
    servers: tuple[str, ...] | None = None
    journal: str | Secret | None = None
    """`sqlite:PATH` or `postgresql://…`; None: SQLite in the user's state directory."""
    queue: str | Secret = "memory://"
    backend: Literal["bwrap", "monty"] = "bwrap"
    accept_tier: Literal["sandbox", "weak", "interpreter"] = "sandbox"
    concurrency: int = 4
    pool: int = 2
    python: str | None = None
    """The interpreter inside the sandbox; None: the one that runs the runner."""
    limits: RunLimits = field(default_factory=RunLimits)
    network: tuple[str, ...] = ()
    packages: PackagesConfig = field(default_factory=PackagesConfig)
    secrets: dict[str, Secret] = field(default_factory=dict)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    lease: float = 15.0
    max_attempts: int = 5
    sync: Literal["full", "normal"] = "full"
    drain: float = 10.0
    trusted_gates: tuple[str, ...] = ()
    """Identities whose `Callgate-Identity` is believed."""
