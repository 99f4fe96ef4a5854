"""What the rest of the runner needs of a bridge. No I/O here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from callgate.runner.answer import Answer
from callgate.runner.execution import Owner


class ToolInfo(Struct, frozen=True, kw_only=True):
    """One tool that scripts may call. `function` is `mcp_<Server>_<tool>`, unique; `repeatable`: read-only or
    idempotent by its own annotations. `never_allowed`: the policy denies every call of it."""

    function: str
    server: str
    tool: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    repeatable: bool = False
    never_allowed: bool = False


class Parent(Struct, frozen=True):
    """Under which execution a call is made; `parent_id` stands in the audit beside it."""

    uuid: str
    owner: Owner

    @property
    def parent_id(self) -> str:
        return self.uuid


class CallCounts(Struct, frozen=True, kw_only=True):
    """The calls that an execution has made so far, over all attempts, without replays: by server and tool."""

    made: Mapping[tuple[str, str], int]
    denied: Mapping[str, int]
    """By server."""


BeforeForward = Callable[[str], Awaitable[None]]
"""Called with the decision's id when the call is allowed, and awaited before the call may go on (the journal's
`call_started`). If it raises, the call is not made and what it spent is given back."""


class Bridge(Protocol):
    """The servers of the runner's configuration, and the gate before them. One for a worker."""

    async def open(self) -> None:
        """Read policies, open limits and audit. Servers are started when they are first needed. Raises
        CallgateError."""
        ...

    async def warm(self, servers: Sequence[str]) -> dict[str, str]:
        """Have these servers ready, side by side. Returns server → why not (one line), for those that are not."""
        ...

    async def tools(self, owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        """The tools that `owner` may see: hidden ones are absent. `servers` None: all."""
        ...

    def mentioned(self, text: str) -> Sequence[str]:
        """The servers whose functions a text could name: only those have to be asked what they offer."""
        ...

    def known(self, function: str) -> ToolInfo | None:
        """The tool behind a function's name, as it was last listed; None if it is not known."""
        ...

    async def call(
        self,
        parent: Parent,
        function: str,
        arguments: dict[str, Any],
        before_forward: BeforeForward,
        counts: "CallCounts | None" = None,
    ) -> Answer:
        """Judge, record and make one call. Never raises but CancelledError and what `before_forward` raises.

        `counts` is held against the budgets (`per_execution`) of the policies: a call beyond one is a denied call
        like any other, with its record.
        """
        ...

    async def close(self) -> None: ...
