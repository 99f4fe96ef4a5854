"""Several processes on one port: start them, start those anew that die, end them all. Forks before any thread.

Each has a listening socket of its own (SO_REUSEPORT), so the kernel spreads connections over them. What they share
is the limit store, the audit, the secret that seals sessions, and a directory for their metrics.
"""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from callgate.clock import Clock
from callgate.config.model import ServeConfig
from callgate.errors import CallgateError, StateError, UsageError
from callgate.text import quote
from callgate.transports.prctl import die_with_parent

BACKLOG = 2048
RESTART_SECONDS = 1.0
"""A worker that dies sooner than this after its start is not started again at once."""
MAX_FAILED_STARTS = 5
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Slot(Struct):
    """One worker's place: its socket, where metrics are shared, and the secret of all.

    `ended` says how the one that was there before ended; None for the first.
    """

    number: int
    socket: socket.socket
    directory: str
    secret: bytes
    ended: str | None = None

    def announces(self) -> bool:
        """Whether it is for this worker to say that the gate listens: true once, of the first place."""
        if self.number:
            return False
        try:
            os.close(os.open(f"{self.directory}/announced", os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            return False
        return True


class Supervisor:
    """Runs in the parent only; serves nothing itself."""

    def __init__(
        self,
        config: ServeConfig,
        work: Callable[[Slot], int],
        report: Callable[[CallgateError], None],
        clock: Clock,
    ) -> None:
        self._config = config
        self._work = work
        self._report = report
        self._clock = clock
        self._secret = os.urandom(32)
        self._directory = _private_directory()
        self._living: dict[int, tuple[int, int]] = {}
        self._failed = 0
        self._ending = False
        # The first binding finds a free port where none is named; all others take the same.
        self._first = _bound(config.listen.host, config.listen.port)
        self._port = self._first.getsockname()[1]

    def run(self) -> int:
        """Return 0 after an orderly end; the status of a worker that cannot start otherwise."""
        try:
            for each in _ENDING:
                signal.signal(each, self._end)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for number in range(self._config.workers):
                self._start(number)
            return self._watch()
        finally:
            self._first.close()
            import shutil

            shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, number: int, ended: str | None = None) -> None:
        # A signal to end must not come between: not before the new process is known, nor to its copy of our handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            if self._ending:
                return
            pid = os.fork()
            if pid == 0:
                status = 70
                try:
                    status = self._be_worker(number, ended)
                finally:
                    os._exit(status)
            self._living[pid] = number, self._clock.monotonic_ns()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    def _be_worker(self, number: int, ended: str | None) -> int:
        die_with_parent()
        for each in _ENDING:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        own = _bound(self._config.listen.host, self._port)
        self._first.close()
        try:
            return self._work(Slot(number, own, self._directory, self._secret, ended))
        except CallgateError as error:
            self._report(error)
            return error.exit_status

    def _watch(self) -> int:
        status = 0
        while self._living:
            pid, wait_status = os.wait()
            number, since = self._living.pop(pid, (None, 0))
            if number is None or self._ending:
                continue
            lived = (self._clock.monotonic_ns() - since) / 1e9
            self._failed = self._failed + 1 if lived < RESTART_SECONDS else 0
            code = os.waitstatus_to_exitcode(wait_status)
            ended = f"signal {-code}" if code < 0 else f"status {code}"
            if code in (2, 3, 4, 5) or self._failed >= MAX_FAILED_STARTS:
                # With these statuses it said why; the others would say the same.
                status = code if code > 0 else 70
                if code not in (2, 3, 4, 5):
                    self._report(_short_lived(number, ended))
                self._end(signal.SIGTERM, None)
                continue
            self._start(number, ended)
        return status

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True
        for pid in self._living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def supervise(
    config: ServeConfig, work: Callable[[Slot], int], report: Callable[[CallgateError], None], clock: Clock
) -> int:
    """Serve in `config.workers` processes, each of which runs `work`; `report` says why one cannot.

    Raises UsageError if the address is taken.
    """
    return Supervisor(config, work, report, clock).run()


def _short_lived(number: int, ended: str) -> CallgateError:
    return CallgateError(
        "HTTP033",
        f"worker {number} ended: {ended}; {MAX_FAILED_STARTS} in a row ended as soon as they had begun",
        "serve with one worker to see what ends it, and look at the system's log for what kills processes",
    )


def _private_directory() -> str:
    import tempfile  # only where there are several processes

    try:
        return tempfile.mkdtemp(prefix="callgate-")
    except OSError as error:
        raise StateError(
            "STA032",
            f"there is no folder for the counters that workers share: {(error.strerror or str(error)).lower()}",
            "let TMPDIR name a folder that can be written to, or serve with one worker",
        ) from None


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError as error:
        raise UsageError(
            "HTTP032",
            f"cannot listen on {quote(f'{host}:{port}')}: {(error.strerror or 'no such address').lower()}",
            "choose an address of this machine and a port that nobody listens on and that you may use",
        ) from None
    return bound
