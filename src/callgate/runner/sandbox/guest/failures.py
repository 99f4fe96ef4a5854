"""The module `callgate` as scripts import it: what a tool call that came to nothing raises."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ToolError(Exception):
    """A tool call has no result. `code` is stable; `ran` is False where it is certain that nothing was done."""

    def __init__(self, message: str, *, code: str | None = None, ran: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.ran = ran


class ToolDenied(ToolError):
    """Policy, a limit or a budget refused the call; nothing was sent.

    `rule` is the rule's name, `reason` why, `retry_after` the seconds after which the same call may pass, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        rule: str | None = None,
        reason: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, ran=False)
        self.rule = rule
        self.reason = reason
        self.retry_after = retry_after


class ToolFailed(ToolError):
    """The tool says that it failed, or no whole answer came."""


class ToolUnknown(ToolError):
    """There is no such tool (any more)."""


PUBLIC = (ToolError, ToolDenied, ToolFailed, ToolUnknown)

for _public in PUBLIC:
    _public.__module__ = "callgate"


def raised_for(failure: dict[str, Any]) -> ToolError:
    """The exception for a `failure` of the host's answer."""
    message = str(failure.get("message") or failure.get("kind") or "the call failed")
    code = failure.get("code")
    match failure.get("kind"):
        case "denied":
            return ToolDenied(
                message,
                rule=failure.get("rule"),
                reason=failure.get("reason"),
                code=code,
                retry_after=failure.get("retry_after"),
            )
        case "unknown_tool":
            return ToolUnknown(message, code=code, ran=False)
        case _:
            return ToolFailed(message, code=code, ran=bool(failure.get("ran", True)))
