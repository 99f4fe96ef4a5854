"""The gate's own credentials for a server, as headers: fetched where the configuration says, again when that changed.

Values are never logged, never shown and never part of an error.
"""

from collections.abc import Mapping

from callgate.clock import Clock
from callgate.config.model import Secret
from callgate.config.secrets import SecretError, read_secret
from callgate.filestate import FileState, look_at
from callgate.http1.contract import Header

_LOOK_EVERY_NS = 1_000_000_000


class SecretHeaders:
    """The headers of `configured`, name → value or where it is. Files are looked at once a second at most.

    A file that can no longer be read leaves the value it had: it may be in the middle of being replaced.
    """

    def __init__(self, configured: Mapping[str, str | Secret], clock: Clock) -> None:
        """Raises SecretError if a value is not there to begin with."""
        self._configured = dict(configured)
        self._now_ns = clock.monotonic_ns
        self._files = tuple(
            secret.file
            for secret in configured.values()
            if isinstance(secret, Secret) and secret.file is not None
        )
        self._seen = self._look()
        self._looked_ns = self._now_ns()
        self._headers = self._read()

    def current(self) -> tuple[Header, ...]:
        """The headers to send now; the same object as long as nothing changed."""
        if self._files:
            now = self._now_ns()
            if now - self._looked_ns >= _LOOK_EVERY_NS:
                self._looked_ns = now
                self._refresh()
        return self._headers

    def __repr__(self) -> str:
        return f"SecretHeaders({sorted(self._configured)})"

    def _refresh(self) -> None:
        seen = self._look()
        if seen != self._seen:
            try:
                self._headers = self._read()
            except SecretError:
                return
            self._seen = seen

    def _look(self) -> tuple[FileState, ...]:
        return tuple(look_at(path) for path in self._files)

    def _read(self) -> tuple[Header, ...]:
        return tuple(
            (name.lower().encode("ascii", "replace"), read_secret(value).encode())
            for name, value in self._configured.items()
        )
