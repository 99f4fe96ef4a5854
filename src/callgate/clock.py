"""Clocks. Everything that measures time takes one, so that no test ever sleeps."""

import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """Three readings. `monotonic_ns` is comparable between the processes of one boot and never goes back."""

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never steps and, where the system has one, counts suspended time."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may step either way at any time."""
        ...

    def boot_id(self) -> str | None:
        """A name that changes at every boot and at nothing else, or None where the system has none."""
        ...


_MONOTONIC_ID: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clocks. The two readings are bound directly: they are taken for every call."""

    def __init__(self) -> None:
        self.monotonic_ns = partial(time.clock_gettime_ns, _MONOTONIC_ID)
        self.wall_ns = time.time_ns

    def boot_id(self) -> str | None:
        try:
            with open("/proc/sys/kernel/random/boot_id") as file:
                return file.read().strip()
        except OSError:
            return None


class ManualClock:
    """A clock that moves only when told. For tests, and for replaying recorded traffic."""

    def __init__(
        self, *, monotonic_ns: int = 1_000_000_000_000, wall_ns: int = 1_790_000_000_000_000_000
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._boot_id = "boot-1"

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def boot_id(self) -> str | None:
        return self._boot_id

    def advance(self, seconds: float) -> None:
        """Let time pass: both clocks move."""
        self._monotonic_ns += round(seconds * 1e9)
        self._wall_ns += round(seconds * 1e9)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as `date -s` or NTP would."""
        self._wall_ns += round(seconds * 1e9)

    def reboot(self, off_seconds: float = 0.0) -> None:
        """Start a new boot: the monotonic clock begins again; the wall clock counted on while off."""
        self._boot_id += "+"
        self._monotonic_ns = 1_000_000
        self._wall_ns += round(off_seconds * 1e9)
