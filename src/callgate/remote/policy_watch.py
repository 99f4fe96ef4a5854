"""Keeps the policy in force that of its file, beside an event loop: what `proxy.relay` does beside a poll."""

import asyncio
from collections.abc import Callable

from callgate.policy.compile import Policy
from callgate.proxy.relay import Reload
from callgate.proxy.watch import FileWatch


class PolicyWatch:
    """`changed` is called with each new policy."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        watch: FileWatch,
        reload: Reload,
        changed: Callable[[Policy], None],
    ) -> None:
        self._loop = loop
        self._watch = watch
        self._reload = reload
        self._changed = changed
        self._fd: int | None = None

    def settled(self) -> bool:
        """Whether the policy in force is the file's; begins to read it if it changed. False: ask again soon."""
        if self._fd is not None:
            self._reload.expire()
            return False
        change = self._watch.check()
        if change == "changed":
            self._fd = self._reload.start()
            if self._fd is None:
                self._watch.unread()
                return True
            self._loop.add_reader(self._fd, self._arrives)
            return False
        return change != "settling"

    def close(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._fd = None

    def _arrives(self) -> None:
        if self._reload.feed():
            self.close()
            policy = self._reload.finish()
            if policy is not None:
                self._changed(policy)
