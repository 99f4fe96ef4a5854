"""The issuers whose tokens are accepted, each with its own keys. A token chooses among them by `iss`, exactly.

A key of one issuer never verifies a token that names another.
"""

from collections.abc import Callable, Iterable

from callgate.auth.challenge import Denied, Unavailable
from callgate.auth.claims import Admitted, admit
from callgate.auth.compact import read_compact
from callgate.auth.credentials import Credentials
from callgate.auth.fetch import fetch as fetch_document
from callgate.auth.keysource import Fetch, FetchedKeys, FileKeys, KeySource
from callgate.config.model import JwtConfig

_RETRY_AFTER = 5
"""Seconds that a client is asked to wait for keys."""


class Issuers:
    """All issuers of one configuration; the URLs that it shares with `before` keep the keys they have.

    `fetched` are the sources that are fetched, each once.
    """

    def __init__(
        self,
        credentials: Credentials,
        before: Iterable[FetchedKeys],
        fetch: Fetch | None,
        arrived: Callable[[FetchedKeys], None],
    ) -> None:
        self._resource = credentials.config.resource
        self._by_name: dict[str, tuple[JwtConfig, KeySource]] = {}
        known = {(source.url, source.algorithms): source for source in before}
        used: dict[FetchedKeys, None] = {}
        for jwt in credentials.config.jwt:
            if jwt.issuer in credentials.key_sets:
                self._by_name[jwt.issuer] = (jwt, FileKeys(credentials.key_sets[jwt.issuer]))
                continue
            # Two issuers with one URL and the same algorithms share it: it is fetched once.
            place = (jwt.jwks, jwt.algorithms)
            if place not in known:
                known[place] = FetchedKeys(*place, fetch or fetch_document, arrived)
            used[known[place]] = None
            self._by_name[jwt.issuer] = (jwt, known[place])
        self.fetched = tuple(used)

    def verify(self, token: bytes, now: float, monotonic: int) -> tuple[Admitted, int | None]:
        """Return whom a token admits, and when the keys get too old that say so (monotonic ns; None: never).

        Raises Denied, or Unavailable (AUTH014) if there are no recent keys.
        """
        read = read_compact(token)
        issuer = read.claims.get("iss")
        found = self._by_name.get(issuer) if type(issuer) is str else None
        if found is None:
            raise Denied("AUTH007", "the token's issuer is not accepted here")
        jwt, source = found
        if read.algorithm not in jwt.algorithms:
            raise Denied("AUTH006", "the token is signed in a way that is not accepted here")
        keys = source.keys(monotonic)
        if keys is None:
            source.missing(monotonic)
            raise Unavailable("AUTH014", "the keys of the token's issuer cannot be had now", _RETRY_AFTER)
        key = keys.find(read.algorithm, read.kid)
        if key is None:
            if read.kid is not None and source.missing(monotonic):
                raise Denied("AUTH008", "the token's key is not known yet: keys are being fetched, try again")
            raise Denied("AUTH008", "the token's key is not known")
        if not key.verifies(read.signed, read.signature):
            raise Denied("AUTH009", "the token's signature is wrong")
        return admit(read.claims, jwt, self._resource, now), source.good_until()
