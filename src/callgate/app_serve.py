"""Puts the parts of `callgate serve` together: one process that serves, or several on one port."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Mapping

import uvloop
from msgspec import structs

import callgate
from callgate.audit.jsonl import JsonlAudit
from callgate.auth.authenticator import Authenticator
from callgate.auth.hosts import Hosts
from callgate.clock import SystemClock
from callgate.config.loaded import Loaded
from callgate.config.loader import settled_config
from callgate.config.model import ServeConfig
from callgate.config.reload import one_line
from callgate.errors import AuditError, CallgateError, StateError
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.http1.allocation import keep_freed_memory
from callgate.http1.contract import Limits
from callgate.http1.listener import Listener
from callgate.policy.compile import Policy
from callgate.proxy.selftest import refuses, with_canary
from callgate.serve import in_force
from callgate.serve.banner import banner
from callgate.serve.certified import CertifiedListener, certificate_of
from callgate.serve.descriptors import raise_limit, within
from callgate.serve.front import Front, Page
from callgate.serve.judging import Judging
from callgate.serve.options import ServeOptions
from callgate.serve.pages import pages
from callgate.serve.refusals import Refusals
from callgate.serve.sealing import Seal
from callgate.serve.selftest import prove
from callgate.serve.serving import Serving
from callgate.serve.shared import Guarded, Shared
from callgate.serve.unanswered import Unanswered
from callgate.serve.workers import Slot, supervise
from callgate.serve_parts import adjusted, open_store, session_secret, upstream
from callgate.state.memory import MemoryLedger
from callgate.telemetry.contract import Levels
from callgate.telemetry.logs import Log
from callgate.telemetry.metrics import Metrics
from callgate.telemetry.tracing import open_tracing
from callgate.telemetry.workers import Workers
from callgate.transports.spawner import Spawner

_ENDING = (signal.SIGTERM, signal.SIGINT)


def serve(options: ServeOptions, spawner: Spawner, report: Callable[[CallgateError], None]) -> int:
    """Serve until told to end. Returns the exit status; `report` tells why one of several processes cannot serve.

    Raises CallgateError before anything is served: the configuration, a policy, the state, the audit, the address or
    the self-test is at fault.
    """
    raise_limit()
    loaded = settled_config(options.config)
    loaded = structs.replace(loaded, config=adjusted(loaded.config, options))
    if all(server.url is not None for server in loaded.config.servers):
        # Nothing to be started: should a later configuration want that, the spawner makes a nursery anew.
        spawner.close()
    if loaded.config.workers == 1:
        return run_worker(options, loaded, spawner, None)
    spawner.close()
    return supervise(
        loaded.config,
        # One that is started anew begins with what the others have in force by then.
        lambda slot: run_worker(options, in_force.latest(slot.directory, loaded), None, slot),
        report,
        SystemClock(),
    )


def run_worker(options: ServeOptions, loaded: Loaded, spawner: Spawner | None, slot: Slot | None) -> int:
    """Serve in this process. `slot` is its place among several, None if it is alone."""
    keep_freed_memory()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return _Worker(loop, options, loaded, spawner, slot).run()
    finally:
        loop.close()


class _Worker:
    """Everything that one process serves with."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: ServeOptions,
        loaded: Loaded,
        spawner: Spawner | None,
        slot: Slot | None,
    ) -> None:
        self._loop = loop
        self._options = options
        self._spawner = spawner
        self._slot = slot
        self._clock = SystemClock()
        self._config = config = loaded.config
        self._canary = f"self-test-{os.urandom(8).hex()}"
        self._metrics = Metrics(self._clock, self._levels)
        self._log = Log(
            options.log_level, options.log_format, self._clock, on_drop=self._metrics.log_lines_dropped
        )
        self._show_warnings(loaded)
        self._tracing = open_tracing(
            config.telemetry.otlp_endpoint, config.telemetry.service_name, os.environ, self._log
        )
        token = os.urandom(8).hex()
        self._ledger = open_store(config, self._clock, self._store_told)
        self._audit = (
            None
            if config.audit is None
            else JsonlAudit(config.audit, sync=config.audit_sync, clock=self._clock)
        )
        gate = Gate(
            self._policy(loaded, config.servers[0].name),
            self._ledger,
            self._audit,
            Caller(f"serve-{token}", "callgate", "callgate"),
            self._clock,
            arguments_mode=config.audit_arguments,
            id_prefix=f"{token[:6]}-",
        )
        gate.event("gate_started", None, f"callgate {callgate.__version__}, configuration {config.revision}")
        self._serving: Serving | None = None
        self._told_to_end = False
        blocks = not isinstance(self._ledger, MemoryLedger) or (
            self._audit is not None and config.audit_sync == "full"
        )
        judging = Judging(
            gate, loop, threaded=blocks, failed=self._audit_changed, store_changed=self._store_changed
        )
        self._shared = Shared(
            judging=judging,
            refusals=Refusals(self._log, judging, self._clock),
            seal=Seal(session_secret(config, slot)),
            observer=self._metrics,
            log=self._log,
            clock=self._clock,
            unanswered=Unanswered(self._clock, judging.settle),
            home=token,
            key_header=None
            if config.sessions.key_header is None
            else config.sessions.key_header.lower().encode(),
            tracing=self._tracing,
        )
        self._workers = Workers(
            self._metrics,
            self._clock,
            None if slot is None else slot.directory,
            "0" if slot is None else str(slot.number),
        )
        self._authenticator = Authenticator(config.auth, clock=self._clock, notify=self._notify)
        self._certificate = certificate_of(config.listen, from_file=options.tls_cert is None)
        servers = {f"/{one.name}/mcp": self._make(loaded, one.name) for one in config.servers}
        self._front = Front(
            self._shared,
            servers,
            {},
            self._authenticator,
            Hosts(config.listen, None if config.auth is None else config.auth.resource),
            lambda: self._serving is not None and self._serving.accepting,
        )
        self._loaded = loaded

    def run(self) -> int:
        """Prove, accept, and go on until a signal ends it."""
        # A loop that does not run yet loses signals: they are noted until it does.
        for number in _ENDING:
            signal.signal(number, self._note_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        prove(self._front.servers, self._shared, self._config.listen, self._canary, self._loop)
        self._serving = serving = Serving(
            self._loop,
            self._loaded,
            self._shared,
            self._metrics,
            self._workers,
            self._authenticator,
            self._front,
            self._make,
            self._pages,
            lambda config: adjusted(config, self._options),
            self._keep,
        )
        self._front.pages = self._pages(self._config, self._front.hosts)
        serving.ready()
        listener = self._loop.run_until_complete(self._listen())
        serving.begin(CertifiedListener(listener, self._certificate))
        # While the loop does not run it would swallow a signal.
        self._loop.call_soon(self._begun, listener, serving)
        # What is alive now stays alive: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            self._loop.run_forever()
        finally:
            self._close()
        return 0

    def _begun(self, listener: Listener, serving: Serving) -> None:
        self._take_signals(serving)
        slot = self._slot
        if slot is not None and slot.ended is not None:
            self._log("warning", f"worker {slot.number} ended: {slot.ended}; started again", event="worker")
        if slot is None or slot.announces():
            # Whoever reads that it listens may end it at once.
            self._log("banner", banner(self._config, *listener.addresses[0]), event="listening")

    def _note_signal(self, _number: int, _frame: object) -> None:
        self._told_to_end = True

    def _take_signals(self, serving: Serving) -> None:
        for number in _ENDING:
            self._loop.add_signal_handler(number, serving.drain, self._loop.stop)
        if self._told_to_end:
            serving.drain(self._loop.stop)

    def _close(self) -> None:
        # What was told to close is closed by the loop.
        self._loop.run_until_complete(asyncio.sleep(0))
        self._shared.judging.close()
        self._ledger.close()
        if self._audit is not None:
            self._audit.close()
        if self._tracing is not None:
            self._tracing.close()
        if self._spawner is not None:
            self._spawner.close()
        self._log.close()

    async def _listen(self) -> Listener:
        listen = self._config.listen
        limits = within(listen.limits, raise_limit())
        if limits != listen.limits:
            text = f"no more than {limits.max_connections} connections: the process may not open more files"
            # Nobody who asked for no number is told that it is another.
            asked = listen.limits.max_connections != Limits().max_connections
            self._log("warning" if asked else "debug", text, event="listening")
        listener = Listener(
            self._front,
            limits,
            clock=self._clock,
            observe=lambda code: self._metrics.refused("", code),
        )
        if self._slot is not None:
            await listener.adopt(self._slot.socket, certificate=self._certificate)
        else:
            await listener.bind(listen.host, listen.port, certificate=self._certificate)
        return listener

    def _make(self, loaded: Loaded, name: str) -> Guarded:
        """One server with its policy. Raises CallgateError: the self-test failed, or a secret is missing."""
        config = next(one for one in loaded.config.servers if one.name == name)
        policy = self._policy(loaded, name)
        way = upstream(config, self._spawner, self._loop, self._clock, self._log)
        return Guarded(config, policy, way, self._clock, self._loop, os.urandom(8).hex())

    def _keep(self, loaded: Loaded) -> None:
        if self._slot is not None:
            in_force.keep(self._slot.directory, loaded)

    def _policy(self, loaded: Loaded, name: str) -> Policy:
        policy = with_canary(loaded.documents[name], self._canary)
        if not refuses(policy, self._canary):
            raise CallgateError("SELF001", f"the self-test of the policy of `{name}` failed")
        self._metrics.know(name, [tool.pattern for tool in loaded.documents[name].tools])
        return policy

    def _pages(self, config: ServeConfig, hosts: Hosts) -> Mapping[str, Page]:
        serving = self._serving
        if serving is None:
            return {}
        return pages(config, serving.status, self._workers, self._authenticator, hosts)

    def _levels(self) -> Levels:
        return Levels() if self._serving is None else self._serving.levels()

    def _audit_changed(self, error: AuditError | None) -> None:
        if self._serving is not None:
            self._serving.audit_changed(error)

    def _store_changed(self, error: StateError | None) -> None:
        if self._serving is not None:
            self._serving.store_changed(error)

    def _store_told(self, error: StateError) -> None:
        """The limit store has something to say; it may do so in the thread that judges."""
        self._loop.call_soon_threadsafe(
            lambda: self._log("warning", f"{error.message} [{error.code}]", event="state", code=error.code)
        )

    def _notify(self, code: str, text: str) -> None:
        self._log("warning", f"{text} [{code}]", event="authentication", code=code)

    def _show_warnings(self, loaded: Loaded) -> None:
        for finding in loaded.config.warnings:
            self._log("warning", one_line(finding))
        for document in loaded.documents.values():
            for finding in document.warnings:
                self._log("warning", one_line(finding))
