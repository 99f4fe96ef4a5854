"""Makes the parts of `callgate serve` that depend on what the configuration says: store, secret, servers.

Puts nothing together; that is `app_serve`.
"""

import os
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable

from msgspec import structs

from callgate.clock import Clock
from callgate.config.checks import overridden, refusal
from callgate.config.model import ServeConfig, ServerConfig
from callgate.config.secrets import read_secret
from callgate.errors import StateError
from callgate.serve.options import ServeOptions
from callgate.serve.workers import Slot
from callgate.state.ledger import Ledger
from callgate.state.open import default_state_dir, open_ledger
from callgate.telemetry.logs import Log
from callgate.text import quote
from callgate.transports.environment import child_environment
from callgate.transports.spawner import Spawner
from callgate.upstream.contract import Upstream
from callgate.upstream.http import HttpUpstream
from callgate.upstream.stdio import StdioUpstream

MIN_SECRET = 32
"""Characters of the secret that seals sessions."""


def adjusted(config: ServeConfig, options: ServeOptions) -> ServeConfig:
    """The configuration with what the command line says instead.

    Raises ConfigError if that does not go together, UsageError for half of a TLS pair.
    """
    config = overridden(
        config,
        host=options.host,
        port=options.port,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        state=options.state,
        workers=options.workers,
    )
    audit = config.audit if options.audit is None else os.path.abspath(options.audit)
    return structs.replace(config, audit=audit, audit_sync=options.audit_sync or config.audit_sync)


def open_store(config: ServeConfig, clock: Clock, notify: Callable[[StateError], None]) -> Ledger:
    """The limit store. `notify` may be called in the thread that judges. Raises StateError."""
    state = config.state if isinstance(config.state, str | None) else read_secret(config.state)
    return open_ledger(
        state,
        clock,
        state_dir=default_state_dir(os.environ, sys.platform),
        durable_sessions=True,
        outlives_process=True,
        on_failure=config.state_failure,
        notify=notify,
    )


def session_secret(config: ServeConfig, slot: Slot | None) -> bytes:
    """What session ids are sealed with. Raises ConfigError (CFG051): the configured one is too short."""
    secret = config.sessions.secret
    if secret is None:
        return os.urandom(MIN_SECRET) if slot is None else slot.secret
    found = read_secret(secret).encode()
    if len(found) < MIN_SECRET:
        raise refusal(
            "CFG051",
            f"`secret` of `sessions` in {quote(config.path, 200)} has fewer than {MIN_SECRET} characters",
            "make a random one with `openssl rand -hex 32`, and put it where the file says",
        )
    return found


def upstream(
    config: ServerConfig, spawner: Spawner | None, loop: AbstractEventLoop, clock: Clock, log: Log
) -> Upstream:
    """The way to one server. Raises ConfigError: a secret is missing, or nothing can be started here."""
    if config.url is not None:
        return HttpUpstream(config, loop, clock)
    if spawner is None:
        raise refusal("CFG042", "a server that is started here belongs to one process alone")
    own = {name: read_secret(value) for name, value in config.env.items()}
    return StdioUpstream(config, child_environment(os.environ, own), spawner, loop, clock, log)
