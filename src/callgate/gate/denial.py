"""What a refused agent is told: short, true, and what to do."""

import math
from collections.abc import Sequence

from msgspec import Struct

from callgate import denial_codes as code
from callgate.decision import Limit, Reason
from callgate.errors import StateError
from callgate.state.ledger import Refused
from callgate.text import clause, quote

UNCOUNTABLE = "STA012"
"""The code of a StateError that is the fault of the call's amounts, not of the store."""


class Denial(Struct, frozen=True):
    """`reason` is what the agent reads after "denied by policy: "; `retry_after` is in whole seconds.

    `detail` is for the log of whoever runs the gate, and never told to an agent.
    """

    code: str
    rule: str | None
    reason: str
    retry_after: int | None = None
    detail: str | None = None

    @property
    def text(self) -> str:
        """The whole sentence."""
        if self.retry_after is None:
            return f"denied by policy: {self.reason}"
        return f"denied by policy: {clause(self.reason)}; try again in {_duration(self.retry_after)}"

    @property
    def log_text(self) -> str:
        """Why, for whoever runs the gate."""
        return self.reason if self.detail is None else f"{clause(self.reason)}: {self.detail}"

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


def store_denial(error: StateError) -> Denial:
    """The denial for a call that could not be counted. What the store says of itself is not for agents."""
    if error.code == UNCOUNTABLE:
        # Of the call's own arguments; nothing of the store is in it.
        return Denial(code.STORE_UNAVAILABLE, None, error.message)
    return Denial(
        code.STORE_UNAVAILABLE,
        None,
        "the limit store cannot answer",
        _whole_seconds(error.retry_after),
        f"{error.message} [{error.code}]",
    )


def limit_denial(refused: Refused, tool: str) -> Denial:
    """The denial for a charge or guard that the ledger refused."""
    wait = _whole_seconds(refused.retry_after)
    if refused.guard is not None:
        guard = refused.guard
        return Denial(
            code.GUARD_FAILED, guard.rule, guard.reason or f"a counter forbids {quote(tool)} now", wait
        )
    limit = refused.limit
    if limit is None:
        return Denial(code.INTERNAL, None, "the limit store refused without saying why")
    reason_code, fact = _fact(refused, limit, wait, tool)
    if limit.reason is None:
        return Denial(reason_code, limit.rule, fact, wait)
    # Calls that are too many are told by the wait; anything else the file's own words would hide.
    says_all = reason_code == code.LIMIT_REACHED and wait is not None and not limit.adds_up
    text = limit.reason if says_all else f"{clause(limit.reason)} ({fact})"
    return Denial(reason_code, limit.rule, text, wait)


def _fact(refused: Refused, limit: Limit, wait: int | None, tool: str) -> tuple[str, str]:
    """The code of the refusal, and what has happened."""
    if refused.too_many_counters:
        return (
            code.TOO_MANY_COUNTERS,
            f"too many different values are counted apart for {quote(tool)}; reuse an earlier one",
        )
    whose = _whose(limit, tool)
    if wait is None:
        return code.LIMIT_REACHED, f"this call alone exceeds the limit of {limit.text} for {whose}"
    if limit.adds_up:
        return code.LIMIT_REACHED, f"this call would exceed the limit of {limit.text} for {whose}"
    return code.LIMIT_REACHED, f"rate limit {limit.text} reached for {whose}"


def _whose(limit: Limit, tool: str) -> str:
    if limit.shared is None:
        return quote(tool)
    if limit.shared == "*":
        return "all tools together"
    return f"{quote(limit.shared)}, which all its tools share"


def _whole_seconds(wait: float | None) -> int | None:
    """A wait in seconds, rounded up and never 0; None if waiting does not help."""
    return None if wait is None else max(1, math.ceil(wait))


def _duration(seconds: int) -> str:
    """Return "41 s", and for two minutes or more the same again in larger units, rounded up."""
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(-(-seconds // 60), 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if number]
    return f"{seconds} s ({' '.join(parts)})"
