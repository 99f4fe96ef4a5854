"""A lock as `uv pip compile --generate-hashes` writes it: read strictly, and made the key of a set. No I/O.

Anything but `name==version` with SHA-256 hashes is refused: no address, no file, no flag comes through a lock.
"""

import hashlib
import re

from msgspec import Struct
from packaging.utils import canonicalize_name

from callgate.errors import PackagesError

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


class Lock(Struct, frozen=True):
    """`text` is what the installer is given; `pins` are `name==version`, `names` are normalised."""

    text: str
    pins: tuple[str, ...]
    names: tuple[str, ...]

    def key(self, platform: str) -> str:
        """The name of the set on `platform` (interpreter and system): equal only for equal contents."""
        return hashlib.sha256(f"{platform}\n{self.text}".encode()).hexdigest()


def read_lock(text: str) -> Lock:
    """The lock in one fixed form. Raises PackagesError (PKG013) for what is not one."""
    lines: list[str] = []
    pins: list[str] = []
    names: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        joined = " ".join(line.split())
        if not joined or joined.startswith("#"):
            continue
        found = _PIN.fullmatch(joined)
        if found is None:
            raise PackagesError(
                "PKG013", "the packages could not be pinned to versions with hashes", "ask for other packages"
            )
        name = canonicalize_name(found["name"])
        hashes = " ".join(sorted(found["hashes"].split()))
        lines.append(f"{name}=={found['version']} {hashes}")
        pins.append(f"{name}=={found['version']}")
        names.append(name)
    return Lock("\n".join(sorted(lines)) + "\n", tuple(sorted(pins)), tuple(sorted(names)))
