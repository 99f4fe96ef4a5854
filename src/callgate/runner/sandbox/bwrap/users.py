"""Which users sandboxes become where the runner is root: each one another, and none that owns anything here.

Limits on processes count by user, and processes of one user may signal each other; so no two share one.
"""

import heapq
import os

from callgate.runner.sandbox.bwrap.user_blocks import UserBlock

_FIRST = 2_000_000
_RUNNERS = 5_000
SLOTS = 1_000
"""How many sandboxes of one runner can have a user of their own at a time."""

_CAP_SYS_ADMIN = 1 << 21


def is_root() -> bool:
    """Whether this process may make namespaces and mounts without a user namespace."""
    if os.geteuid() != 0:
        return False
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        rights = next((line.split()[1] for line in lines if line.startswith("CapEff")), "0")
    return bool(int(rights, 16) & _CAP_SYS_ADMIN) and mapped_here()


def mapped_here() -> bool:
    """Whether there are such users here: a container may know a few thousand only."""
    uid = _FIRST + _RUNNERS * SLOTS
    with open("/proc/self/uid_map", encoding="ascii") as lines:
        return any(
            int(first) <= uid < int(first) + int(count)
            for first, _, count in (line.split() for line in lines)
        )


class Slots:
    """Numbers from 0 on, each given out once until it comes back; the smallest first.

    Users come from a block that is this object's own on the whole machine, from the first use to `close`.
    """

    def __init__(self) -> None:
        self._free: list[int] = []
        self._next = 0
        self._block: UserBlock | None = None

    def take(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, slot: int) -> None:
        heapq.heappush(self._free, slot)

    def user(self, slot: int) -> int:
        """The user of a slot. Raises SandboxError (SBX014) if there is none to be had."""
        if self._block is None:
            self._block = UserBlock(_RUNNERS)
        return _FIRST + self._block.number * SLOTS + slot % SLOTS

    def close(self) -> None:
        """Leave the users to others: no sandbox may be alive. Idempotent."""
        block, self._block = self._block, None
        if block is not None:
            block.give_back()
