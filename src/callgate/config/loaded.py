"""What reading callgate.yaml comes to. Data only; knows nothing of how files are read."""

from msgspec import Struct

from callgate.config.model import ServeConfig
from callgate.diagnostics import Diagnostic
from callgate.filestate import FileState, look_at
from callgate.policy.model import Document


class Refused(Struct, frozen=True):
    """Files that are not valid: what was found in them, and the state of each before it was read."""

    findings: tuple[Diagnostic, ...]
    seen: dict[str, FileState]


class Loaded(Struct, frozen=True):
    """The configuration, the policy of each server by the server's name, and the state of each file before it was
    read, by its absolute path: callgate.yaml and the policies. `runner_policy` is what `runner.policy` names."""

    config: ServeConfig
    documents: dict[str, Document]
    seen: dict[str, FileState]
    runner_policy: Document | None = None

    def is_current(self) -> bool:
        """Whether every file is still as it was before it was read: none was written to meanwhile."""
        return all(look_at(path) == state for path, state in self.seen.items())
