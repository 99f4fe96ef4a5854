"""The policy of each server as its file says it now; a bad edit is told of loudly, and what is in force stays (law 7).

A changed file counts when it has rested, and calls wait for that: a prefix of a policy may be valid without its last
deny rules.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Literal

from callgate.clock import Clock
from callgate.config.loaded import Loaded
from callgate.config.reload import ConfigReload, changes, one_line
from callgate.errors import CallgateError
from callgate.policy.budgets import Budgets
from callgate.policy.compile import Policy
from callgate.policy.model import Document
from callgate.proxy.selftest import refuses, with_canary
from callgate.proxy.watch import FileWatch
from callgate.text import quote

SETTLING_SECONDS = 0.02
"""How soon a file that is being written to is looked at again."""

EXPIRE_SECONDS = 1.0

Log = Callable[[str, str], None]
"""Called with a level (`debug`, `info`, `warning`, `error`) and one escaped line."""

Event = Literal["policy_reloaded", "policy_refused"]
Told = Callable[[Event, str | None, str, str, str], None]
"""Called with an event for the audit: its kind, code, text, the server and the revision that is in force."""


class Policies:
    """Policies by server. `loaded` is what is in force at the start. Raises CallgateError (SELF001)."""

    def __init__(self, loaded: Loaded, servers: tuple[str, ...], clock: Clock, log: Log, told: Told) -> None:
        self._loaded = loaded
        self._log = log
        self._told = told
        self._canary = f"self-test-{os.urandom(8).hex()}"
        self._in_force = {name: self._compiled(name, loaded.documents[name]) for name in servers}
        self._budgets = {name: Budgets(policy.document) for name, policy in self._in_force.items()}
        self.of_runner = _budgets(loaded.runner_policy)
        """The budgets of executions over all servers; None if the file names no policy for them."""
        paths = [loaded.config.path] if servers else []
        runner = loaded.config.runner
        if servers and runner is not None and runner.policy is not None:
            paths.append(runner.policy)
        paths += [server.policy for server in loaded.config.servers if server.name in self._in_force]
        self._watches = {path: FileWatch(path, clock, loaded.seen.get(path)) for path in dict.fromkeys(paths)}
        self._reload = ConfigReload(loaded.config.path, log, "runner")
        self._changed: set[str] = set()
        self._reading: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fd: int | None = None

    def current(self, server: str) -> Policy:
        """What is in force now."""
        return self._in_force[server]

    def budgets(self, server: str) -> Budgets:
        """What the policy in force says of executions."""
        return self._budgets[server]

    async def settled(self, server: str) -> Policy:
        """What the files say now, if they are valid."""
        while True:
            if self._reading is not None:
                await asyncio.shield(self._reading)
            looks = {path: watch.check() for path, watch in self._watches.items()}
            # "changed" is told once: it must not be lost for a file beside it that still moves.
            self._changed.update(path for path, look in looks.items() if look == "changed")
            if "settling" in looks.values():
                await asyncio.sleep(SETTLING_SECONDS)
            elif self._changed:
                self._begin()
            else:
                return self._in_force[server]

    def close(self) -> None:
        self._let_go()
        self._reload.cancel()
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    def _begin(self) -> None:
        changed, self._changed = self._changed, set()
        fd = self._reload.start()
        if fd is None:
            for path in changed:
                self._watches[path].unread()
            return
        loop = asyncio.get_running_loop()
        self._fd = fd
        self._reading = loop.create_future()
        loop.add_reader(fd, self._arrives)
        self._timer = loop.call_later(EXPIRE_SECONDS, self._expire)

    def _expire(self) -> None:
        self._reload.expire()
        self._timer = asyncio.get_running_loop().call_later(EXPIRE_SECONDS, self._expire)

    def _arrives(self) -> None:
        if not self._reload.feed():
            return
        self._let_go()
        loaded = self._reload.finish()
        if loaded is not None:
            self._take(loaded)
        elif self._reload.refused is not None:
            error = self._reload.refused
            first = next((each for each in error.diagnostics if each.severity == "error"), None)
            text = error.message if first is None else one_line(first)
            for name, policy in self._in_force.items():
                self._told("policy_refused", error.code, text, name, policy.revision)
        reading, self._reading = self._reading, None
        if reading is not None and not reading.done():
            reading.set_result(None)

    def _let_go(self) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._fd = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take(self, loaded: Loaded) -> None:
        for name, policy in tuple(self._in_force.items()):
            document = loaded.documents.get(name)
            if document is None or document.revision == policy.revision:
                continue
            try:
                self._in_force[name] = fresh = self._compiled(name, document)
            except CallgateError as error:
                self._log("error", f"{error.message} [{error.code}]")
                self._told("policy_refused", error.code, error.message, name, policy.revision)
                continue
            self._budgets[name] = Budgets(fresh.document)
            text = f"policy {fresh.revision[:7]} of {quote(name)} is in force now"
            self._log("info", text)
            self._told("policy_reloaded", None, text, name, fresh.revision)
        self.of_runner = _budgets(loaded.runner_policy)
        if other := changes(self._loaded.config, loaded.config):
            shown = ", ".join(quote(key) for key in other[:5])
            self._log("warning", f"{shown} of the configuration changed: that counts after a restart")
        self._loaded = loaded

    def _compiled(self, name: str, document: Document) -> Policy:
        policy = with_canary(document, self._canary)
        if not refuses(policy, self._canary):
            raise CallgateError("SELF001", f"the self-test of the policy of `{name}` failed")
        return policy


def _budgets(document: Document | None) -> Budgets | None:
    return None if document is None else Budgets(document)
