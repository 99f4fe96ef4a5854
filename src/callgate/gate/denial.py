"""What a refused agent is told: short, true, and what to do."""

import math
from collections.abc import Sequence

from msgspec import Struct

from callgate import denial_codes as code
from callgate.decision import Reason
from callgate.state.ledger import Refused
from callgate.text import quote


class Denial(Struct, frozen=True):
    """`reason` is what the agent reads after "denied by policy: "; `retry_after` is in whole seconds."""

    code: str
    rule: str | None
    reason: str
    retry_after: int | None = None

    @property
    def text(self) -> str:
        """The whole sentence."""
        wait = "" if self.retry_after is None else f"; try again in {self.retry_after} s"
        return f"denied by policy: {self.reason}{wait}"

    def structured(self) -> dict[str, str | int]:
        """The structured content of the refusal: code, rule, reason and, where waiting helps, retry_after."""
        content: dict[str, str | int] = {"code": self.code, "rule": self.rule or "", "reason": self.reason}
        if self.retry_after is not None:
            content["retry_after"] = self.retry_after
        return content


def reason_denial(reasons: Sequence[Reason]) -> Denial:
    """The denial for a decision that is not an allow; its first reason is the strictest."""
    if not reasons:
        return Denial(code.INTERNAL, None, "the policy gave no reason")
    first = reasons[0]
    return Denial(first.code, first.rule, first.text)


def limit_denial(refused: Refused, tool: str) -> Denial:
    """The denial for a charge or guard that the ledger refused."""
    wait = None if refused.retry_after is None else max(1, math.ceil(refused.retry_after))
    if refused.guard is not None:
        guard = refused.guard
        return Denial(
            code.GUARD_FAILED, guard.rule, guard.reason or f"a counter forbids {quote(tool)} now", wait
        )
    limit = refused.limit
    if limit is None:
        return Denial(code.INTERNAL, None, "the limit store refused without saying why")
    if refused.too_many_counters:
        return Denial(
            code.TOO_MANY_COUNTERS,
            limit.rule,
            limit.reason
            or f"too many different values are counted apart for {quote(tool)}; reuse an earlier one",
            wait,
        )
    if limit.reason is not None:
        return Denial(code.LIMIT_REACHED, limit.rule, limit.reason, wait)
    if wait is None:
        return Denial(
            code.LIMIT_REACHED,
            limit.rule,
            f"this call alone exceeds the limit of {limit.text} for {quote(tool)}",
        )
    return Denial(code.LIMIT_REACHED, limit.rule, f"rate limit {limit.text} reached for {quote(tool)}", wait)
