"""API keys: their form, how they are made, and how one is checked. Holds hashes only, never a key.

A key is `cg_<id>_<secret>`: 12 characters that name it, and 43 random letters and digits (256 bits). A secret that
random cannot be guessed from its SHA-256, however fast that is; a slow hash would protect nothing here and would let
anybody keep the gate busy.
"""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from msgspec import Struct, field

from callgate.auth.challenge import Denied
from callgate.principal import Principal

PREFIX = b"cg_"
ID_LENGTH = 12
SECRET_LENGTH = 43
"""62 ** 43 > 2 ** 256."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS = frozenset(_ALPHABET.encode())
_LENGTH = len(PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH
_SECRET_AT = _LENGTH - SECRET_LENGTH


class ApiKey(Struct, frozen=True, kw_only=True):
    """What the file says of one key. `sha256` is of the secret, 32 bytes; `expires` in seconds since 1970."""

    id: str
    sha256: bytes
    identity: str
    claims: dict[str, Any] = field(default_factory=dict)
    expires: float | None = None
    disabled: bool = False


class KeyRing:
    """The keys of one file."""

    __slots__ = ("_by_id", "_nobody")

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._by_id = {key.id.encode("ascii"): (key, _principal(key)) for key in keys}
        # What is compared against if there is no such id: both ways cost the same.
        nobody = ApiKey(id="", sha256=secrets.token_bytes(32), identity="", disabled=True)
        self._nobody = (nobody, _principal(nobody))

    def __len__(self) -> int:
        return len(self._by_id)

    def verify(self, token: bytes, now: float) -> Principal:
        """Return whom `token` belongs to. Raises Denied (AUTH003, AUTH004)."""
        if (
            len(token) != _LENGTH
            or token[_SECRET_AT - 1] != 0x5F
            or not _LETTERS.issuperset(token[_SECRET_AT:])
        ):
            raise Denied("AUTH003", "the API key is not valid")
        key, principal = self._by_id.get(token[len(PREFIX) : _SECRET_AT - 1], self._nobody)
        right = hmac.compare_digest(sha256(token[_SECRET_AT:]).digest(), key.sha256)
        if not right or key.disabled:
            raise Denied("AUTH003", "the API key is not valid")
        if key.expires is not None and now >= key.expires:
            raise Denied("AUTH004", "the API key has expired")
        return principal


def identity_of(name: str) -> str:
    """The identity of a key that the file gives to `name`."""
    return f"key:{name}"


def _principal(key: ApiKey) -> Principal:
    return Principal(identity_of(key.identity), proven=True, claims=key.claims, expires_at=key.expires)


def new_key() -> tuple[str, str, str]:
    """Make a key: the key itself, its id, and the SHA-256 of its secret in hexadecimal."""
    id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(ID_LENGTH))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))
    return f"cg_{id}_{secret}", id, sha256(secret.encode()).hexdigest()
