"""Read callgate.yaml and its policies in a short-lived process of its own, while the gate serves.

A process with threads and an event loop must not fork, so a new interpreter is started. As in `policyloader`, a file
that crashes or stalls its reader takes that process with it and nothing else; what comes back is decoded into the
models and nothing beyond. Must not import the YAML parser, nor block unless told to wait.
"""

import contextlib
import os
import select
import subprocess
import sys
import time
from decimal import Decimal

from msgspec import MsgspecError
from msgspec.json import Decoder

from callgate.config.loaded import Loaded, Refused
from callgate.config.purpose import Purpose
from callgate.config.reader import LOADED, REFUSED
from callgate.diagnostics import Diagnostic
from callgate.errors import ConfigError
from callgate.policyloader import SETTLE_SECONDS, WALL_SECONDS
from callgate.text import quote

_TRIES = 20


class ConfigLoad:
    """One reading of the file at `path`, under way from the start. Raises OSError.

    `fd` is readable as its result arrives; call `feed` then, and `result` once that is True. Call `expire` now and
    then, and `cancel` if the result is not wanted any more.
    """

    def __init__(self, path: str, purpose: Purpose = "serve") -> None:
        self.path = path
        self._expires_at = time.monotonic() + WALL_SECONDS
        self._data = bytearray()
        # -P: a module in the folder that the gate was started in must not become part of its reader.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "callgate.config.reader", purpose, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None  # noqa: S101  (it was asked for)
        self.fd = self._process.stdout.fileno()

    def feed(self) -> bool:
        """Take in what has arrived. True when it is all there."""
        data = os.read(self.fd, 1 << 20)
        self._data += data
        return not data

    def expire(self) -> None:
        """Kill a reader that takes too long: it counts as one that died."""
        if time.monotonic() >= self._expires_at:
            self._process.kill()

    def cancel(self) -> None:
        """End the reader, and let go of it. Idempotent."""
        with contextlib.suppress(OSError):
            self._process.kill()
        # What it had to say is here, or is not wanted: it has nothing left to do, and its end is near.
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def result(self) -> Loaded:
        """Return what was read; waits for what `feed` has not taken in.

        Raises ConfigError with every finding, or (CFG090) if the reader died.
        """
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while True:
            if not poll.poll(100):
                self.expire()
            elif self.feed():
                break
        self.cancel()
        return _decode(bytes(self._data), self.path)


def settled_config(path: str, purpose: Purpose = "serve") -> Loaded:
    """Read the file at `path` and its policies when nobody is writing to any of them. Blocks: for the start.

    A prefix of a policy may be valid without its last deny rules. Raises ConfigError as `ConfigLoad.result` does, and
    (CFG091) if the files never come to rest; OSError if no process can be started.
    """
    for _ in range(_TRIES):
        loaded = ConfigLoad(path, purpose).result()
        newest = max((state[0] for state in loaded.seen.values() if state is not None), default=0)
        age = time.time() - newest / 1e9
        if 0 <= age < SETTLE_SECONDS:
            time.sleep(SETTLE_SECONDS - age)
        if loaded.is_current():
            return loaded
    message = f"the configuration {quote(path, 200)} or a policy that it names keeps changing"
    raise _unusable("CFG091", message, "start again when nothing writes to them")


def _decode(data: bytes, path: str) -> Loaded:
    kind, content = data[:1], data[1:]
    try:
        if kind == LOADED:
            # Numbers of policies with a fraction are Decimals on both sides, digit for digit.
            return Decoder(Loaded, float_hook=Decimal).decode(content)
        if kind == REFUSED:
            refused = Decoder(Refused).decode(content)
            raise ConfigError(refused.findings, refused.seen)
    except MsgspecError:
        # It died in the middle of a word.
        pass
    raise _unusable("CFG090", f"the configuration {quote(path, 200)} could not be read: its reader died")


def _unusable(code: str, message: str, help: str | None = None) -> ConfigError:
    return ConfigError([Diagnostic("error", code, message, help=help)])
