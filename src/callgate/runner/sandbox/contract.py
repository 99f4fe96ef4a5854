"""What a backend that runs scripts is. No I/O here.

A backend that cannot keep a wall refuses at `open`; it never runs a script behind fewer walls than it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from callgate.runner.answer import Answer
from callgate.runner.execution import Ending

Tier = Literal["sandbox", "weak", "interpreter"]
"""`sandbox`: every wall of the security page. `weak`: Landlock and seccomp without namespaces. `interpreter`: no wall
of the operating system; the interpreter itself cannot reach anything. All but `sandbox` must be asked for by name."""

MAX_ERROR_TEXT = 16_384
"""Characters of each text of an error; a backend cuts off the rest."""

Stream = Literal["stdout", "stderr"]


class Limits(Struct, frozen=True, kw_only=True):
    """What one execution may use. Sizes in bytes, times in seconds; None means no limit of its own.

    `output` is how much of stdout and stderr together is kept (head and tail); `output_factor` times that ends the
    run. `results` bounds the encoded results, `threads` the threads of the one process.
    """

    memory: int = 1 << 30
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    threads: int = 64
    disk: int = 64 << 20
    inodes: int = 10_000
    output: int = 1 << 20
    output_factor: int = 64
    results: int = 1 << 20


class Function(Struct, frozen=True, kw_only=True):
    """One tool as a script sees it: `mcp_<Server>_<tool>`. `parameters` are the names in the schema's order."""

    name: str
    description: str = ""
    parameters: tuple[str, ...] = ()


class Packages(Struct, frozen=True, kw_only=True):
    """A read-only folder of installed packages, and the key (hash of its lock) under which it is cached."""

    key: str
    path: str


class Job(Struct, frozen=True, kw_only=True):
    """One attempt to run one script. `seed` makes `random` repeatable from attempt to attempt.

    `secrets` are only those that the policy grants. `filename` is what tracebacks call the script.
    """

    uuid: str
    attempt: int
    script: str
    limits: Limits
    input_vars: Mapping[str, Any] = field(default_factory=dict)
    output_vars: Mapping[str, str] = field(default_factory=dict)
    functions: Sequence[Function] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[Packages, ...] = ()
    network: tuple[str, ...] = ()
    """Hosts that may be reached, as `HOST:PORT` or `*.HOST:PORT`; empty for no network at all."""
    seed: str = ""
    filename: str = "script.py"


class Host(Protocol):
    """What a running script can reach. Called from the event loop."""

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:
        """Make one tool call. Never raises but CancelledError; several may be under way at once."""
        ...

    def output(self, stream: Stream, data: bytes) -> None:
        """Take what the script wrote, as it comes. The backend counts and ends the run at the hard cap."""
        ...

    def progress(self, fraction: float | None, text: str | None) -> None: ...


class WallReport(Struct, frozen=True):
    """One wall of the self-test: held or not, and what was tried."""

    name: str
    held: bool
    detail: str = ""


class Backend(Protocol):
    """Runs scripts. One instance for a worker; `run` may be under way many times at once."""

    name: str
    tier: Tier

    async def open(self) -> Sequence[WallReport]:
        """Test the walls, fill the pool. Raises SandboxError (exit 6) with a hint if a wall is missing."""
        ...

    def refuses(self, job: Job) -> str | None:
        """Why this backend cannot run such a job at all (one line for the agent); None if it can."""
        ...

    async def run(self, job: Job, host: Host) -> Ending:
        """Run one script to its end. Never raises but CancelledError and SandboxError (no sandbox could be made).

        Cancelled: the sandbox is dead, with everything in it, before this raises CancelledError.
        """
        ...

    async def close(self) -> None:
        """End every sandbox and give everything back. Idempotent."""
        ...
