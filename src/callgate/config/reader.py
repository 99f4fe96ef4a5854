"""The process that reads callgate.yaml and its policies for a gate that serves, or for a runner.

Run as `python -m callgate.config.reader PURPOSE PATH`. Writes one letter and JSON to standard output, and nothing
else, ever. Started by `loader`.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callgate.config.purpose import Purpose

LOADED, REFUSED = b"l", b"r"


def read(path: str, purpose: "Purpose") -> bytes:
    """Return what the files say, or everything that was found in them."""
    from callgate.config.load import load_files
    from callgate.config.loaded import Refused
    from callgate.errors import ConfigError

    try:
        return LOADED + _encode(load_files(path, purpose))
    except ConfigError as error:
        return REFUSED + _encode(Refused(error.diagnostics, error.seen))


def _encode(value: Any) -> bytes:
    from msgspec.json import Encoder

    return Encoder(decimal_format="number").encode(value)


def main() -> int:
    """Read the file that is named, and say what came of it."""
    from callgate.policyloader import confine

    confine()
    view = memoryview(read(sys.argv[2], "runner" if sys.argv[1] == "runner" else "serve"))
    while view:
        view = view[os.write(1, view) :]
    return 0


if __name__ == "__main__":
    sys.exit(main())
