"""What a request was resolved to, kept so that a known one needs neither index nor resolver. Blocking."""

import hashlib
import os
import secrets

import msgspec
from msgspec import Struct

from callgate.runner.packages.requirement import Asked


class Memory(Struct, frozen=True, kw_only=True):
    """A lock's text, and when it was made, in nanoseconds since 1970."""

    lock: str
    made_ns: int


class Memo:
    """Files in one folder, replaced as a whole. One that cannot be read is not there."""

    def __init__(self, folder: str, *, most: int = 10_000) -> None:
        self._folder = folder
        self._most = most

    def read(self, name: str) -> Memory | None:
        try:
            with open(os.path.join(self._folder, name), "rb") as file:
                return msgspec.json.decode(file.read(), type=Memory)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, name: str, memory: Memory) -> None:
        """Keep it. Raises OSError."""
        if len(os.listdir(self._folder)) >= self._most:
            self._forget_half()
        path = os.path.join(self._folder, name)
        fresh = f"{path}.{secrets.token_hex(4)}"
        with open(fresh, "wb") as file:
            file.write(msgspec.json.encode(memory))
        os.replace(fresh, path)

    def _forget_half(self) -> None:
        def age(name: str) -> float:
            try:
                return os.stat(os.path.join(self._folder, name)).st_mtime
            except FileNotFoundError:
                return 0.0

        for name in sorted(os.listdir(self._folder), key=age)[: self._most // 2 + 1]:
            try:
                os.unlink(os.path.join(self._folder, name))
            except FileNotFoundError:
                continue


def name_of(asked: tuple[Asked, ...], platform: str, index: str | None) -> str:
    """The file of a request: another index or interpreter is another request."""
    text = "\n".join([platform, index or "", *(one.line for one in asked)])
    return hashlib.sha256(text.encode()).hexdigest()
