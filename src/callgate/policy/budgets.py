"""What one execution of `callgate runner` may do (`per_execution`, `grant_secrets`). Pure: counts are handed in.

`callgate run` and `callgate serve` know no executions, and never ask.
"""

from collections.abc import Mapping

from callgate import denial_codes as code
from callgate.decision import Effect, Reason
from callgate.policy.lookalike import fold
from callgate.policy.model import Document
from callgate.policy.name_patterns import Matcher, compile_lookalike_pattern, compile_pattern
from callgate.text import quote


class Budgets:
    """The budgets of one policy, shared freely, never changed."""

    __slots__ = ("_budget", "_granted", "_tools", "max_seconds")

    def __init__(self, document: Document) -> None:
        self._budget = budget = document.per_execution
        self._granted = frozenset(name for name, _ in document.grant_secrets)
        self._tools = [] if budget is None else [(each, _matcher(each.pattern)) for each in budget.tools]
        self.max_seconds: float | None = None
        """How long an execution may take; None for no bound."""
        if budget is not None and budget.max_milliseconds is not None:
            self.max_seconds = budget.max_milliseconds / 1000

    def decide(self, tool: str, calls: Mapping[str, int], denied: int) -> Reason | None:
        """Say why one more call of `tool` is refused; None if there is room.

        `calls` is how many calls of each tool the execution has made that were allowed, replays left out; `denied`
        how many were refused. Names are those of the tools that the policy guards. Tools that match one pattern
        share its budget; a name that only resembles one counts as well.
        """
        budget = self._budget
        if budget is None:
            return None
        if budget.max_denied is not None and denied >= budget.max_denied:
            text = (
                f"calls of this execution were refused {denied} times: it may make no further call "
                f"(`per_execution.max_denied` is {budget.max_denied})"
            )
            return Reason(
                Effect.DENY, code.EXECUTION_DENIALS, "per_execution.max_denied", text, budget.source
            )
        if budget.max_calls is not None and sum(calls.values()) >= budget.max_calls:
            text = f"this execution may make {_calls(budget.max_calls)}, and has made them"
            return Reason(Effect.DENY, code.EXECUTION_CALLS, "per_execution.max_calls", text, budget.source)
        for each, matches in self._tools:
            if matches(tool) and sum(count for name, count in calls.items() if matches(name)) >= each.max:
                text = f"this execution may make {_calls(each.max)} of {quote(each.pattern, 60)}, and has made them"
                rule = f"per_execution.tools.{each.pattern}"
                return Reason(Effect.DENY, code.EXECUTION_TOOL_CALLS, rule, text, each.source)
        return None

    def grants(self, secret: str) -> bool:
        """Whether code may hold the secret of this name."""
        return secret in self._granted


def _matcher(pattern: str) -> Matcher:
    exact, resembling = compile_pattern(pattern), compile_lookalike_pattern(pattern)
    return lambda name: exact(name) or resembling(fold(name))


def _calls(number: int) -> str:
    return {0: "no call", 1: "one call"}.get(number, f"{number} calls")
