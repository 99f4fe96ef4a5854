"""Notice that a file changed, without ever reading it half written.

A prefix of a policy can be a valid policy with its last deny rules missing. So a changed file counts only when it
has looked the same for `SETTLE_SECONDS`; until then the caller holds the agent's frames back (at most
`PATIENCE_SECONDS`, for a file that never comes to rest).
"""

from typing import Literal

from callgate.clock import Clock
from callgate.filestate import FileState, look_at
from callgate.policyloader import SETTLE_SECONDS

PATIENCE_SECONDS = 2.0
RETRY_SECONDS = 1.0

Change = Literal["same", "settling", "changed"]


class FileWatch:
    """Compares the file with what it was when it was last read: `seen`, taken before that reading began."""

    def __init__(self, path: str, clock: Clock, seen: FileState) -> None:
        self._path = path
        self._clock = clock
        self._read = self._latest = seen
        self._since_ns = 0
        self._first_ns = 0
        self._quiet_until_ns = 0

    def check(self) -> Change:
        """Say whether the file is as it was, is being changed, or has changed and may be read now.

        After "changed" the file counts as read.
        """
        if self._quiet_until_ns:
            if self._clock.monotonic_ns() < self._quiet_until_ns:
                return "same"
            self._quiet_until_ns = 0
        look = look_at(self._path)
        if look == self._read == self._latest:
            return "same"
        now = self._clock.monotonic_ns()
        if self._latest == self._read:
            self._first_ns = now
        if look != self._latest:
            self._latest = look
            self._since_ns = now
        restless = now - self._first_ns > PATIENCE_SECONDS * 1e9
        if now - self._since_ns < SETTLE_SECONDS * 1e9 and not restless:
            return "settling"
        if restless and now - self._since_ns < SETTLE_SECONDS * 1e9:
            # It never rests: go on under the old policy and look again later.
            self._latest = self._read
            return "same"
        self._read = self._latest
        return "changed"

    def unread(self) -> None:
        """What was to be read could not be: tell of the change again, in a while."""
        self._read = self._latest = None
        self._quiet_until_ns = self._clock.monotonic_ns() + round(RETRY_SECONDS * 1e9)
