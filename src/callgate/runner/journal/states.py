"""The table of states (`execution.NEXT`) as SQL. Pure; made of the table's own words alone."""

from collections.abc import Iterable

from callgate.runner.execution import NEXT, TERMINAL, State


def sql_list(states: Iterable[State]) -> str:
    """`('a', 'b')`: states are words of our own, so they need no escaping."""
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def before(state: State) -> frozenset[State]:
    """The states that may become `state`."""
    return frozenset(one for one, following in NEXT.items() if state in following)


LIVE: frozenset[State] = frozenset(NEXT) - TERMINAL - {"queued"}
"""The states of an attempt that somebody holds."""

LIVE_SQL = sql_list(LIVE)
REQUEUED_SQL = sql_list(before("queued"))
CANCELLING_SQL = sql_list(before("cancelling"))
CANCELLABLE_SQL = sql_list(before("cancelling") | {"queued"})
