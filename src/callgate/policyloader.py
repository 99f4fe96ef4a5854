"""Read a policy file in a short-lived process of its own, and hand over the finished Document.

The gate never loads the YAML parser and the readers, which keeps it small, and goes on relaying while a changed
file is read. A file that crashes or stalls its reader (libyaml and the schema compiler are native code) takes that
process with it and nothing else. What comes back is decoded into the policy model and nothing beyond: no code.

Must not import the loader itself.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from callgate.errors import PolicyError
from callgate.filestate import look_at

if TYPE_CHECKING:
    from callgate.policy.model import Document

CPU_SECONDS = 20
"""What reading a policy may cost; a million bytes cost less than two."""

WALL_SECONDS = 30.0
"""How long it may take by the clock on the wall."""

SETTLE_SECONDS = 0.1
"""How long a file must have rested to count as written to its end."""

_MEMORY_BYTES = 2 << 30
_TRIES = 20
_RESULT = 3
"""The only descriptor that the reader keeps, standard ones apart."""

_DOCUMENT, _FINDINGS = b"d", b"f"


class PolicyLoad:
    """One reading of the file at `path`, under way from the start.

    `fd` is readable as its result arrives; `seen` is the state of the file before it was read. Raises OSError.
    """

    def __init__(self, path: str) -> None:
        self.seen = look_at(path)
        self._expires_at = time.monotonic() + WALL_SECONDS
        self._data = bytearray()
        self.path = path
        self.fd, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _be_nothing_but_a_reader(write)
                _write_all(_read(path))
            finally:
                os._exit(0)
        os.close(write)

    def feed(self) -> bool:
        """Take in what has arrived. True when it is all there."""
        data = os.read(self.fd, 1 << 20)
        self._data += data
        return not data

    def expire(self) -> None:
        """Kill a reader that takes too long (a slow disk, a stopped process): it counts as one that died."""
        if time.monotonic() >= self._expires_at:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def is_current(self) -> bool:
        """Whether the file is still as it was before it was read."""
        return look_at(self.path) == self.seen

    def result(self) -> "Document":
        """Wait for the rest and return the policy.

        Raises PolicyError with every finding if the file is not valid or could not be read.
        """
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while True:
            if not poll.poll(100):
                self.expire()
            elif self.feed():
                break
        os.close(self.fd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        return _decode(bytes(self._data), self.path)


def settled(load: PolicyLoad) -> "tuple[PolicyLoad, Document]":
    """Wait for a policy that nobody is writing to: a prefix of a policy may be valid without its last deny rules.

    Returns the reading that holds, and its policy. Raises PolicyError as `PolicyLoad.result` does, and (POL091) if
    the file never comes to rest.
    """
    for _ in range(_TRIES):
        document = load.result()
        age = time.time() - (load.seen[0] / 1e9 if load.seen else 0.0)
        if 0 <= age < SETTLE_SECONDS:
            time.sleep(SETTLE_SECONDS - age)
        if load.is_current():
            return load, document
        load = PolicyLoad(load.path)
    raise _unusable(
        "POL091", f"the policy `{load.path}` keeps changing", "start again when nothing writes to it"
    )


def confine() -> None:
    """Bound what this process, which only reads files, may cost; and let it end by the usual signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    _bound(resource.RLIMIT_CPU, CPU_SECONDS)
    if sys.platform == "linux":
        _bound(resource.RLIMIT_AS, _MEMORY_BYTES)


def _be_nothing_but_a_reader(write: int) -> None:
    """Let go of everything the gate holds: pipes whose end somebody waits for, locks, signals."""
    signal.set_wakeup_fd(-1)
    confine()
    os.dup2(write, _RESULT)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.closerange(_RESULT + 1, os.sysconf("SC_OPEN_MAX") if sys.platform != "linux" else 65536)


def _bound(kind: int, most: int) -> None:
    """Lower a limit of this process to `most`, unless it is lower already: no process may raise it."""
    hard = resource.getrlimit(kind)[1]
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (limit, limit))


def _read(path: str) -> bytes:
    from callgate.policy.load import load_policy
    from callgate.policyfile import read_policy_file

    try:
        return _DOCUMENT + _encode(load_policy(read_policy_file(path), path))
    except PolicyError as error:
        return _FINDINGS + _encode(error.diagnostics)


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_RESULT, view) :]


def _encode(value: Any) -> bytes:
    from msgspec.json import Encoder

    return Encoder(decimal_format="number").encode(value)


def _decode(data: bytes, path: str) -> "Document":
    from decimal import Decimal

    from msgspec import MsgspecError
    from msgspec.json import Decoder

    from callgate.diagnostics import Diagnostic
    from callgate.policy.model import Document

    kind, content = data[:1], data[1:]
    try:
        if kind == _DOCUMENT:
            # Numbers with a fraction are Decimals on both sides, digit for digit.
            return Decoder(Document, float_hook=Decimal).decode(content)
        if kind == _FINDINGS:
            raise PolicyError(Decoder(tuple[Diagnostic, ...]).decode(content))
    except MsgspecError:
        # It died in the middle of a word.
        pass
    raise _unusable("POL090", f"the policy `{path}` could not be read: its reader died")


def _unusable(code: str, message: str, help: str | None = None) -> PolicyError:
    from callgate.diagnostics import Diagnostic

    return PolicyError([Diagnostic("error", code, message, help=help)])
