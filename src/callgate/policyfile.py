"""Reads the bytes of files that operators write: bounded, and with an error a person can act on. Parses nothing."""

import os
import sys
from stat import S_ISDIR

from callgate.diagnostics import Diagnostic
from callgate.errors import PolicyError
from callgate.policy.source_text import MAX_BYTES
from callgate.text import quote


class UnreadableFile(Exception):
    """There is nothing to read: `why`, in words, and `help`."""

    def __init__(self, why: str, help: str) -> None:
        super().__init__(why)
        self.why = why
        self.help = help


def read_policy_file(path: str) -> bytes:
    """Return the bytes of the file at `path`, or of stdin if it is `-`.

    One byte more than the loader accepts is enough to let it say that the file is too large. Raises PolicyError
    (POL010) if there is nothing to read.
    """
    try:
        return read_bounded(path)
    except UnreadableFile as error:
        message = f"cannot read the policy {quote(path, 200)}: {error.why}"
        raise PolicyError([Diagnostic("error", "POL010", message, help=error.help)]) from None


def read_bounded(path: str, most: int = MAX_BYTES) -> bytes:
    """Return the first `most` + 1 bytes of the file at `path`, or of stdin if it is `-`. Raises UnreadableFile."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(most + 1)
        # Opened without blocking: a FIFO in the place of a file must not hang the gate.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if S_ISDIR(os.fstat(descriptor).st_mode):
                raise UnreadableFile("it is a directory", "name a file")
            return file.read(most + 1) or b""
    except FileNotFoundError:
        raise UnreadableFile("there is no such file", "check the path") from None
    except IsADirectoryError:
        raise UnreadableFile("it is a directory", "name a file") from None
    except PermissionError:
        raise UnreadableFile("permission denied", "make it readable for this user") from None
    except (OSError, ValueError) as error:
        raise UnreadableFile(str(getattr(error, "strerror", None) or error), "check the path") from None
