"""The exception tree: what went wrong, under which stable code, and what the process exits with.

    CallgateError                exit 70 (a bug, unless a subclass says otherwise)
    ├── UsageError               exit 2
    ├── PolicyError              exit 3   carries every diagnostic of the file
    │   └── ConfigError                   the same of callgate.yaml and the policies it names
    ├── UpstreamError            exit 4
    ├── StateError               exit 5   the limit store cannot answer: the call is denied
    ├── AuditError               exit 5   the record cannot be written: nothing is forwarded
    ├── JournalError             exit 5   executions cannot be kept: none is accepted
    │   └── JournalFull                   the operator's bounds are reached
    ├── SandboxError             exit 6   a wall is missing, or no sandbox can be made
    ├── PackagesError            exit 5   what a script wants to import cannot be had, or kept
    └── WireRefusal              never ends the process: a frame that is answered and not forwarded

What each code means, and what to do about it, is in `callgate.codes`; docs/errors/ is generated from there.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callgate.diagnostics import Diagnostic


class CallgateError(Exception):
    """An error a person is told about. `message` is one lower-case line, `help` says what to do."""

    exit_status = 70

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


class UsageError(CallgateError):
    """The command line cannot be understood."""

    exit_status = 2


class PolicyError(CallgateError):
    """A policy file is not valid. `diagnostics` holds every finding of the file, errors and warnings."""

    exit_status = 3

    def __init__(self, diagnostics: "Sequence[Diagnostic]") -> None:
        first = next((d for d in diagnostics if d.severity == "error"), diagnostics[0])
        super().__init__(first.code, first.message, first.help)
        self.diagnostics = tuple(diagnostics)


class ConfigError(PolicyError):
    """callgate.yaml, or a file that it names, is not valid. `diagnostics` holds every finding of all of them.

    `seen` has the states of the files before they were read (as `filestate` has them): when one of them changes, it
    is worth trying again.
    """

    def __init__(
        self, diagnostics: "Sequence[Diagnostic]", seen: "Mapping[str, tuple[int, ...] | None] | None" = None
    ) -> None:
        super().__init__(diagnostics)
        self.seen = dict(seen or {})


class UpstreamError(CallgateError):
    """The server behind the gate cannot be started or reached."""

    exit_status = 4


class StateError(CallgateError):
    """The limit store is broken, full, locked or unreadable.

    `message` may name where the store is: it is for whoever runs the gate, never for agents. `retry_after` is in
    seconds, where it is known when a call could pass again.
    """

    exit_status = 5

    def __init__(
        self, code: str, message: str, help: str | None = None, *, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message, help)
        self.retry_after = retry_after


class AuditError(CallgateError):
    """The audit cannot be written or read."""

    exit_status = 5


class JournalError(CallgateError):
    """The journal of executions is broken, full, locked or unreachable. `message` is for the operator, not agents."""

    exit_status = 5


class JournalFull(JournalError):
    """No further execution is accepted: as many wait, or as much is kept, as the operator allows."""


class SandboxError(CallgateError):
    """A sandbox with all its walls cannot be made here."""

    exit_status = 6


class PackagesError(CallgateError):
    """Packages that a script wants cannot be installed, or may not be. `message` is fit for the agent."""

    exit_status = 5


class WireRefusal(CallgateError):
    """A frame that must not be forwarded.

    `rpc_code` is the JSON-RPC error code of the answer; `request_id` the id it is answered under
    (None if the frame has none that can be trusted); `expects_answer` is False for frames that JSON-RPC
    says must not be answered (notifications, responses).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        rpc_code: int,
        request_id: str | int | None = None,
        expects_answer: bool = True,
    ) -> None:
        super().__init__(code, message)
        self.rpc_code = rpc_code
        self.request_id = request_id
        self.expects_answer = expects_answer
