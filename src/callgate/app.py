"""Puts the parts together. The only module that knows them all."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

import callgate
from callgate.audit.arguments import ArgumentsMode
from callgate.audit.jsonl import JsonlAudit
from callgate.clock import SystemClock
from callgate.diagnostics import Diagnostic
from callgate.errors import CallgateError, PolicyError
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.identity import local_identity
from callgate.policy.compile import Policy
from callgate.policy.model import Document
from callgate.policyloader import PolicyLoad, settled
from callgate.proxy.relay import Relay
from callgate.proxy.selftest import refuses, self_test, with_canary
from callgate.proxy.session import Session
from callgate.proxy.state import Log
from callgate.proxy.supervise import Supervisor
from callgate.proxy.watch import FileWatch
from callgate.servername import server_name
from callgate.state.open import default_state_dir, open_ledger
from callgate.text import escape, quote
from callgate.transports.keeper import KeeperPipes
from callgate.transports.outbox import nonblocking_output
from callgate.transports.server_process import ServerProcess

MAX_AGENT_FRAME = 16 << 20
MAX_SERVER_FRAME = 64 << 20


class RunOptions(Struct, frozen=True):
    """What `callgate run` was told. `session` None means a new session that ends with the process."""

    policy: str
    command: Sequence[str]
    state: str | None = None
    audit: str | None = None
    audit_sync: Literal["full", "none"] = "full"
    audit_arguments: ArgumentsMode = "hash"
    session: str | None = None
    server: str | None = None


def guard(pipes: KeeperPipes, load: PolicyLoad, options: RunOptions, log: Log) -> int:
    """Guard one server over stdio until it ends. Returns its wait status.

    `load` is the policy file's reading, under way since before this module was imported. Raises CallgateError
    before the server is started: the policy, the state, the audit or the self-test is at fault.
    """
    clock = SystemClock()
    load, document = settled(load)
    _show_warnings(document, log)
    canary = f"self-test-{os.urandom(8).hex()}"
    policy = with_canary(document, canary)
    uses_store = policy.outlives_process
    ledger = open_ledger(
        options.state,
        clock,
        state_dir=default_state_dir(os.environ, sys.platform),
        durable_sessions=options.session is not None,
        outlives_process=uses_store,
    )
    audit = None if options.audit is None else JsonlAudit(options.audit, sync=options.audit_sync, clock=clock)
    token = os.urandom(8).hex()
    caller = Caller(
        options.session or f"stdio-{token}", local_identity(), options.server or server_name(options.command)
    )
    gate = Gate(
        policy,
        ledger,
        audit,
        caller,
        clock,
        arguments_mode=options.audit_arguments,
        id_prefix=f"{token[:6]}-",
    )
    gate.event("gate_started", None, f"callgate {callgate.__version__}, {_summary(document)}")
    self_test(gate, policy, clock, canary)

    server = ServerProcess(pipes, options.command)
    server.start()
    if uses_store and options.server is None:
        log(
            "warning",
            f"limits that outlive this process are counted for the server name {quote(caller.server)}, "
            "which was guessed from its command: name it with `--name`",
        )
    log("banner", _banner(options, document, caller, uses_store=uses_store))
    session = Session(gate, policy, clock, log, token=os.urandom(16).hex(), max_frame=MAX_AGENT_FRAME)

    relay = Relay(
        session,
        clock,
        agent_in=0,
        agent_out=nonblocking_output(1),
        server_in=server.server_in,
        server_out=server.server_out,
        max_agent_frame=MAX_AGENT_FRAME,
        max_server_frame=MAX_SERVER_FRAME,
        watch=FileWatch(options.policy, clock, load.seen),
        reload=PolicyReload(options.policy, canary, gate, log),
    )
    # What is alive now stays alive: the collector need not look at it again.
    gc.freeze()
    try:
        return Supervisor(relay, server, clock, log).run()
    finally:
        server.close()
        ledger.close()
        if audit is not None:
            audit.close()


class PolicyReload:
    """Reads the changed policy file beside the relay; a bad one is refused loudly and the old one stays (law 7)."""

    def __init__(self, path: str, canary: str, gate: Gate, log: Log) -> None:
        self._path = path
        self._canary = canary
        self._gate = gate
        self._log = log
        self._load: PolicyLoad | None = None

    def start(self) -> int | None:
        try:
            self._load = PolicyLoad(self._path)
        except OSError as error:
            # Out of descriptors or processes: the change is told of again, and tried again.
            self._log("error", f"the changed policy cannot be read now, the old one stays: {error.strerror}")
            return None
        return self._load.fd

    def expire(self) -> None:
        if self._load is not None:
            self._load.expire()

    def feed(self) -> bool:
        return self._load is None or self._load.feed()

    def finish(self) -> Policy | None:
        load, self._load = self._load, None
        if load is None:
            return None
        try:
            document = load.result()
            if not load.is_current():
                # It was written to while it was read, and may be half of what it is meant to be. The watch sees it.
                return None
            policy = with_canary(document, self._canary)
            if not refuses(policy, self._canary):
                raise CallgateError("SELF001", "the self-test of the new policy failed")
        except CallgateError as error:
            self._refuse(error)
            return None
        _show_warnings(document, self._log)
        self._log("banner", f"{_summary(document)} is in force now")
        self._gate.event("policy_reloaded", None, _summary(document))
        return policy

    def _refuse(self, error: CallgateError) -> None:
        lines = [f"[{error.code}] {escape(error.message)}"]
        if isinstance(error, PolicyError):
            lines = [_line(finding) for finding in error.diagnostics]
        for line in lines:
            self._log("error", line)
        self._log("error", "the changed policy is not in force: the old one stays")
        self._gate.event("policy_refused", error.code, error.message)


def _show_warnings(document: Document, log: Log) -> None:
    for warning in document.warnings:
        log("warning", _line(warning))


def _line(finding: Diagnostic) -> str:
    source = finding.source
    place = f"{source.file}:{source.line}:{source.column}: " if source else ""
    return escape(f"{place}[{finding.code}] {finding.message}")


def _summary(document: Document) -> str:
    rules = sum(len(tool.rules) for tool in document.tools)
    return f"policy {document.revision[:7]} ({rules} rule{'' if rules == 1 else 's'}, default {document.default})"


def _banner(options: RunOptions, document: Document, caller: Caller, *, uses_store: bool) -> str:
    if options.state is not None:
        state = options.state.partition(":")[0]
    else:
        state = "sqlite" if uses_store or options.session is not None else "memory"
    audit = (
        "off" if options.audit is None else "jsonl" if options.audit_sync == "full" else "jsonl (not synced)"
    )
    return (
        f"{callgate.__version__}  {_summary(document)}  state {state}  audit {audit}  self-test ok"
        f"  → {escape(caller.server)} via stdio"
    )
