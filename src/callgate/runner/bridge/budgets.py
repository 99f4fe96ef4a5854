"""What is left of an execution's budgets, when several of its calls are judged at the same time. Pure.

A call counts from the moment in which it is judged: two that come together cannot both be the last one.
"""

from collections import Counter

from callgate.decision import Reason
from callgate.policy.budgets import Budgets
from callgate.runner.bridge.contract import CallCounts, Parent, ToolInfo

Call = tuple[str, str]
"""Server and tool."""


class Spending:
    """Calls that are being judged, by execution."""

    def __init__(self) -> None:
        self._judged: dict[str, Counter[Call]] = {}

    def begin(
        self,
        parent: Parent,
        tool: ToolInfo,
        counts: CallCounts | None,
        of_server: Budgets,
        of_runner: Budgets | None,
        functions: dict[Call, str],
    ) -> Reason | None:
        """Say why the execution may make no further call of `tool`; None if it may. `end` has to follow either way.

        The policy of a server bounds the calls to that server, by tool; that of the runner all calls together, by
        function. `functions` are the names of those that are known.
        """
        judged = self._judged.setdefault(parent.uuid, Counter())
        made = Counter(judged)
        denied: dict[str, int] = {}
        if counts is not None:
            made.update(dict(counts.made))
            denied = dict(counts.denied)
        judged[tool.server, tool.tool] += 1
        to_server = {name: number for (server, name), number in made.items() if server == tool.server}
        reason = of_server.decide(tool.tool, to_server, denied.get(tool.server, 0))
        if reason is None and of_runner is not None:
            of_all: Counter[str] = Counter()
            for (server, name), number in made.items():
                of_all[functions.get((server, name), f"mcp_{server}_{name}")] += number
            reason = of_runner.decide(tool.function, of_all, sum(denied.values()))
        return reason

    def end(self, parent: Parent, tool: ToolInfo) -> None:
        """The call is denied, or whoever keeps `CallCounts` has counted it."""
        judged = self._judged[parent.uuid]
        judged[tool.server, tool.tool] -= 1
        if not judged[tool.server, tool.tool]:
            del judged[tool.server, tool.tool]
        if not judged:
            del self._judged[parent.uuid]
