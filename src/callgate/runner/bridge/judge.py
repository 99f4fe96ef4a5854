"""The gate of one worker: policies, limits and audit, opened as `callgate serve` opens them, over the same files.

A limit that a direct call has used up is used up for scripts as well, and all stand in one audit.
"""

import os
import sys
from typing import Any

import callgate
from callgate import denial_codes as code
from callgate.audit.jsonl import JsonlAudit
from callgate.clock import Clock
from callgate.config.loaded import Loaded
from callgate.config.secrets import read_secret
from callgate.decision import Decision, Effect, Reason, Request
from callgate.gate.admit import Gate
from callgate.gate.call import Admission, Call, Caller, DecidesCalls
from callgate.policy.compile import Policy
from callgate.runner.bridge.contract import Parent
from callgate.runner.bridge.policies import Event, Log, Policies
from callgate.runner.bridge.turns import Settlement, Turns
from callgate.state.ledger import Ledger
from callgate.state.memory import MemoryLedger
from callgate.state.open import default_state_dir, open_ledger


class Judge:
    """Opens everything at once. Raises CallgateError: the state, the audit, a secret or the self-test is at fault."""

    def __init__(self, loaded: Loaded, servers: tuple[str, ...], clock: Clock, log: Log) -> None:
        config = loaded.config
        self._session = f"runner-{os.urandom(8).hex()}"
        self._count = 0
        self._turns: Turns | None = None
        self._policies = Policies(loaded, servers, clock, log, self._policy_event)
        state = config.state if isinstance(config.state, str | None) else read_secret(config.state)
        self._ledger: Ledger = open_ledger(
            state,
            clock,
            state_dir=default_state_dir(os.environ, sys.platform),
            durable_sessions=True,
            outlives_process=True,
            on_failure=config.state_failure,
            notify=lambda error: log("warning", f"{error.message} [{error.code}]"),
        )
        self._audit: JsonlAudit | None = None
        if config.audit is not None:
            try:
                self._audit = JsonlAudit(config.audit, sync=config.audit_sync, clock=clock)
            except BaseException:
                self._ledger.close()
                raise
        policy: DecidesCalls = self._policies.current(servers[0]) if servers else _Nothing(config.revision)
        gate = Gate(
            *(policy, self._ledger, self._audit, Caller(self._session, "callgate", "callgate"), clock),
            arguments_mode=config.audit_arguments,
            id_prefix=f"{self._session[7:13]}-",
        )
        text = f"callgate runner {callgate.__version__}, configuration {config.revision}"
        gate.event("gate_started", None, text)
        blocks = not isinstance(self._ledger, MemoryLedger) or (
            self._audit is not None and config.audit_sync == "full"
        )
        self._turns = Turns(gate, threaded=blocks)

    def current(self, server: str) -> Policy:
        """The policy in force."""
        return self._policies.current(server)

    @property
    def policies(self) -> Policies:
        """All policies in force."""
        return self._policies

    async def settled(self, server: str) -> Policy:
        """The policy as its file says it now, if that is valid."""
        return await self._policies.settled(server)

    async def judge(
        self,
        server: str,
        tool: str,
        parent: Parent,
        arguments: dict[str, Any],
        spelled: bytes,
        schema: Any,
        exhausted: Reason | None,
    ) -> Admission:
        """Judge one call, reserve what it charges, and return when that is recorded.

        `exhausted` is why its execution may make no further one.
        """
        owner = parent.owner
        caller = Caller(
            owner.limit_session,
            owner.identity,
            server,
            proven=owner.proven,
            claims=owner.claims if owner.proven else None,
        )
        self._count += 1
        call = Call(
            *(self._policies.current(server), caller, tool, arguments, self._count),
            schema=schema,
            spelled=spelled,
            parent=parent.parent_id,
            exhausted=exhausted,
        )
        assert self._turns is not None  # noqa: S101  (made by __init__)
        return await self._turns.judge(call)

    def settle(self, settlement: Settlement) -> None:
        """Record what came of an admitted call."""
        assert self._turns is not None  # noqa: S101  (made by __init__)
        self._turns.settle(settlement)

    async def close(self) -> None:
        """Write what waits, and let go of everything."""
        if self._turns is not None:
            caller = Caller(self._session, "callgate", "callgate")
            self._turns.event("gate_stopped", None, "the runner ends", caller, None)
            await self._turns.close()
        self._policies.close()
        self._ledger.close()
        if self._audit is not None:
            self._audit.close()

    def _policy_event(
        self, event: Event, event_code: str | None, text: str, server: str, revision: str
    ) -> None:
        if self._turns is not None:
            caller = Caller(self._session, "callgate", server)
            self._turns.event(event, event_code, text, caller, revision)


class _Nothing:
    """The policy of a runner without servers."""

    def __init__(self, revision: str) -> None:
        self.revision = revision

    def decide(self, request: Request) -> Decision:  # noqa: ARG002
        reason = Reason(Effect.DENY, code.DEFAULT_DENY, "default", "there is no server")
        return Decision(Effect.DENY, (reason,))
