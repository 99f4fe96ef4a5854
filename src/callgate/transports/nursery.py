"""The nursery: a small process from which all children of a long-running gate are started.

    gate ──(orders)── nursery ── keeper ── server ── whatever the server starts
      └──────(control, report, the server's standard streams)──┘

A gate with many threads and much memory must not fork. So it forks this process first, while it is small, and
later sends it orders: what to run, with the far ends of pipes that the gate made. For each the nursery forks a
`keeper`, which looks after one server from then on. The nursery is a subreaper: what a killed keeper leaves behind
comes to it and is killed. When the orders end (the gate is gone, however), so do all control pipes; the nursery
waits until every keeper has ended, and ends.

It must import nothing large, must never write to the gate's standard streams, and holds no descriptor of a server
beyond the moment in which it forks.

orders (gate → nursery): a length of four bytes (big endian) and so many bytes, see `encode_order`; with the first
byte of each come its descriptors (`DESCRIPTORS` of them, SCM_RIGHTS).
"""

import array
import contextlib
import gc
import os
import select
import signal
import socket
from collections.abc import Mapping, Sequence

from callgate.transports import reaping
from callgate.transports.keeper import Keeper
from callgate.transports.prctl import become_subreaper

DESCRIPTORS = 5
"""control, report, and the server's standard input, output and error."""

_CHUNK = 65_536
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGUSR1)
_ORPHAN_TURN_MS = 20


def encode_order(command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> bytes:
    """One order. Raises ValueError if a text holds what no process can be given (NUL, `=` in a name)."""
    if not command:
        raise ValueError("there is no command")
    pairs = [f"{name}={value}" for name, value in env.items()]
    if any("=" in name or not name for name in env):
        raise ValueError("the name of an environment variable is empty or holds `=`")
    texts = [str(len(command)), cwd or "", *command, *pairs]
    if any("\0" in text for text in texts):
        raise ValueError("a text holds a NUL character")
    body = b"\0".join(os.fsencode(text) for text in texts)
    return len(body).to_bytes(4, "big") + body


def decode_order(body: bytes) -> tuple[list[str], dict[str, str], str | None]:
    """Command, environment and working directory of an order without its length."""
    count, cwd, *texts = (os.fsdecode(text) for text in body.split(b"\0"))
    command, pairs = texts[: int(count)], texts[int(count) :]
    env = dict(pair.split("=", 1) for pair in pairs)
    return command, env, cwd or None


def serve_orders(orders: socket.socket) -> None:
    """Be the nursery until the orders end and no keeper is left."""
    _Nursery(orders).run()


class _Nursery:
    """Runs in its own process only."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._buffer = bytearray()
        self._descriptors: list[int] = []
        self._keepers: set[int] = set()
        self._orphans = False

    def run(self) -> None:
        """Start what is ordered until the orders end and nothing is left."""
        # A collector that looked at what was inherited would have it copied, here and in every keeper.
        gc.disable()
        gc.freeze()
        _let_go_of_all_but(self._orders.fileno())
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        become_subreaper()
        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        poll.register(self._wake_r, select.POLLIN)
        serving = True
        while serving or self._keepers or self._orphans:
            for fd, _ in poll.poll(_ORPHAN_TURN_MS if self._orphans else None):
                if fd == self._wake_r:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_r, 4096)
                elif serving and not self._receive():
                    serving = False
                    poll.unregister(self._orders)
                    self._orders.close()
            self._reap()

    def _receive(self) -> bool:
        """Take what has come of the orders and start what is complete. False at their end."""
        room = socket.CMSG_SPACE(16 * DESCRIPTORS * 4)
        try:
            data, ancillary, flags, _ = self._orders.recvmsg(
                _CHUNK, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
            )
        except OSError:
            return False
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i", content[: len(content) // 4 * 4]).tolist()
                for fd in received:
                    os.set_inheritable(fd, False)
                self._descriptors += received
        # Descriptors that did not arrive would pair every later order with the wrong ones.
        if not data or flags & socket.MSG_CTRUNC:
            return False
        self._buffer += data
        while len(self._buffer) >= 4:
            end = 4 + int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[4:end])
            del self._buffer[:end]
            fds, self._descriptors = self._descriptors[:DESCRIPTORS], self._descriptors[DESCRIPTORS:]
            self._start(body, fds)
        return True

    def _start(self, body: bytes, fds: Sequence[int]) -> None:
        control, report, *stdio = fds
        try:
            pid = os.fork()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.write(report, b"failed %d\n" % (error.errno or 1))
            pid = -1
        if pid == 0:
            status = 70
            try:
                signal.set_wakeup_fd(-1)
                self._orders.close()
                for fd in (self._wake_r, self._wake_w, *self._descriptors):
                    os.close(fd)
                command, env, cwd = decode_order(body)
                status = Keeper(command, control, report, stdio, env, cwd).keep()
            finally:
                os._exit(status)
        if pid > 0:
            self._keepers.add(pid)
        for fd in fds:
            os.close(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._orphans = False
                return
            if pid == 0:
                break
            if pid in self._keepers:
                self._keepers.discard(pid)
                self._orphans = self._orphans or status != 0
        if self._orphans:
            self._orphans = reaping.end_orphans(self._keepers)


def _let_go_of_all_but(kept: int) -> None:
    """Put the null device in the place of every inherited descriptor: none may reach a server or be held open here.

    The numbers stay taken, because the libraries of the parent may close theirs at every fork (libuv does).
    """
    null = os.open(os.devnull, os.O_RDWR)
    for entry in os.listdir("/dev/fd"):
        fd = int(entry)
        if fd not in (kept, null):
            with contextlib.suppress(OSError):
                # Of what listed this directory only the number is left.
                os.fstat(fd)
                os.dup2(null, fd, inheritable=fd <= 2)
    os.close(null)
