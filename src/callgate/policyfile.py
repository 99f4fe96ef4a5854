"""Reads the bytes of a policy file: bounded, and with an error a person can act on. Parses nothing."""

import os
import sys
from stat import S_ISDIR

from callgate.diagnostics import Diagnostic
from callgate.errors import PolicyError
from callgate.policy.source_text import MAX_BYTES
from callgate.text import quote


def read_policy_file(path: str) -> bytes:
    """Return the bytes of the file at `path`, or of stdin if it is `-`.

    One byte more than the loader accepts is enough to let it say that the file is too large. Raises PolicyError
    (POL010) if there is nothing to read.
    """
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        # Opened without blocking: a FIFO in the place of a policy must not hang the gate.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if S_ISDIR(os.fstat(descriptor).st_mode):
                raise _unreadable(path, "it is a directory", "name a file")
            return file.read(MAX_BYTES + 1) or b""
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file", "check the path") from None
    except IsADirectoryError:
        raise _unreadable(path, "it is a directory", "name a file") from None
    except PermissionError:
        raise _unreadable(path, "permission denied", "make it readable for this user") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(getattr(error, "strerror", None) or error), "check the path") from None


def _unreadable(path: str, why: str, help: str) -> PolicyError:
    message = f"cannot read the policy {quote(path, 200)}: {why}"
    return PolicyError([Diagnostic("error", "POL010", message, help=help)])
