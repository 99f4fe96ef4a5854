"""The gate of one agent, ready and tested before the server is there: policy, limits, audit, self-test."""

import os
import sys
from typing import Literal

from msgspec import Struct

import callgate
from callgate.audit.arguments import ArgumentsMode
from callgate.audit.jsonl import JsonlAudit
from callgate.clock import Clock, SystemClock
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.identity import local_identity
from callgate.policy.compile import Policy
from callgate.policy.model import Document
from callgate.policy_reload import PolicyReload, show_warnings, summary
from callgate.policyloader import PolicyLoad, settled
from callgate.proxy.selftest import self_test, with_canary
from callgate.proxy.session import Session
from callgate.proxy.state import Log
from callgate.proxy.watch import FileWatch
from callgate.state.ledger import Ledger
from callgate.state.open import default_state_dir, open_ledger
from callgate.text import escape, quote

MAX_AGENT_FRAME = 16 << 20
MAX_SERVER_FRAME = 64 << 20


class GateOptions(Struct, frozen=True, kw_only=True):
    """What the command line says of the gate. `session` None means a new session that ends with the process, called
    `stdio-TOKEN`; `token` is random, and new for each process.

    `server` is the name that the operator gave the server, `guessed_name` what it is called without one.
    """

    policy: str
    guessed_name: str
    token: str
    state: str | None = None
    audit: str | None = None
    audit_sync: Literal["full", "none"] = "full"
    audit_arguments: ArgumentsMode = "hash"
    session: str | None = None
    server: str | None = None


class AgentGate:
    """Everything on the gate's side of one agent connection. `close` it in the end."""

    def __init__(self, load: PolicyLoad, options: GateOptions, log: Log) -> None:
        """`load` is the policy file's reading, under way. Raises CallgateError: something is at fault."""
        self._options = options
        self._log = log
        self.clock: Clock = SystemClock()
        load, self._document = settled(load)
        self._seen = load.seen
        show_warnings(self._document, log)
        self._canary = f"self-test-{os.urandom(8).hex()}"
        self._policy: Policy = with_canary(self._document, self._canary)
        self._uses_store = self._policy.outlives_process
        self._ledger: Ledger = open_ledger(
            options.state,
            self.clock,
            state_dir=default_state_dir(os.environ, sys.platform),
            durable_sessions=options.session is not None,
            outlives_process=self._uses_store,
            notify=lambda error: log("warning", f"[{error.code}] {escape(error.message)}"),
        )
        self._audit = (
            None
            if options.audit is None
            else JsonlAudit(options.audit, sync=options.audit_sync, clock=self.clock)
        )
        caller = Caller(
            options.session or f"stdio-{options.token}",
            local_identity(),
            options.server or options.guessed_name,
        )
        self.caller = caller
        self._gate = Gate(
            self._policy,
            self._ledger,
            self._audit,
            caller,
            self.clock,
            arguments_mode=options.audit_arguments,
            id_prefix=f"{options.token[:6]}-",
        )
        self._gate.event("gate_started", None, f"callgate {callgate.__version__}, {summary(self._document)}")
        self_test(self._gate, self._policy, self.clock, self._canary)

    def announce(self, way: str) -> None:
        """Say what guards which server, which is reached by `way` (`stdio`, `http`)."""
        options = self._options
        if self._uses_store and options.server is None:
            self._log(
                "warning",
                f"limits that outlive this process are counted for the server name {quote(self.caller.server)}, "
                f"which was guessed from its {'command' if way == 'stdio' else 'URL'}: name it with `--name`",
            )
        self._log("banner", _banner(options, self._document, self.caller, way, uses_store=self._uses_store))

    def session(self) -> Session:
        """The session to carry the agent's frames."""
        return Session(
            self._gate,
            self._policy,
            self.clock,
            self._log,
            token=os.urandom(16).hex(),
            max_frame=MAX_AGENT_FRAME,
        )

    def watch(self) -> FileWatch:
        """What notices that the policy file changed."""
        return FileWatch(self._options.policy, self.clock, self._seen)

    def reload(self) -> PolicyReload:
        """What reads it then."""
        return PolicyReload(self._options.policy, self._canary, self._gate, self._log)

    def close(self) -> None:
        self._ledger.close()
        if self._audit is not None:
            self._audit.close()


def _banner(options: GateOptions, document: Document, caller: Caller, way: str, *, uses_store: bool) -> str:
    if options.state is not None:
        state = options.state.partition(":")[0]
    else:
        state = "sqlite" if uses_store or options.session is not None else "memory"
    audit = (
        "off" if options.audit is None else "jsonl" if options.audit_sync == "full" else "jsonl (not synced)"
    )
    return (
        f"{callgate.__version__}  {summary(document)}  state {state}  audit {audit}  self-test ok"
        f"  → {escape(caller.server)} via {way}"
    )
