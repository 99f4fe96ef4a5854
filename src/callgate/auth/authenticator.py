"""Says who calls, for each request, on the event loop: a few microseconds, and never a wait.

A credential is `Authorization: Bearer`, and nothing else: no `X-API-Key`, no query, no cookie. A second way in is a
second thing to strip, to log around and to reason about. The token itself is never kept: what was verified is
remembered under the SHA-256 of its header, for five minutes at the most, until it ends, or until keys change,
whichever comes first.

A token whose key is not there yet (its issuer has a new one) is answered 401 while the keys are fetched: clients
answer that with a fresh token, and by then the keys are there. Without any recent keys the answer is 503.

Everything here belongs to one thread, that of the loop.
"""

import re
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from callgate.auth.apikeys import PREFIX, KeyRing
from callgate.auth.challenge import Challenges, Denied, Unavailable
from callgate.auth.credentials import Credentials, read_credentials
from callgate.clock import Clock, SystemClock
from callgate.config.model import AuthConfig
from callgate.diagnostics import Diagnostic
from callgate.http1.contract import Head
from callgate.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from callgate.auth.issuers import Issuers
    from callgate.auth.keysource import Fetch, FetchedKeys

MAX_TOKEN = 8192
"""Bytes of a token."""

REMEMBER_SECONDS = 300
MAX_REMEMBERED = 10_000

_SECOND = 1_000_000_000

# RFC 6750 section 2.1; RFC 9110 section 11.1 makes the scheme's case irrelevant.
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_BEARER_SCHEME = re.compile(rb"bearer(?: |$)", re.IGNORECASE)

Notify = Callable[[str, str], None]
"""A code and one line for the log, when something changed that no request is to blame for."""


class Verdict(Struct, frozen=True):
    """Who it is, from `since` to `until` (wall clock, ns), for requests to `paths` only if there are any."""

    principal: Principal
    since: int
    until: int
    paths: tuple[str, ...] | None = None


class Authenticator:
    """Turns the head of a request into a Principal.

    `config` None: nobody is asked, everybody is ANONYMOUS. Raises ConfigError if a file of `config` is not usable.
    Call `tick` about once a second; key sets are fetched by threads of their own, which `tick` starts.
    """

    def __init__(
        self,
        config: AuthConfig | None,
        *,
        clock: Clock | None = None,
        notify: Notify = lambda _code, _text: None,
        fetch: "Fetch | None" = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._wall_ns = self._clock.wall_ns
        self._notify = notify
        self._fetch = fetch
        self._remembered: dict[bytes, Verdict] = {}
        self._arrived: deque[FetchedKeys] = deque()
        self._config: AuthConfig | None = None
        self._keys: KeyRing | None = None
        self._issuers: Issuers | None = None
        self._challenges = Challenges(AuthConfig())
        self.generation = 0
        """Counts up when what a credential is verified with is replaced."""
        self.warnings: tuple[Diagnostic, ...] = ()
        """What was found in the files that is no error."""
        if config is not None:
            self.use(read_credentials(config))

    def identify(self, head: Head) -> Principal:
        """Return who sends the request. Raises HttpRefusal: 400, 401, 403 or 503, ready to be sent."""
        if self._config is None:
            return ANONYMOUS
        try:
            value = head.headers.get(b"authorization")
        except ValueError:
            twice = Denied("AUTH002", "the request has more than one Authorization header", "invalid_request")
            raise self._challenges.refusal(twice, head.path) from None
        if self._arrived:
            self._take_arrived()
        if value is None:
            raise self._challenges.refusal(Denied("AUTH001", "a bearer token is required", None), head.path)
        place = sha256(value).digest()
        verdict = self._remembered.get(place)
        if (
            verdict is not None
            # A wall clock that was set back ends the verdict too.
            and verdict.since <= self._wall_ns() < verdict.until
            and (verdict.paths is None or head.path in verdict.paths)
        ):
            return verdict.principal
        return self._identify_slowly(head, value, place)

    def tick(self) -> None:
        """Take in keys that have arrived, and begin fetches that are due."""
        self._take_arrived()
        now = self._clock.monotonic_ns()
        for source in self._fetched():
            source.tick(now)

    def wait(self, seconds: float) -> bool:
        """Fetch what is not there yet and wait for it: for the start of a process only. Returns `ready`."""
        self.tick()
        for source in self._fetched():
            source.join(seconds)
        self._take_arrived()
        return self.ready

    @property
    def ready(self) -> bool:
        """Whether the keys of every issuer are there and recent."""
        now = self._clock.monotonic_ns()
        return all(source.keys(now) is not None for source in self._fetched())

    def reload(self, config: AuthConfig | None = None) -> None:
        """Read all files again, of a new configuration if one is given.

        Raises ConfigError, and then everything stays as it was. Blocks for as long as the files take; a caller
        who minds has `read_credentials` called in a thread, and `use` by the loop.
        """
        config = config or self._config
        if config is not None:
            self.use(read_credentials(config))

    def use(self, credentials: Credentials) -> None:
        """Replace everything. Keys that were fetched from a URL that stays are kept; nothing else is remembered."""
        self._take_arrived()
        self._config = credentials.config
        self._keys = credentials.keys
        self._issuers = self._made_issuers(credentials)
        self._challenges = Challenges(credentials.config)
        self.warnings = credentials.warnings
        self.generation += 1
        self._remembered.clear()

    def _made_issuers(self, credentials: Credentials) -> "Issuers | None":
        if not credentials.config.jwt:
            return None
        # Only a gate that accepts tokens loads the cryptography for it.
        from callgate.auth.issuers import Issuers

        return Issuers(credentials, self._fetched(), self._fetch, self._arrived.append)

    def _fetched(self) -> "tuple[FetchedKeys, ...]":
        return self._issuers.fetched if self._issuers is not None else ()

    def _identify_slowly(self, head: Head, value: bytes, place: bytes) -> Principal:
        now = self._wall_ns()
        try:
            verdict = self._verify(_token(value), now)
            if verdict.paths is not None and head.path not in verdict.paths:
                raise Denied("AUTH011", "the token is meant for another audience")
        except Denied as denied:
            raise self._challenges.refusal(denied, head.path) from None
        except Unavailable as unavailable:
            raise self._challenges.unavailable(unavailable) from None
        if now < verdict.until:
            if len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[place] = verdict
        return verdict.principal

    def _verify(self, token: bytes, now: int) -> Verdict:
        until = now + REMEMBER_SECONDS * _SECOND
        if token.startswith(PREFIX):
            if self._keys is None:
                raise Denied("AUTH003", "the API key is not valid")
            principal, paths = self._keys.verify(token, now / 1e9), None
        elif self._issuers is None:
            raise Denied("AUTH005", "only API keys are accepted here")
        else:
            monotonic = self._clock.monotonic_ns()
            admitted, good_until = self._issuers.verify(token, now / 1e9, monotonic)
            principal, paths = admitted.principal, admitted.paths
            if good_until is not None:
                until = min(until, now + good_until - monotonic)
        if principal.expires_at is not None:
            until = min(until, int(principal.expires_at * _SECOND))
        return Verdict(principal, now, until, paths)

    def _take_arrived(self) -> None:
        while self._arrived:
            source = self._arrived.popleft()
            changed, problem = source.take(self._clock.monotonic_ns())
            if changed:
                self.generation += 1
                self._remembered.clear()
                self._notify("AUTH038", f"new keys from {source.url}")
            elif problem is not None:
                self._notify("AUTH039", f"no keys from {source.url}: {problem}")


def _token(value: bytes) -> bytes:
    """The token of an `Authorization` header. Raises Denied."""
    if _BEARER_SCHEME.match(value) is None:
        raise Denied("AUTH001", "a bearer token is required", None)
    found = _BEARER.fullmatch(value)
    if found is None or len(found[1]) > MAX_TOKEN:
        raise Denied(
            "AUTH002", "the Authorization header is not a bearer token of bounded size", "invalid_request"
        )
    return found[1]
