"""Where an issuer's keys come from: a file that is read on reload, or a URL that is fetched behind the scenes.

A fetch runs in a thread of its own that only fetches and parses; its outcome is taken in by the event loop's thread,
to which everything else here belongs. Keys stay in use while their server fails, for a bounded time; then nobody
gets in by them.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from callgate.auth.fetch import FetchError
from callgate.auth.jwks import MAX_BYTES, KeySet, read_key_set

Fetch = Callable[[str, int], bytes]
"""URL and largest size → document. Blocks; raises FetchError."""

REFRESH_SECONDS = 600
STALE_SECONDS = 3600
"""How old keys may get while their server fails."""

UNKNOWN_KID_SECONDS = 30
"""Between two fetches that tokens with unknown keys ask for, however many there are."""

_RETRY_SECONDS = (5, 10, 20, 40, 60)
_SECOND = 1_000_000_000


class KeySource(Protocol):
    """The keys of one issuer. Times are of the monotonic clock, in nanoseconds."""

    def keys(self, now: int) -> KeySet | None:
        """The keys to trust now; None if there are none, or none that are recent enough."""
        ...

    def good_until(self) -> int | None:
        """When the present keys get too old, None for never."""
        ...

    def missing(self, now: int) -> bool:
        """A token names a key that is not there. True if newer keys are under way."""
        ...


class FileKeys:
    """Keys that were read from a file."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def keys(self, now: int) -> KeySet | None:  # noqa: ARG002
        return self._keys

    def good_until(self) -> int | None:
        return None

    def missing(self, now: int) -> bool:  # noqa: ARG002
        return False


class FetchedKeys:
    """Keys from `url`. `arrived` is called in the fetching thread when there is an outcome to `take`."""

    def __init__(
        self, url: str, algorithms: Sequence[str], fetch: Fetch, arrived: Callable[["FetchedKeys"], None]
    ) -> None:
        self.url = url
        self.algorithms = tuple(algorithms)
        self._fetch = fetch
        self._arrived = arrived
        self._keys: KeySet | None = None
        self._document: bytes | None = None
        self._fetched_at = 0
        self._attempted_at: int | None = None
        self._failures = 0
        self._under_way: threading.Thread | None = None
        self._outcome: tuple[bytes, KeySet] | str | None = None

    def keys(self, now: int) -> KeySet | None:
        return self._keys if now < self._fetched_at + STALE_SECONDS * _SECOND else None

    def good_until(self) -> int | None:
        return self._fetched_at + STALE_SECONDS * _SECOND

    def missing(self, now: int) -> bool:
        if self._under_way is None and self._since_attempt(now) >= UNKNOWN_KID_SECONDS * _SECOND:
            self._start(now)
        return self._under_way is not None

    def tick(self, now: int) -> None:
        """Begin a fetch if it is time for one."""
        if self._under_way is None and self._since_attempt(now) >= self._pause() * _SECOND:
            self._start(now)

    def take(self, now: int) -> tuple[bool, str | None]:
        """Take in what a fetch brought: whether the keys changed, and why there are no new ones, if so."""
        outcome, self._outcome = self._outcome, None
        self._under_way = None
        if outcome is None:
            return False, None
        if isinstance(outcome, str):
            self._failures += 1
            return False, outcome
        document, keys = outcome
        changed = document != self._document
        self._document, self._keys = document, keys
        # As old as the question, not as the moment somebody looked at the answer.
        self._fetched_at = now if self._attempted_at is None else self._attempted_at
        self._failures = 0
        return changed, None

    def join(self, seconds: float) -> None:
        """Wait for the fetch under way. For the start of a process, never on a running loop."""
        if self._under_way is not None:
            self._under_way.join(seconds)

    def _since_attempt(self, now: int) -> int:
        return 1 << 62 if self._attempted_at is None else now - self._attempted_at

    def _pause(self) -> int:
        if self._failures == 0:
            return REFRESH_SECONDS
        return _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS)) - 1]

    def _start(self, now: int) -> None:
        self._attempted_at = now
        thread = threading.Thread(target=self._run, name="callgate-jwks", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._failures += 1  # no thread to be had now: the keys age, and it is tried again
            return
        self._under_way = thread

    def _run(self) -> None:
        outcome: tuple[bytes, KeySet] | str
        try:
            document = self._fetch(self.url, MAX_BYTES)
            outcome = document, read_key_set(document, self.algorithms)
        except FetchError as error:
            outcome = str(error)
        except ValueError as error:
            outcome = f"the document is of no use: {error}"
        except Exception as error:
            outcome = f"an unexpected {type(error).__name__}"
        self._outcome = outcome
        self._arrived(self)
