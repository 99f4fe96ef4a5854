"""The gate's side of the nursery: start a child at any time without forking the gate.

`fork_nursery` is called before anything large is imported; nothing here may import an event loop. Nothing blocks:
orders that the nursery cannot take yet wait in `backlog` for `flush`.
"""

import array
import contextlib
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence

from callgate.transports.keeper import START
from callgate.transports.nursery import encode_order, serve_orders

_PROGRAM = (
    "import socket; from callgate.transports.nursery import serve_orders; "
    "serve_orders(socket.socket(fileno=3))"
)


class ChildPipes:
    """The gate's ends of everything shared with one keeper and its server: descriptors that never block."""

    __slots__ = ("control", "report", "stderr", "stdin", "stdout")

    def __init__(self, control: int, report: int, stdin: int, stdout: int, stderr: int) -> None:
        self.control = control
        self.report = report
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr


class Spawner:
    """Sends orders to one nursery, and replaces a nursery that died. For one process; not shared by workers."""

    def __init__(self, pid: int, orders: socket.socket) -> None:
        self.pid = pid
        self._socket = orders
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()

    def start(self, command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> ChildPipes:
        """Order a child with exactly this environment. What became of it is told on `report` (see `keeper`).

        What is written to `stdin` before that is there when the child runs; if it never does, nobody got it.
        Raises OSError (out of descriptors or processes) and ValueError (a text that no process can be given).
        """
        order = encode_order(command, env, cwd)
        ours, theirs = _pipes()
        os.write(ours.control, START)
        self._waiting.append((order, theirs))
        self.flush()
        return ours

    @property
    def backlog(self) -> bool:
        """Whether orders wait until the nursery reads again: call `flush` when `fileno` can be written to."""
        return bool(self._waiting)

    def fileno(self) -> int:
        return self._socket.fileno()

    def flush(self) -> None:
        """Send what the nursery takes now. A nursery that ended is replaced; orders that cannot be sent end unheard."""
        replaced = False
        while self._waiting:
            order, fds = self._waiting[0]
            try:
                sent = self._send(order, fds)
            except BlockingIOError:
                return
            except OSError:
                if replaced or not self._replace():
                    self._drop_waiting()
                    return
                replaced = True
                continue
            for fd in fds:
                os.close(fd)
            if sent == len(order):
                self._waiting.popleft()
            else:
                self._waiting[0] = (order[sent:], ())

    def close(self, seconds: float = 5.0) -> None:
        """End the nursery, after all children have ended by their own pipes, for which it gets `seconds`."""
        self._drop_waiting()
        if self._socket.fileno() < 0:
            return
        self._socket.close()
        end = time.monotonic() + seconds
        while _lives(self.pid) and time.monotonic() < end:
            time.sleep(0.005)

    def _send(self, order: bytes, fds: Sequence[int]) -> int:
        if not fds:
            return self._socket.send(order)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        return self._socket.sendmsg([order], rights)

    def _replace(self) -> bool:
        """Run a new nursery. This process is large by now, so it is executed (posix_spawn), not forked."""
        self._socket.close()
        _lives(self.pid)
        if not self._waiting[0][1]:
            # Its descriptors went to the one that died.
            self._waiting.popleft()
        try:
            ours, theirs = _socket_pair()
        except OSError:
            return False
        env = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)]
            self.pid = os.posix_spawn(
                sys.executable, [sys.executable, "-c", _PROGRAM], env, file_actions=actions
            )
        except OSError:
            ours.close()
            return False
        finally:
            theirs.close()
        self._socket = ours
        return True

    def _drop_waiting(self) -> None:
        for _, fds in self._waiting:
            for fd in fds:
                os.close(fd)
        self._waiting.clear()


def fork_nursery() -> Spawner:
    """Fork the nursery from this process, which should still be small and must have one thread. Raises OSError."""
    ours, theirs = _socket_pair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            serve_orders(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return Spawner(pid, ours)


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    return ours, theirs


def _pipes() -> tuple[ChildPipes, list[int]]:
    """Five pipes: our ends, and theirs in the order that the nursery expects."""
    made: list[int] = []
    try:
        for _ in range(5):
            made += os.pipe()
    except OSError:
        for fd in made:
            os.close(fd)
        raise
    control_r, control_w, report_r, report_w, in_r, in_w, out_r, out_w, err_r, err_w = made
    for fd in (control_w, report_r, in_w, out_r, err_r):
        os.set_blocking(fd, False)
    return ChildPipes(control_w, report_r, in_w, out_r, err_r), [control_r, report_w, in_r, out_w, err_w]


def _lives(pid: int) -> bool:
    """Whether the child `pid` still runs; one that ended is collected."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    return False
