"""Notice which of the gate's files changed, without ever reading one half written.

A changed file counts only when it has looked the same for `SETTLE_SECONDS`. Asked by a timer, every
`POLL_SECONDS`; reads nothing, starts nothing, and knows nothing of what a change means.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from callgate.clock import Clock
from callgate.config.model import Secret, ServeConfig
from callgate.filestate import FileState, look_at
from callgate.policyloader import SETTLE_SECONDS

POLL_SECONDS = 0.25
RETRY_SECONDS = 1.0

FileKind = Literal["config", "policy", "keys", "jwks", "tls", "ca", "secret"]


class ChangedFile(Struct, frozen=True):
    """A file that is not as it was, and rests. `path` is absolute."""

    path: str
    kind: FileKind


def watched_files(config: ServeConfig) -> dict[str, FileKind]:
    """Return every file that the configuration depends on, and what it is to it."""
    found: dict[str, FileKind] = {}
    for path, kind in _named(config):
        found.setdefault(path, kind)
    return found


def _named(config: ServeConfig) -> Iterator[tuple[str, FileKind]]:
    yield config.path, "config"
    for server in config.servers:
        yield server.policy, "policy"
    auth = config.auth
    if auth is not None:
        if auth.keys is not None:
            yield auth.keys, "keys"
        for issuer in auth.jwt:
            if "://" not in issuer.jwks:
                yield issuer.jwks, "jwks"
    for path in (config.listen.tls_cert, config.listen.tls_key):
        if path is not None:
            yield path, "tls"
    secrets: list[object] = [config.sessions.secret, config.state]
    for server in config.servers:
        if server.ca_file is not None:
            yield server.ca_file, "ca"
        secrets += [*server.headers.values(), *server.env.values()]
    for secret in secrets:
        if isinstance(secret, Secret) and secret.file is not None:
            yield secret.file, "secret"


class FilesWatch:
    """Compares files with what they were when they were last read.

    `seen` has the states that were taken before reading (`Loaded.seen`); of the other files the state is taken now,
    so make the watch before they are read.
    """

    def __init__(self, config: ServeConfig, clock: Clock, seen: Mapping[str, FileState]) -> None:
        self._clock = clock
        self._kinds: dict[str, FileKind] = {}
        self._read: dict[str, FileState] = {}
        # What a file that is not as it was looks like now, and since when.
        self._restless: dict[str, tuple[FileState, int]] = {}
        self._quiet_until: dict[str, int] = {}
        self.follow(config, seen)

    def follow(self, config: ServeConfig, seen: Mapping[str, FileState]) -> None:
        """Another configuration is in force now: watch its files. Those of before keep what is known of them."""
        self._kinds = watched_files(config)
        known = {**self._read, **seen}
        self._read = {path: known[path] if path in known else look_at(path) for path in self._kinds}
        self._restless = {path: state for path, state in self._restless.items() if path in self._kinds}
        self._quiet_until = {path: until for path, until in self._quiet_until.items() if path in self._kinds}

    def also(self, seen: Mapping[str, FileState]) -> None:
        """A reading of these files was refused (`ConfigError.seen`): watch those, too, that nothing in force needs.

        A policy that only the refused configuration names may be what is wrong with it, and be repaired.
        """
        for path, state in seen.items():
            if path not in self._kinds:
                self._kinds[path] = "policy"
                self._read[path] = state

    def poll(self) -> tuple[ChangedFile, ...]:
        """Return the files that changed and have come to rest. Each counts as read after that."""
        now = self._clock.monotonic_ns()
        changed = []
        for path, kind in self._kinds.items():
            if path in self._quiet_until:
                if now < self._quiet_until[path]:
                    continue
                del self._quiet_until[path]
                changed.append(ChangedFile(path, kind))
                self._read[path] = look_at(path)
                continue
            look = look_at(path)
            if look == self._read[path]:
                self._restless.pop(path, None)
                continue
            before = self._restless.get(path)
            if before is None or before[0] != look:
                self._restless[path] = (look, now)
            elif now - before[1] >= SETTLE_SECONDS * 1e9:
                del self._restless[path]
                self._read[path] = look
                changed.append(ChangedFile(path, kind))
        return tuple(changed)

    def unread(self, path: str) -> None:
        """What was to be read could not be, for a reason outside the file: tell of it again, in a while."""
        if path in self._kinds:
            self._quiet_until[path] = self._clock.monotonic_ns() + round(RETRY_SECONDS * 1e9)
