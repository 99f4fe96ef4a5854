"""SHA-256, lean or fast.

OpenSSL's is the faster one (0.6 µs for a record of 400 bytes, beside 1.7 µs) but loading it costs about 4 ms
and 3.5 MB. A gate in front of one agent writes a few records a second and should not pay that; a gate under
load should. So the audit begins with `lean` and takes `fast` once batches show that there is load; where OpenSSL is
loaded anyway, as in every gate that serves over HTTP, it is taken at once.
Both compute the same function.
"""

from collections.abc import Callable
from functools import cache
from sys import modules
from typing import Protocol

Bytes = bytes | bytearray | memoryview


class Digest(Protocol):
    """A hash under way."""

    def update(self, data: Bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


Sha256 = Callable[[Bytes], Digest]


def _lean() -> Sha256:
    # The interpreter's own implementation, as the standard library's `random` takes it, for the same reason.
    try:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]  # Python 3.11
    except ImportError:
        try:
            from _sha2 import sha256  # type: ignore[import-not-found, no-redef, unused-ignore]  # 3.12 and later
        except ImportError:
            from hashlib import sha256
    return sha256  # type: ignore[no-any-return, unused-ignore]


lean: Sha256 = _lean()
"""For a few records a second, and for anything short."""


@cache
def fast() -> Sha256:
    """OpenSSL's implementation, loaded now if it is not yet; `lean` where the interpreter has none."""
    try:
        from hashlib import sha256
    except ImportError:
        return lean
    return sha256


def ready() -> Sha256:
    """`fast` where something else has loaded OpenSSL already, otherwise `lean`."""
    return fast() if "_hashlib" in modules else lean
