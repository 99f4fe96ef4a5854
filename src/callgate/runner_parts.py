"""Makes the parts of `callgate runner` that depend on what the configuration says. Puts nothing together; that is
`app_runner`."""

import os
import socket
import sys
from collections.abc import Callable, Sequence

from msgspec import structs

from callgate.config.loaded import Loaded
from callgate.config.loader import settled_config
from callgate.config.model import ListenConfig, ServeConfig
from callgate.config.programs import missing_programs
from callgate.config.runner_model import RunnerConfig
from callgate.config.secrets import read_secret
from callgate.diagnostics import Diagnostic
from callgate.digest import lean as sha256
from callgate.errors import UsageError
from callgate.policy.budgets import Budgets
from callgate.policy.model import Document
from callgate.runner.jobs.parts import Log, WorkerOptions
from callgate.runner.journal.contract import Journal
from callgate.runner.journal.open import open_journal
from callgate.runner.options import RunnerOptions
from callgate.runner.precheck.finding import Surroundings
from callgate.runner.sandbox.contract import Backend, Limits, Packages
from callgate.state.open import default_state_dir
from callgate.text import escape, quote

_OURS = frozenset({"callgate"})
"""What the guest itself lets scripts import: the exceptions of tool calls."""


def read_configuration(options: RunnerOptions) -> tuple[Loaded, RunnerConfig]:
    """What the file and the command line say together. Raises ConfigError."""
    if options.config is None:
        loaded = Loaded(ServeConfig(path="", revision="", servers=()), {}, {})
    else:
        loaded = settled_config(options.config, "runner")
    runner = loaded.config.runner or RunnerConfig()
    changes = {
        "journal": options.journal,
        "queue": options.queue,
        "concurrency": options.concurrency,
    }
    return loaded, structs.replace(
        runner, **{key: value for key, value in changes.items() if value is not None}
    )


def open_store(runner: RunnerConfig, config: str) -> Journal:
    """The journal, not yet opened. Raises JournalError, SecretError.

    Without one in the file every configuration, known by its path, has its own: what one runner accepted, a runner
    with other servers cannot finish.
    """
    state_dir = default_state_dir(os.environ, sys.platform)
    if runner.journal is not None:
        url = read_secret(runner.journal)
    else:
        name = f"runner-{sha256(config.encode()).hexdigest()[:12]}" if config else "runner"
        url = f"sqlite:{state_dir}/{name}.sqlite"
    return open_journal(
        url,
        state_dir=state_dir,
        sync=runner.sync,
        retention=runner.retention,
    )


def limits_of(runner: RunnerConfig) -> Limits:
    """The bounds of one execution, as sandboxes have them."""
    limits = runner.limits
    return Limits(
        memory=limits.memory,
        cpu_seconds=limits.cpu,
        wall_seconds=limits.time,
        threads=limits.threads,
        disk=limits.disk,
        inodes=limits.inodes,
        output=limits.output,
        results=limits.results,
    )


def backend_of(runner: RunnerConfig, packages: Sequence[Packages], log: Log) -> Backend:
    """The backend that the file names, not yet opened. `packages` is what most executions will see."""
    if runner.backend == "monty":
        from callgate.runner.sandbox.monty.backend import MontyBackend

        return MontyBackend(pool=runner.pool)
    from callgate.runner.sandbox.bwrap.backend import BwrapBackend
    from callgate.runner.sandbox.egress.contract import Visit
    from callgate.runner.sandbox.egress.serving import EgressProxy

    def visited(visit: Visit) -> None:
        went = "reached" if visit.allowed else "was refused"
        log(
            "info" if visit.allowed else "warning",
            f"a script {went} {escape(visit.host)} {escape(visit.why)}".rstrip(),
        )

    full = BwrapBackend(
        limits=limits_of(runner),
        python=runner.python,
        pool=runner.pool,
        packages=packages,
        network=runner.network,
        egress=EgressProxy(visited) if runner.network else None,
    )
    if runner.accept_tier != "weak":
        return full
    from callgate.runner.sandbox.weak.accepted import FullOrWeak
    from callgate.runner.sandbox.weak.backend import WeakBackend

    weak = WeakBackend(
        limits=limits_of(runner),
        python=runner.python,
        pool=runner.pool,
        packages=packages,
        network=runner.network,
    )
    return FullOrWeak(full, weak, lambda text: log("warning", text))


def worker_options(runner: RunnerConfig, *, several_owners: bool) -> WorkerOptions:
    """How this process works. Its name is new with every start: one that comes back must not be taken for the old."""
    return WorkerOptions(
        name=f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}",
        limits=limits_of(runner),
        lease=runner.lease,
        max_attempts=runner.max_attempts,
        concurrency=runner.concurrency,
        network=runner.network,
        several_owners=several_owners,
        calls=runner.limits.calls,
        answers=runner.limits.answers,
    )


def warnings_of(loaded: Loaded, is_used: Callable[[str], bool]) -> tuple[Diagnostic, ...]:
    """What is odd in the file and its policies, and which servers cannot be started here."""
    config = loaded.config
    of_policies = () if loaded.runner_policy is None else loaded.runner_policy.warnings
    used = tuple(server for server in config.servers if is_used(server.name))
    missing = missing_programs(structs.replace(config, servers=used), config.path) if used else ()
    return (*config.warnings, *of_policies, *missing)


def budgets_of(document: Document | None) -> Budgets:
    """What `runner.policy` says of executions; without one, nothing is granted and nothing bounded."""
    return Budgets(document or Document("native", "", ""))


def surroundings(runner: RunnerConfig, importable: frozenset[str]) -> Surroundings:
    """What a look at a script has to know of the place it will run in."""
    return Surroundings(
        importable=importable | _OURS,
        installable=runner.packages.enabled and runner.backend == "bwrap",
        network=bool(runner.network),
    )


def listen_at(listen: ListenConfig, http: str) -> ListenConfig:
    """Where `--http [HOST:]PORT` says. Raises UsageError."""
    host, colon, port = http.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65_535 or (colon and not host):
        raise UsageError("USE002", f"`--http` takes PORT or HOST:PORT, not {quote(http, 100)}")
    return structs.replace(listen, host=host or listen.host, port=int(port))
