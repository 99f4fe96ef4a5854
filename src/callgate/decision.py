"""What is judged and what comes of it. Data only; no rule, no store and no wire is known here.

Request (one tool call) → policy.decide → Decision (pure) → gate.admit → Admission (after limits and
audit; the only thing a session acts on).
"""

from decimal import Decimal
from enum import IntEnum
from typing import Any, Literal

from msgspec import Struct

from callgate.diagnostics import Source

Amount = int | Decimal
"""An exact amount; never a float."""

Scope = Literal["session", "identity", "global", "grant"]
"""Whose calls share a counter. `grant` (hosted files): the authenticated identity, on stdio the session."""


class Effect(IntEnum):
    """Ordered by strictness: the strictest of several wins."""

    ALLOW = 0
    HOLD = 1
    DENY = 2


class Request(Struct, frozen=True, gc=False):
    """One tool call as the policy sees it.

    `arguments` is the decoded JSON object, numbers exact (int, Decimal, or a float whose repr is exactly what
    the caller wrote). `schema` is the tool's own input schema (`policy.toolschema.ToolSchema`), None if unknown.
    `grant` is the identity if it was proven (by a token, say), None if it is only assumed, as on stdio. `claims` is
    what the caller's credential says (JSON values); None where there is none.
    """

    tool: str
    arguments: dict[str, Any]
    session: str = "session"
    identity: str = "local"
    server: str = "server"
    schema: Any = None
    grant: str | None = None
    claims: dict[str, Any] | None = None


class SlidingWindow(Struct, frozen=True, tag="sliding"):
    """Any interval of `milliseconds` length."""

    milliseconds: int


class CalendarWindow(Struct, frozen=True, tag="calendar"):
    """The current minute, hour or day in UTC. For Intercept and hosted files only."""

    unit: Literal["minute", "hour", "day"]


Window = SlidingWindow | CalendarWindow


class Limit(Struct, frozen=True):
    """At most `max` in any `window`, for each value of the counter's key.

    `id` names the counter and stays the same over reloads for as long as the limit's tool pattern, rule
    condition, window, scope, per and cost stay the same; `max` is not part of it, so that it can be edited
    without forgetting what was spent. `max` None counts without bounding. `strict` True means that the total
    must stay below `max`, False that it may reach it. `max_counters` bounds how many live counters (values
    of `per`) one limit may have: a charge that would open one more is refused. `text` is for people:
    "10 in 60 s". `rule` is the rule's name or place. `shared` is the pattern whose tools share the counter, None
    if each tool has its own; `adds_up` says that amounts are added up, and not calls.
    """

    id: str
    max: Amount | None
    window: Window
    scope: Scope
    text: str
    rule: str
    strict: bool = False
    max_counters: int = 10_000
    reason: str | None = None
    source: Source | None = None
    shared: str | None = None
    adds_up: bool = False


class Charge(Struct, frozen=True):
    """`amount` (≥ 0) to be spent on the counter `key` of `limit`; `key` begins with `limit.id`."""

    limit: Limit
    key: str
    amount: Amount = 1


GuardOp = Literal["eq", "neq", "in", "not_in", "lt", "lte", "gt", "gte", "exists"]


class Guard(Struct, frozen=True):
    """A condition on a counter's value before this call is charged (Intercept's `state.*` conditions).

    Holds or the call is refused; evaluated in the same transaction as the charges. A counter that was never
    charged has the value 0 and, for `exists`, exists.
    """

    key: str
    window: Window
    scope: Scope
    op: GuardOp
    value: Any
    rule: str
    reason: str | None = None
    source: Source | None = None


class Reason(Struct, frozen=True):
    """Why: a stable code, the rule's name, a text the agent may read, and the place in the policy file."""

    effect: Effect
    code: str
    rule: str
    text: str
    source: Source | None = None


class Decision(Struct, frozen=True):
    """What the policy alone says. `reasons` is empty for a plain allow; strictest first otherwise."""

    effect: Effect
    reasons: tuple[Reason, ...] = ()
    charges: tuple[Charge, ...] = ()
    guards: tuple[Guard, ...] = ()
    hidden: bool = False
