"""The one internal form that every policy file is read into: plain, immutable, located data.

Readers (`native`, `intercept`, `hosted`) produce it, `compile` consumes it. It never holds anything callable.
"""

from typing import Any, Literal

from msgspec import Struct

from callgate.decision import Amount, GuardOp, Scope, Window
from callgate.diagnostics import Diagnostic, Source

Form = Literal["native", "intercept", "hosted"]
Action = Literal["allow", "deny", "require_approval"]
Operator = Literal["eq", "neq", "in", "not_in", "lt", "lte", "gt", "gte", "regex", "contains", "exists"]
OPERATORS: tuple[Operator, ...] = (
    "eq", "neq", "in", "not_in", "lt", "lte", "gt", "gte", "regex", "contains", "exists",
)  # fmt: skip

Path = tuple[str, ...]
"""`args.a.b` is ("args", "a", "b"), `identity.a` ("identity", "a"); one-word paths are ("tool",), ("server",),
("session",), ("identity",)."""


class Condition(Struct, frozen=True):
    """`path` `op` `value`. Numbers in `value` are int or Decimal, never float."""

    path: Path
    op: Operator
    value: Any
    source: Source


class RateLimit(Struct, frozen=True):
    """At most `max` (calls, or the sum of `cost`) in any `window`, per `scope` and per value of `per`.

    A call is charged the value at `cost`, or `amount` if there is no `cost`.
    """

    max: Amount
    window: Window
    source: Source
    scope: Scope = "session"
    per: tuple[Path, ...] = ()
    cost: Path | None = None
    strict: bool = False
    counter: str | None = None
    """A counter name that is part of the limit's identity (Intercept's and hosted's named counters).

    Intercept: `<tool>.<counter>`, or `_global.<counter>` under `"*"`, as in `StateBound` and `Count`.
    """
    amount: Amount = 1
    """Always more than 0; other than 1 only in Intercept files (`increment`)."""


class Count(Struct, frozen=True):
    """An Intercept `state` block without a bound of its own: spends, never refuses.

    `counter` is `<tool>.<counter>`, or `_global.<counter>` under `"*"`.
    """

    counter: str
    window: Window
    source: Source
    increment: Amount = 1
    increment_from: Path | None = None
    scope: Scope = "global"


class StateBound(Struct, frozen=True):
    """An Intercept condition on `state.<tool>.<counter>` other than a rule's own upper bound."""

    tool: str
    counter: str
    window: Window
    op: GuardOp
    value: Any
    source: Source
    scope: Scope = "global"


class Validate(Struct, frozen=True):
    """Which arguments are acceptable. `args` maps an argument's name to a JSON Schema (2020-12)."""

    source: Source
    required_args: bool = False
    schema: bool = False
    args: tuple[tuple[str, Any], ...] = ()


class Rule(Struct, frozen=True):
    """One rule. `when` says whether it applies; `require` what must then hold, else the call is denied.

    Each item of `forbid` is a conjunction: the call is denied if all its conditions hold (hosted `deny_if`;
    an empty conjunction always holds).
    """

    source: Source
    name: str | None = None
    action: Action = "allow"
    when: tuple[Condition, ...] = ()
    require: tuple[Condition, ...] = ()
    forbid: tuple[tuple[Condition, ...], ...] = ()
    limits: tuple[RateLimit, ...] = ()
    counts: tuple[Count, ...] = ()
    state_bounds: tuple[StateBound, ...] = ()
    validate: Validate | None = None
    reason: str | None = None


class Tool(Struct, frozen=True):
    """The rules of one tool name or anchored glob; `"*"` applies on top of all and lists nothing as allowed."""

    pattern: str
    source: Source
    rules: tuple[Rule, ...] = ()


class ToolBudget(Struct, frozen=True):
    """At most `max` calls, in one execution, of all tools together that match `pattern`."""

    pattern: str
    max: int
    source: Source


class ExecutionBudget(Struct, frozen=True):
    """What one execution of `callgate runner` may do; None for no bound."""

    source: Source
    max_calls: int | None = None
    max_denied: int | None = None
    max_milliseconds: int | None = None
    tools: tuple[ToolBudget, ...] = ()


SecretGrants = tuple[tuple[str, Source], ...]
"""The names of the secrets that code may hold."""


class Document(Struct, frozen=True):
    """A whole policy file. `revision` is the first 12 hex digits of the SHA-256 of its bytes."""

    form: Form
    file: str
    revision: str
    default: Literal["allow", "deny"] = "allow"
    hide: tuple[tuple[str, Source], ...] = ()
    tools: tuple[Tool, ...] = ()
    allow_methods: tuple[str, ...] = ()
    """Globs of JSON-RPC methods outside the protocol that may pass; everything else unknown is refused."""
    description: str | None = None
    warnings: tuple[Diagnostic, ...] = ()
    per_execution: ExecutionBudget | None = None
    grant_secrets: SecretGrants = ()
