"""What a journal is. Every write of a worker is fenced: it counts only while the worker's attempt is the current one.

A method returns when what it wrote would survive `kill -9` (and, with full synchronisation, a power cut, but for what
the next attempt makes anew: `running`, output, progress, `repeatable` calls; whatever survives, all that was written
before it does too). All raise `JournalError` if the journal cannot answer. Times in milliseconds since 1970, by the
journal's one clock.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from callgate.runner.execution import Ending, Execution, InnerCall, Owner

BAD_CURSOR = "JRN019"
"""The code of the error for a cursor that no list gave."""


class Fence(Struct, frozen=True):
    """One attempt of one execution: what a worker holds while it runs it."""

    uuid: str
    attempt: int


class Lost(Exception):
    """The attempt is not the current one any more: somebody else took the execution over, or it ended."""


class Output(Struct, frozen=True):
    """A piece of what a script wrote. `offset` counts the bytes of both streams in the order in which they came."""

    offset: int
    stream: Literal["stdout", "stderr"]
    data: bytes


class Claim(Struct, frozen=True, kw_only=True):
    """An execution taken up. `calls` are those of earlier attempts, by `seq`; `session_vars` are the variables that
    earlier runs of the same `session_id` declared."""

    fence: Fence
    execution: Execution
    calls: tuple[InnerCall, ...]
    session_vars: dict[str, Any]


class Page(Struct, frozen=True):
    """Executions without scripts, variables and results, newest first; `cursor` None at the end."""

    executions: tuple[Execution, ...]
    cursor: str | None


class Journal(Protocol):
    """Keeps executions. One connection or pool for a process; safe for many processes at once."""

    async def open(self) -> None:
        """Make or migrate the tables. Raises JournalError (exit 5)."""
        ...

    async def submit(self, execution: Execution) -> None:
        """Accept a new execution in state `queued`. Raises JournalFull (a JournalError) at the operator's bounds."""
        ...

    async def get(self, uuid: str, owner: Owner | None) -> Execution | None:
        """One execution; None if there is none or it is not `owner`'s (None: whoever's)."""
        ...

    async def output(self, uuid: str, offset: int, max_bytes: int) -> tuple[Sequence[Output], int]:
        """What was kept of the current attempt's output from `offset` on, and where to go on.

        What was dropped in the middle shows as a gap between two pieces' offsets.
        """
        ...

    async def inner_calls(self, uuid: str) -> Sequence[InnerCall]:
        """All of them, by `seq`. Of an execution that ended, what they were answered is not kept: `answer` is None."""
        ...

    async def list(
        self, owner: Owner, *, limit: int, cursor: str | None = None, session_id: str | None = None
    ) -> Page: ...

    async def claim(self, uuid: str, worker: str, lease_ms: int) -> Claim | None:
        """Take up an execution that is queued, or whose lease ran out: its attempt counts up by one, `preparing`.

        None: it ended, was cancelled while queued, or somebody holds it.
        """
        ...

    async def renew(
        self, fences: Sequence[Fence], lease_ms: int
    ) -> Sequence[tuple[Fence, Literal["lost", "cancel"]]]:
        """Lengthen the leases; returns those that are lost and those that somebody asked to cancel."""
        ...

    async def running(self, fence: Fence, *, backend: str, tier: str) -> None:
        """`preparing` → `running`. Raises Lost."""
        ...

    async def append_output(self, fence: Fence, pieces: Sequence[Output]) -> None:
        """Keep pieces (already cut to head and tail). Raises Lost."""
        ...

    async def drop_output(self, fence: Fence, before: int, after: int) -> None:
        """Forget output between the offsets `before` and `after`: the middle that is not kept. Raises Lost."""
        ...

    async def progress(self, fence: Fence, fraction: float | None, text: str | None) -> None:
        """Raises Lost."""
        ...

    async def call_started(self, fence: Fence, call: InnerCall) -> None:
        """Raises Lost: then the call must not be made. A `started_ms` of 0 is now, and so is an `ended_ms`."""
        ...

    async def call_ended(self, fence: Fence, call: InnerCall) -> None:
        """Keep the answer, or the denial, of the call with this `seq` (a denied call has no start). Raises Lost."""
        ...

    async def finish(self, fence: Fence, ending: Ending, session_vars: dict[str, Any] | None = None) -> None:
        """The end of the attempt and of the execution. Raises Lost."""
        ...

    async def release(self, fence: Fence) -> None:
        """Give the execution back unfinished (`queued`, to be taken up at once): this worker stops. Raises Lost."""
        ...

    async def request_cancel(self, uuid: str, owner: Owner) -> Execution | None:
        """`queued` → `cancelled`; running → `cancelling`, and the worker hears of it at its next `renew`.

        Returns how it stands then; None as `get`. One that ended stays as it is.
        """
        ...

    async def due(self, *, limit: int = 1_000) -> Sequence[tuple[str, int]]:
        """Executions that nobody holds, with their attempts so far: queued ones, and those whose lease ran out;
        oldest first."""
        ...

    async def now_ms(self) -> int: ...

    async def tidy(self) -> int:
        """Apply retention and size limits to ended executions and session variables, give space back; returns how many
        executions were removed. Who holds more than an equal share makes room for all; nobody else loses anything."""
        ...

    async def close(self) -> None: ...
