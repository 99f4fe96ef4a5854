"""What a worker works with. Data only; `app_runner` puts it together."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from callgate.runner.bridge.contract import Bridge
from callgate.runner.execution import Owner, Spec
from callgate.runner.journal.contract import Journal
from callgate.runner.redaction import Redactor
from callgate.runner.sandbox.contract import Backend, Limits, Packages

Log = Callable[[str, str], None]
"""Level and one line, fit to be shown to the operator."""

Execute = Callable[[str], Awaitable[None]]
"""Takes up the execution of this id."""


class Queue(Protocol):
    """Gives ids to workers, and may be a worker itself. It carries ids alone; the journal knows what they mean."""

    @property
    def in_memory(self) -> bool:
        """Whether nobody but this process sees it."""
        ...

    async def put(self, uuid: str, attempt: int) -> None:
        """Have somebody take the execution up. Raises JournalError: the queue does not answer."""
        ...

    def start_worker(self, concurrency: int, name: str) -> None:
        """Take up executions here, `concurrency` at a time."""
        ...

    async def stop_worker(self) -> None:
        """Take up no more. What is under way here is cancelled; who needs it to end well waits before."""
        ...


PackagesFor = Callable[[Sequence[str]], AbstractAsyncContextManager[Sequence[Packages]]]
"""The folders for `additional_imports`, the base profile among them, in use until the end. Raises PackagesError."""


class Secrets(Protocol):
    """The operator's secrets. Values are never logged and never journaled."""

    def read(self) -> dict[str, str]:
        """Every secret that can be read now, by its name: those that scripts may ask for."""
        ...

    def redactor(self) -> Redactor:
        """What takes those, and all that servers are given, out of what is shown."""
        ...


class Grants(Protocol):
    """What the runner's own policy says of an execution as such."""

    def grants(self, secret: str) -> bool:
        """Whether scripts may see this secret."""
        ...

    @property
    def max_seconds(self) -> float | None: ...


class WorkerOptions(Struct, frozen=True, kw_only=True):
    """`name` tells workers apart in the journal. Times in seconds. `network`: hosts that scripts may reach."""

    name: str
    limits: Limits
    lease: float = 15.0
    max_attempts: int = 5
    concurrency: int = 4
    network: tuple[str, ...] = ()
    several_owners: bool = False
    """Whether one owner must leave a place to others."""
    calls: int = 100_000
    """Tool calls that one execution may make, refused ones too."""
    answers: int = 256 << 20
    """Bytes of what all of them may be answered with, together: the journal keeps it until the execution ends."""


class Parts(Struct, frozen=True, kw_only=True):
    """Everything one worker shares among its attempts."""

    journal: Journal
    backend: Backend
    bridge: Bridge
    packages: PackagesFor
    secrets: Secrets
    grants: Grants
    options: WorkerOptions
    log: Log


Accept = Callable[[Owner, Spec], Awaitable[None]]
"""Looks at what is asked for before anything is stored. Raises `contract.Refusal`."""
