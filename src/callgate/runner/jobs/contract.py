"""What the server (the tools) needs of the engine. No I/O here."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from callgate.runner.bridge.contract import ToolInfo
from callgate.runner.execution import Execution, InnerCall, Owner, Spec
from callgate.runner.journal.contract import Output, Page


class Refusal(Exception):
    """An execution that was not accepted: nothing ran, nothing is stored. Told to the agent.

    `code` is stable (RUN…), `message` one line. `line` and `column` are 1-based, where the script is at fault.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.column = column
        self.help = help


class View(Struct, frozen=True, kw_only=True):
    """One execution as its owner sees it. `next_offset` is where the next look at the output should begin.

    `in_doubt` are the inner calls of an `interrupted` execution that nobody knows the end of.
    """

    execution: Execution
    output: Sequence[Output] = ()
    next_offset: int = 0
    in_doubt: Sequence[InnerCall] = ()


class Engine(Protocol):
    """Accepts executions and answers for them. Every method but `submit` answers None for what is not the owner's."""

    async def submit(self, owner: Owner, spec: Spec) -> Execution:
        """Check and accept. Returns as soon as the journal has it. Raises Refusal."""
        ...

    async def view(self, owner: Owner, uuid: str, *, offset: int = 0, wait_seconds: float = 0) -> View | None:
        """How it stands; with `wait_seconds`, as soon as it ended, soon after anything changed, or then."""
        ...

    async def finished(self, owner: Owner, uuid: str, *, offset: int = 0) -> View | None:
        """Wait for its end, however long that takes."""
        ...

    async def cancel(self, owner: Owner, uuid: str) -> View | None:
        """Ask for its end; returns how it stands then (perhaps still `cancelling`)."""
        ...

    async def list(
        self, owner: Owner, *, limit: int, cursor: str | None = None, session_id: str | None = None
    ) -> Page:
        """Newest first. Raises Refusal for a cursor that no list gave."""
        ...

    async def tools(self, owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        """The functions that scripts of this owner may call."""
        ...
