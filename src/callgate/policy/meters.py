"""What a call spends: limits and counts compiled to functions from the request to charges, bounds to guards."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from callgate.decision import (
    Amount,
    CalendarWindow,
    Charge,
    Guard,
    Limit,
    Request,
    SlidingWindow,
    Window,
)
from callgate.digest import lean as sha256
from callgate.policy.counter_keys import compile_key
from callgate.policy.model import Condition, Count, Path, RateLimit, Rule, StateBound, Tool
from callgate.policy.name_patterns import is_pattern
from callgate.policy.numbers import canonical, exact
from callgate.policy.numbers import cost as usable_cost
from callgate.policy.paths import compile_path, looks_beyond_caller, show_path

Spent = RateLimit | Count


class Meter:
    """One limit or count of one rule, compiled."""

    __slots__ = ("amount", "cost", "cost_path", "is_fixed", "key", "limit", "per", "spent")

    def __init__(self, limit: Limit, spent: Spent) -> None:
        self.limit = limit
        self.spent = spent
        self.per: tuple[Path, ...] = spent.per if isinstance(spent, RateLimit) else ()
        self.key = compile_key(limit.id, limit.scope, self.per)
        self.cost_path = spent.cost if isinstance(spent, RateLimit) else spent.increment_from
        self.cost = None if self.cost_path is None else compile_path(self.cost_path)
        self.amount: Amount = spent.amount if isinstance(spent, RateLimit) else spent.increment
        self.is_fixed = self.cost is None and not any(map(looks_beyond_caller, self.per))

    def charge(self, request: Request) -> Charge | str:
        """Return what the call spends, or "cost" or "per" for what makes that impossible to say."""
        amount: Amount | None = self.amount
        if self.cost is not None:
            amount = usable_cost(self.cost(request))
            if amount is None:
                return "cost"
        key = self.key(request)
        return "per" if key is None else Charge(self.limit, key, amount)  # type: ignore[arg-type]


Place = tuple[int, int]
"""Which entry of the document, and which rule of the entry. Never part of what a counter is called."""


def compile_meters(
    tools: Sequence[Tool], label: Callable[[Tool, Rule], str]
) -> dict[Place, tuple[Meter, ...]]:
    """Return the meters of every rule that has any; `label` names the rule of a tool.

    A limit's id comes from what it counts, never from where it stands or from its `max`. Limits that count
    the same are told apart by a number; which one gets which depends on their bounds, not on their order.
    """
    alike: dict[str, list[tuple[tuple[Any, ...], Place, Spent]]] = {}
    for tool_index, tool in enumerate(tools):
        for rule_index, rule in enumerate(tool.rules):
            spendings: list[Spent] = [*rule.limits, *rule.counts]
            for spent in spendings:
                same = alike.setdefault(_identity_of(tool, rule, spent), [])
                same.append((_rank(rule, spent), (tool_index, rule_index), spent))
    meters: dict[Place, list[Meter]] = {}
    for identity, same in alike.items():
        same.sort(key=lambda item: item[0])
        for ordinal, (_, place, spent) in enumerate(same):
            tool = tools[place[0]]
            rule = tool.rules[place[1]]
            limit_id = identity if ordinal == 0 else f"{identity}.{ordinal}"
            limit = _limit(limit_id, label(tool, rule), tool, rule, spent)
            meters.setdefault(place, []).append(Meter(limit, spent))
    return {place: tuple(sorted(own, key=lambda meter: meter.limit.id)) for place, own in meters.items()}


def _limit(limit_id: str, label: str, tool: Tool, rule: Rule, spent: Spent) -> Limit:
    if isinstance(spent, Count):
        text = f"counts {spent.counter}"
        return Limit(
            limit_id, None, spent.window, spent.scope, text, label, reason=rule.reason, source=spent.source
        )
    text = f"{spent.max} {show_window(spent.window)}"
    if spent.cost is not None:
        text = f"{spent.max} of {show_path(spent.cost)} {show_window(spent.window)}"
    return Limit(
        limit_id,
        spent.max,
        spent.window,
        spent.scope,
        f"less than {text}" if spent.strict else text,
        label,
        strict=spent.strict,
        reason=rule.reason,
        source=spent.source,
        shared=tool.pattern if is_pattern(tool.pattern) and ("tool",) not in spent.per else None,
        adds_up=spent.cost is not None,
    )


def show_window(window: Window) -> str:
    """Return "in 60 s", "in 1 h", or "per day" for a calendar window."""
    if isinstance(window, CalendarWindow):
        return f"per {window.unit}"
    milliseconds = window.milliseconds
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and milliseconds >= size and (unit != "min" or milliseconds > size):
            return f"in {milliseconds // size} {unit}"
    return f"in {milliseconds} ms"


def compile_guard(
    bound: StateBound, meters: Iterable[tuple[Tool, Meter]], label: str, reason: str | None
) -> Callable[[Request], Guard | None]:
    """Return the function that makes the guard for `bound`, on the counter that one of `meters` spends on.

    A counter that nothing spends on is always 0.
    """
    names = {bound.counter, f"{bound.tool}.{bound.counter}"}
    found = [
        meter
        for tool, meter in meters
        if meter.spent.counter in names and bound.tool in (tool.pattern, _scope_name(tool))
    ]
    found.sort(
        key=lambda meter: (
            meter.limit.scope != bound.scope,
            meter.limit.window != bound.window,
            meter.limit.id,
        )
    )
    if found:
        meter = found[0]
        key, window, scope = meter.key, meter.limit.window, meter.limit.scope
    else:
        key = compile_key(_digest(["unspent", bound.tool, bound.counter]), bound.scope, ())
        window, scope = bound.window, bound.scope

    def guard(request: Request) -> Guard | None:
        name = key(request)
        if name is None:
            return None
        return Guard(name, window, scope, bound.op, bound.value, label, reason, bound.source)

    return guard


def _scope_name(tool: Tool) -> str:
    """What Intercept calls the entry in the path of a counter."""
    return "_global" if tool.pattern == "*" else tool.pattern


def _identity_of(tool: Tool, rule: Rule, spent: Spent) -> str:
    per = spent.per if isinstance(spent, RateLimit) else ()
    cost = spent.cost if isinstance(spent, RateLimit) else spent.increment_from
    return _digest(
        [
            tool.pattern,
            sorted(_condition(condition) for condition in rule.when),
            _window(spent.window),
            spent.scope,
            list(map(list, per)),
            None if cost is None else list(cost),
            spent.counter,
        ]
    )


def _rank(rule: Rule, spent: Spent) -> tuple[Any, ...]:
    """Orders limits that count the same; nothing here but the last resort knows of places."""
    bounded = isinstance(spent, RateLimit)
    return (
        not bounded,
        spent.max if isinstance(spent, RateLimit) else 0,
        isinstance(spent, RateLimit) and not spent.strict,
        spent.amount if isinstance(spent, RateLimit) else spent.increment,
        rule.name or "",
        rule.action,
        rule.reason or "",
        *(number for source in (spent.source, rule.source) for number in (source.line, source.column)),
    )


def _condition(condition: Condition) -> str:
    return _plain([list(condition.path), condition.op, condition.value])


def _window(window: Window) -> str:
    return f"{window.milliseconds} ms" if isinstance(window, SlidingWindow) else window.unit


def _digest(parts: list[Any]) -> str:
    return sha256(_plain(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _plain(value: Any) -> str:
    """Return one text for each piece of policy data; equal numbers give equal text."""
    if type(value) is list:
        return f"[{','.join(map(_plain, value))}]"
    if type(value) is dict:
        return f"{{{','.join(sorted(f'{_plain(key)}:{_plain(item)}' for key, item in value.items()))}}}"
    if value is None or type(value) is bool:
        return str(value)
    if type(value) is str:
        return f"{len(value)}'{value}"
    number = exact(value)
    return "?" if number is None else f"#{canonical(number)}"
