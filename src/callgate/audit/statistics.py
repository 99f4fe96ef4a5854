"""Counts, rates and latencies of the calls in an audit: one pass, memory that does not grow with the file."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from callgate.audit.calls import Call

By = Literal["tool", "server", "identity", "code"]
MAX_GROUPS = 10_000
"""So many are told apart; the rest is counted together as `OTHER`."""
OTHER = "(all others)"
_MAX_NAME = 300
_STEP = math.log(1.02)
_NOT_AN_ERROR = frozenset(("ok", "denied", "input_required", "task", "cancelled"))


class Latencies:
    """Durations in buckets that are 2 % apart, so that a percentile is exact to 1 %."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0

    def add(self, milliseconds: float) -> None:
        """Take one duration; anything below a microsecond counts as one."""
        self._buckets[round(math.log(min(max(milliseconds, 0.001), 1e12)) / _STEP)] += 1
        self.count += 1

    def percentile(self, share: float) -> float | None:
        """The duration in milliseconds below which `share` of all lie; None without any."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return math.exp(bucket * _STEP)
        return None


class Group(Struct):
    """The calls of one tool (server, identity, code). `open` are those without an outcome in the file."""

    name: str
    latencies: Latencies
    calls: int = 0
    denied: int = 0
    errors: int = 0
    open: int = 0


class Statistics:
    """Takes calls one by one. Denied calls have no part in latencies, nor have calls that went on as a task."""

    def __init__(self, by: By) -> None:
        self._name = _NAMES[by]
        self.all = Group("", Latencies())
        self.groups: dict[str, Group] = {}
        self.codes: Counter[str] = Counter()
        self.first: str | None = None
        self.last: str | None = None

    def add(self, call: Call) -> None:
        """Count one call."""
        time = call.decision.time
        self.first = time if self.first is None else min(self.first, time)
        self.last = time if self.last is None else max(self.last, time)
        name = self._name(call)[:_MAX_NAME]
        group = self.groups.get(name)
        if group is None:
            if len(self.groups) >= MAX_GROUPS:
                name = OTHER
            group = self.groups.setdefault(name, Group(name, Latencies()))
        if call.decision.effect != "allow":
            code = (call.decision.code or "")[:_MAX_NAME]
            self.codes[code if code in self.codes or len(self.codes) < MAX_GROUPS else OTHER] += 1
        _count(call, group)
        _count(call, self.all)

    def largest(self) -> list[Group]:
        """The groups, those with the most calls first."""
        return sorted(self.groups.values(), key=lambda group: (-group.calls, group.name))


def _count(call: Call, group: Group) -> None:
    group.calls += 1
    outcome = call.outcome
    if call.decision.effect != "allow":
        group.denied += 1
    elif outcome is None:
        group.open += 1
    else:
        group.errors += outcome.status not in _NOT_AN_ERROR
        if outcome.duration_ms is not None and outcome.status != "task":
            group.latencies.add(outcome.duration_ms)


_NAMES: dict[By, Callable[[Call], str]] = {
    "tool": lambda call: f"{call.decision.server}.{call.decision.tool}",
    "server": lambda call: call.decision.server,
    "identity": lambda call: call.decision.identity,
    "code": lambda call: call.decision.code or "",
}
