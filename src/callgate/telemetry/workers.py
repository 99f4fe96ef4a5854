"""Several processes that are scraped as one: each leaves its values in a private directory that all can read.

Counters of a process that has ended are kept, so that no sum ever goes down. A process publishes its values before
it shows them, so another one that is scraped next cannot show less.
"""

import os
from contextlib import suppress
from threading import Lock

import msgspec

from callgate.clock import Clock
from callgate.telemetry.metrics import Metrics
from callgate.telemetry.snapshot import Snapshot, Totals

_DEAD_AFTER_NS = 10_000_000_000
"""A process publishes every second; one that is silent for so long has no sessions any more to be counted."""

_SUFFIX = ".snapshot.json"
_decode = msgspec.json.Decoder(Snapshot).decode
_encode = msgspec.json.Encoder().encode


class Workers:
    """The values of this process and of those that share `directory` (created by whoever starts them all, mode 0700).

    `slot` is this process's place: no two living processes share one, and who is started in place of a process that
    ended gets its slot and goes on with its counters. With `directory` None the process is alone.

    `totals` may be called in a thread: writing out thousands of samples takes the library tens of milliseconds.
    """

    def __init__(self, metrics: Metrics, clock: Clock, directory: str | None = None, slot: str = "0") -> None:
        self._metrics = metrics
        self._clock = clock
        self._directory = directory
        self._own = slot + _SUFFIX
        self._others: dict[str, Snapshot] = {}
        self._before: Snapshot | None = None
        # A snapshot must not be overwritten by an older one.
        self._lock = Lock()
        if directory is not None:
            with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                self._before = _load(os.path.join(directory, self._own))

    def publish(self) -> None:
        """Write this process's values for the others: every second, and last at the end. Never raises, never waits."""
        if self._directory is not None and self._lock.acquire(blocking=False):
            try:
                self._write(self._snapshot())
            finally:
                self._lock.release()

    def totals(self) -> Totals:
        """The values of all processes together. A file that cannot be read counts as it last could be."""
        with self._lock:
            own = self._snapshot()
            if self._directory is None:
                return Totals([own])
            self._write(own)
            self._read()
            living = [own]
            ended: list[Snapshot] = []
            for snapshot in self._others.values():
                old = own.at_ns - snapshot.at_ns > _DEAD_AFTER_NS
                (ended if old else living).append(snapshot)
        return Totals(living, ended)

    def _snapshot(self) -> Snapshot:
        own = self._metrics.snapshot()
        if self._before is not None:
            together = Totals((), [self._before, own]).as_snapshot(own.at_ns)
            own.counters, own.histograms = together.counters, together.histograms
        return own

    def _write(self, snapshot: Snapshot) -> None:
        assert self._directory is not None  # noqa: S101
        path = os.path.join(self._directory, self._own)
        with suppress(OSError):
            fd = os.open(
                f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            with open(fd, "wb") as file:
                file.write(_encode(snapshot))
            os.replace(f"{path}.new", path)

    def _read(self) -> None:
        with suppress(OSError):
            for entry in os.scandir(self._directory):
                if entry.name.endswith(_SUFFIX) and entry.name != self._own:
                    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                        self._others[entry.name] = _load(entry.path)


def _load(path: str) -> Snapshot:
    with open(path, "rb") as file:
        return _decode(file.read())
