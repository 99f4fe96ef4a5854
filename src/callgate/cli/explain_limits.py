"""What limits say of a call as the first one ever: denied if the call alone is more than one of them can hold.

Asks a limit store of its own that nothing was spent from. Must never open a store that a gate counts in.
"""

from msgspec.structs import replace

from callgate.clock import ManualClock
from callgate.decision import Effect, Reason
from callgate.gate.denial import limit_denial
from callgate.policy.explain import Explanation
from callgate.state.ledger import Refused
from callgate.state.memory import MemoryLedger


def with_limits(explanation: Explanation) -> Explanation:
    """The explanation as it stands, or as a denial whose reason is the limit that can never have room."""
    if explanation.effect is not Effect.ALLOW or not explanation.charges:
        return explanation
    outcome = MemoryLedger(ManualClock()).reserve(explanation.charges)
    if not isinstance(outcome, Refused):
        return explanation
    denial = limit_denial(outcome, explanation.tool)
    source = outcome.limit.source if outcome.limit is not None else None
    reason = Reason(Effect.DENY, denial.code, denial.rule or "", denial.reason, source)
    return replace(explanation, effect=Effect.DENY, reasons=(reason,))
