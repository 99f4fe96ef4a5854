"""A set of public keys (RFC 7517): which of them may verify what. PyJWT makes the keys and verifies signatures.

A key serves exactly the algorithms its own type allows, so a token can never have one key's bytes used in another
way. Symmetric keys, private keys and weak ones are left out, each with a note.
"""

from collections.abc import Sequence
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError
from msgspec import Struct

from callgate.auth.compact import MAX_KID
from callgate.auth.strict_json import read_object

MAX_BYTES = 262_144
MAX_KEYS = 100
MIN_RSA_BITS = 2048

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "k")


class VerificationKey(Struct, frozen=True):
    """One key bound to one algorithm."""

    jwk: PyJWK

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `signed`."""
        try:
            return bool(self.jwk.Algorithm.verify(signed, self.jwk.key, signature))
        except (PyJWTError, ValueError, TypeError):
            return False


class KeySet(Struct, frozen=True):
    """Usable keys by algorithm and kid. `notes` says what of the document is not used, and why."""

    keys: dict[tuple[str, str | None], VerificationKey]
    notes: tuple[str, ...] = ()

    def find(self, algorithm: str, kid: str | None) -> VerificationKey | None:
        """The key a token means; one that names none means the only key there is for its algorithm."""
        if kid is not None:
            return self.keys.get((algorithm, kid))
        fitting = [key for (name, _), key in self.keys.items() if name == algorithm]
        return fitting[0] if len(fitting) == 1 else None


def read_key_set(data: bytes, algorithms: Sequence[str]) -> KeySet:
    """Return the keys of a JWKS document for the accepted `algorithms`.

    Raises ValueError with a line of our own if it is none, or if no key of it can be used.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    try:
        entries = read_object(data).get("keys")
    except ValueError as error:
        raise ValueError(f"it is {error}") from None
    if type(entries) is not list:
        raise ValueError("it has no list `keys`")
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it has more than {MAX_KEYS} keys")
    found: dict[tuple[str, str | None], VerificationKey | None] = {}
    notes: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            for algorithm, key in _read_key(entry, algorithms):
                place = (algorithm, entry.get("kid"))
                if place in found:
                    notes.append(f"key {number} and one before it have the same kid: neither is used")
                found[place] = None if place in found else key
        except ValueError as error:
            notes.append(f"key {number} is not used: {error}")
    keys = {place: key for place, key in found.items() if key is not None}
    if not keys:
        raise ValueError("it has no key that can be used" + "".join(f"; {note}" for note in notes[:3]))
    return KeySet(keys, tuple(notes))


def _read_key(entry: Any, accepted: Sequence[str]) -> list[tuple[str, VerificationKey]]:
    if type(entry) is not dict:
        raise ValueError("it is not an object")
    kid = entry.get("kid")
    if not (kid is None or (type(kid) is str and len(kid) <= MAX_KID)):
        raise ValueError("its kid is not a text of bounded length")
    kind, curve = entry.get("kty"), entry.get("crv")
    if kind == "oct":
        raise ValueError("it is symmetric")
    if any(name in entry for name in _PRIVATE):
        raise ValueError("it holds a private key, which must not be published")
    if entry.get("use", "sig") != "sig":
        raise ValueError("it is not for signatures")
    if "key_ops" in entry and not (type(entry["key_ops"]) is list and "verify" in entry["key_ops"]):
        raise ValueError("it is not for verifying")
    possible: tuple[str, ...] = ()
    if type(kind) is str and (curve is None or type(curve) is str):
        possible = _ALGORITHMS.get((kind, curve), ())
    named = entry.get("alg")
    usable = [each for each in possible if each in accepted and named in (None, each)]
    if not usable:
        raise ValueError("it serves no algorithm that is accepted")
    return [(each, _verification_key(entry, each)) for each in usable]


def _verification_key(entry: dict[str, Any], algorithm: str) -> VerificationKey:
    try:
        jwk = PyJWK(entry, algorithm)
        bits = jwk.key.key_size if algorithm in _RSA else None
    except Exception:
        # Whatever the libraries make of a broken key; their texts may quote it.
        raise ValueError("it is broken") from None
    if bits is not None and bits < MIN_RSA_BITS:
        raise ValueError(f"it has fewer than {MIN_RSA_BITS} bits")
    return VerificationKey(jwk)
