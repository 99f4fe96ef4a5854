"""Names of arguments that only resemble those a policy looks at: `Amount` beside `amount`.

A server that ignores case takes one for the other, and the rules would look at nothing. Never says which of two
names that the policy itself tells apart is meant: both are as written.
"""

from collections.abc import Callable, Iterable
from typing import Any

from callgate.policy.lookalike import fold
from callgate.policy.model import Path, Rule

LONGEST_FOLDED = 256
"""Characters; a longer name is none that a server would take for another."""

MAX_KNOWN = 1024
"""Harmless names kept for each object; when a hostile caller has invented that many, all are forgotten."""


def argument_paths(rule: Rule) -> list[Path]:
    """Return the paths below the arguments at which `rule` looks, without the first word."""
    conditions = [*rule.when, *rule.require, *(each for clause in rule.forbid for each in clause)]
    paths = [condition.path for condition in conditions]
    for limit in rule.limits:
        paths.extend(limit.per)
        if limit.cost is not None:
            paths.append(limit.cost)
    paths.extend(count.increment_from for count in rule.counts if count.increment_from is not None)
    found = [path[1:] for path in paths if path[0] == "args" and len(path) > 1]
    if rule.validate is not None:
        found.extend((name,) for name, _ in rule.validate.args)
    return found


class ArgumentNames:
    """The names that a policy knows in one object of a call, and in the objects below it.

    `all_known` says quickly of most objects that `resembling` finds nothing in them.
    """

    __slots__ = ("_below", "_exact", "_folded", "_known", "all_known")

    all_known: Callable[[dict[str, Any]], bool]

    def __init__(self, paths: Iterable[Path]) -> None:
        below: dict[str, list[Path]] = {}
        for name, *rest in paths:
            deeper = below.setdefault(name, [])
            if rest:
                deeper.append(tuple(rest))
        self._exact = frozenset(below)
        self._folded = {fold(name): name for name in sorted(below, reverse=True)}
        self._below = {name: ArgumentNames(rest) for name, rest in below.items() if rest}
        # Names known to be harmless; those of nearly all calls are, after the first.
        self._known = set(below)
        self.all_known = _never if self._below else self._known.issuperset

    def resembling(self, arguments: dict[str, Any]) -> tuple[str, str] | None:
        """Return a name in `arguments` that only resembles one of the policy's, and the latter; None if none."""
        if not self._known.issuperset(arguments):
            for name in arguments:
                found = self._look_at(name)
                if found is not None:
                    return name, found
        for name, names in self._below.items():
            value = arguments.get(name)
            if type(value) is dict and (below := names.resembling(value)) is not None:
                return below
        return None

    def _look_at(self, name: str) -> str | None:
        known = self._known
        if name in known or len(name) > LONGEST_FOLDED:
            return None
        found = self._folded.get(fold(name))
        if found is None:
            if len(known) >= MAX_KNOWN + len(self._exact):
                known.clear()
                known.update(self._exact)
            known.add(name)
        return found


def _never(arguments: dict[str, Any]) -> bool:  # noqa: ARG001
    return False
