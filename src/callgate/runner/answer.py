"""What a script's tool call is answered with. Data only."""

from typing import Any, Literal

from msgspec import Struct

FailureKind = Literal["denied", "tool_error", "failed", "unknown_tool", "interrupted"]
"""`denied`: by policy, budget or limit; nothing was sent. `tool_error`: the tool says that it failed. `failed`: no
(whole) answer came; whether the call ran is not known unless `ran` is False."""


class Failure(Struct, frozen=True, kw_only=True):
    """Why there is no value. `code` is stable; `rule`, `reason` and `retry_after` (seconds) as for a direct call."""

    kind: FailureKind
    message: str
    code: str | None = None
    rule: str | None = None
    reason: str | None = None
    retry_after: float | None = None
    ran: bool = True


class Answer(Struct, frozen=True, kw_only=True):
    """What a call came to: a JSON value, or why there is none.

    The value of a tool is its structured content if it has one; else its only text, decoded if that is JSON; else the
    list of its content blocks.
    """

    value: Any = None
    failure: Failure | None = None
