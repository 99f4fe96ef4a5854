"""Read a policy file in a short-lived process of its own, and hand over the finished Document.

The gate never loads the YAML parser and the readers, which keeps it small, and goes on relaying while a changed
file is read. A file that crashes or stalls its reader (libyaml and the schema compiler are native code) takes that
process with it and nothing else. What comes back is decoded into the policy model and nothing beyond: no code.

Must not import the loader itself.
"""

import contextlib
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

from callgate.errors import CallgateError, PolicyError
from callgate.filestate import look_at

if TYPE_CHECKING:
    from callgate.policy.model import Document

CPU_SECONDS = 20
"""What reading a policy may cost; a million bytes cost less than two."""

_MEMORY_BYTES = 2 << 30
_DOCUMENT, _FINDINGS, _ERROR = 1, 2, 3


class PolicyLoad:
    """One reading of the file at `path`, under way from the start.

    `fd` is readable as its result arrives; `seen` is the state of the file before it was read.
    """

    def __init__(self, path: str) -> None:
        self.seen = look_at(path)
        self._data = bytearray()
        self._path = path
        self.fd, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _be_nothing_but_a_reader(write)
                _write_all(write, _read(path))
            finally:
                os._exit(0)
        os.close(write)

    def feed(self) -> bool:
        """Take in what has arrived. True when it is all there."""
        data = os.read(self.fd, 1 << 20)
        self._data += data
        return not data

    def result(self) -> "Document":
        """Wait for the rest and return the policy.

        Raises PolicyError with every finding if the file is not valid, CallgateError if it could not be read.
        """
        while not self.feed():
            pass
        os.close(self.fd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        return _decode(bytes(self._data), self._path)


def _be_nothing_but_a_reader(write: int) -> None:
    """Let go of everything the gate holds: pipes whose end somebody waits for, locks, signals."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    os.dup2(write, 3)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.closerange(4, os.sysconf("SC_OPEN_MAX") if sys.platform != "linux" else 65536)


def _read(path: str) -> bytes:
    from callgate.policy.load import load_policy
    from callgate.policyfile import read_policy_file

    try:
        return bytes([_DOCUMENT]) + _encode(load_policy(read_policy_file(path), path))
    except PolicyError as error:
        return bytes([_FINDINGS]) + _encode(error.diagnostics)
    except CallgateError as error:
        return bytes([_ERROR]) + _encode([error.code, error.message, error.help, error.exit_status])


def _write_all(_fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(3, view) :]


def _encode(value: Any) -> bytes:
    from decimal import Decimal

    import msgspec

    return msgspec.msgpack.encode(_tagged(msgspec.to_builtins(value, builtin_types=(Decimal,))))


def _tagged(value: Any) -> Any:
    """`value` with every Decimal as an extension of its own, so that it stays apart from text."""
    from msgspec.msgpack import Ext

    if isinstance(value, dict):
        return {key: _tagged(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(member) for member in value]
    if value is None or isinstance(value, str | int | float):
        # MessagePack knows integers of 64 bits only.
        return Ext(2, str(value).encode()) if type(value) is int and abs(value) >> 63 else value
    return Ext(1, str(value).encode())


def _decode(data: bytes, path: str) -> "Document":
    import msgspec

    from callgate.diagnostics import Diagnostic
    from callgate.policy.model import Document

    if not data:
        raise CallgateError("POL090", f"the policy `{path}` could not be read: its reader died")
    try:
        tree = msgspec.msgpack.decode(data[1:], ext_hook=_number)
        if data[0] == _DOCUMENT:
            return msgspec.convert(tree, Document, builtin_types=(_decimal(),))
        if data[0] == _FINDINGS:
            raise PolicyError(msgspec.convert(tree, tuple[Diagnostic, ...]))
        code, message, help_text, exit_status = msgspec.convert(tree, tuple[str, str, str | None, int])
    except msgspec.MsgspecError:
        raise CallgateError("POL090", f"the policy `{path}` could not be read: its reader died") from None
    error = CallgateError(code, message, help_text)
    error.exit_status = exit_status
    raise error


def _decimal() -> type:
    from decimal import Decimal

    return Decimal


def _number(kind: int, data: memoryview) -> Any:
    text = bytes(data).decode()
    return int(text) if kind == 2 else _decimal()(text)
