"""The bridge: every tool call of a script, judged as a direct call would be, recorded, and only then made.

The order is the whole point: decide and reserve → record → the journal's word (`before_forward`) → call → settle. A
call that definitely did not leave gives back what it spent; any other keeps it (laws 3, 5 and 6).
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from mcp import MCPError
from msgspec.structs import replace
from pydantic import ValidationError

from callgate.clock import Clock, SystemClock
from callgate.config.loaded import Loaded
from callgate.gate.call import Admission
from callgate.runner.answer import Answer
from callgate.runner.bridge import answers
from callgate.runner.bridge.budgets import Spending
from callgate.runner.bridge.catalog import Catalog
from callgate.runner.bridge.contract import BeforeForward, CallCounts, Parent, ToolInfo
from callgate.runner.bridge.exact import Unsendable, exact
from callgate.runner.bridge.failures import Unreachable
from callgate.runner.bridge.judge import Judge
from callgate.runner.bridge.names import did_you_mean, server_prefixes
from callgate.runner.bridge.policies import Log
from callgate.runner.bridge.servers import Server
from callgate.runner.bridge.turns import Settlement
from callgate.runner.execution import Owner
from callgate.text import quote
from callgate.transports.spawner import Spawner

_LOST = answers.Outcome(answers.failed("no answer of the server came", "UPS041"), "unknown")


def _unlogged(_level: str, _line: str) -> None:
    """Nobody wants to know."""


class GatedBridge:
    """A `contract.Bridge` over the servers of callgate.yaml.

    `spawner` is made with `fork_nursery()` while the process is small and has one thread; None has a nursery executed
    when the first child is needed. `servers` names those that scripts may use, None for all (`runner.servers`). `log`
    gets a level and one escaped line, and may be called in the thread that judges.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        spawner: Spawner | None = None,
        servers: Sequence[str] | None = None,
        clock: Clock | None = None,
        log: Log = _unlogged,
    ) -> None:
        self._loaded = loaded
        self._wanted = [one for one in loaded.config.servers if servers is None or one.name in servers]
        self._spawner = spawner
        self._own_spawner = spawner is None
        self._clock = clock or SystemClock()
        self._log = log
        self._judge: Judge | None = None
        self._spending = Spending()
        self._servers: dict[str, Server] = {}
        self._catalogs: dict[str, Catalog] = {}
        self._prefixes: dict[str, str] = {}

    async def open(self) -> None:
        names = tuple(server.name for server in self._wanted)
        self._judge = Judge(self._loaded, names, self._clock, self._log)
        self._prefixes = prefixes = server_prefixes(names)
        for config in self._wanted:
            changed = partial(self._changed, config.name)
            server = Server(config, self._nursery, self._clock, self._log, changed)
            self._servers[config.name] = server
            self._catalogs[config.name] = Catalog(config.name, prefixes, server.any, self._clock)

    async def warm(self, servers: Sequence[str]) -> dict[str, str]:
        known = [name for name in dict.fromkeys(servers) if name in self._servers]
        not_ready = {
            name: f"there is no such server; {did_you_mean(name, tuple(self._servers))}"
            for name in servers
            if name not in self._servers
        }
        failures = await asyncio.gather(*(self._warm(name) for name in known))
        not_ready.update({name: why for name, why in zip(known, failures, strict=True) if why is not None})
        return not_ready

    async def tools(self, owner: Owner, servers: Sequence[str] | None = None) -> Sequence[ToolInfo]:
        names = [name for name in self._servers if servers is None or name in servers]
        policies = [await self._opened.settled(name) for name in names]
        # What a server lists, and what a policy hides, is the same for all owners.
        del owner
        listings = await asyncio.gather(*(self._catalogs[name].read() for name in names))
        return [
            replace(tool, never_allowed=True) if policy.never_allows(tool.tool) else tool
            for policy, listing in zip(policies, listings, strict=True)
            for tool in listing.tools.values()
            if not policy.hides(tool.tool)
        ]

    def mentioned(self, text: str) -> Sequence[str]:
        return [name for name, prefix in self._prefixes.items() if prefix in text]

    def known(self, function: str) -> ToolInfo | None:
        for name, catalog in self._catalogs.items():
            tool = catalog.listing.tools.get(function)
            if tool is not None:
                return None if self._opened.current(name).hides(tool.tool) else tool
        return None

    async def call(
        self,
        parent: Parent,
        function: str,
        arguments: dict[str, Any],
        before_forward: BeforeForward,
        counts: CallCounts | None = None,
    ) -> Answer:
        tool = self.known(function)
        if tool is None:
            await self.tools(parent.owner)
            tool = self.known(function)
        if tool is None:
            return self._unknown(function)
        try:
            judged, spelled = exact(tool.tool, arguments)
        except Unsendable as problem:
            return answers.failed(problem.message, problem.code, ran=False)
        judge = self._opened
        policy = await judge.settled(tool.server)
        schema = None
        if policy.needs_schema(tool.tool):
            listing = await self._catalogs[tool.server].current()
            schema = None if listing is None else listing.schemas.get(tool.tool)
        if judge.current(tool.server).hides(tool.tool):
            return self._unknown(function)
        policies = judge.policies
        exhausted = self._spending.begin(
            *(parent, tool, counts, policies.budgets(tool.server), policies.of_runner, self._functions())
        )
        try:
            admission = await judge.judge(
                *(tool.server, tool.tool, parent, judged, spelled, schema, exhausted)
            )
            denial = admission.denial
            if denial is not None:
                if denial.detail is not None:
                    self._log("warning", f"{tool.server}: {denial.log_text} [{denial.code}]")
                return answers.denied(denial)
            try:
                await before_forward(admission.decision_id)
            except BaseException:
                judge.settle(Settlement(admission, "not_forwarded", ran=False))
                raise
        finally:
            self._spending.end(parent, tool)
        return await self._forward(tool, judged, admission, parent.owner.key)

    async def close(self) -> None:
        for catalog in self._catalogs.values():
            await catalog.close()
        await asyncio.gather(*(server.close() for server in self._servers.values()))
        if self._judge is not None:
            await self._judge.close()
            self._judge = None
        if self._spawner is not None and self._own_spawner:
            await asyncio.to_thread(self._spawner.close)

    async def _forward(
        self, tool: ToolInfo, arguments: dict[str, Any], admission: Admission, owner: str
    ) -> Answer:
        server = self._servers[tool.server]
        try:
            connection = await server.connection(owner)
        except Unreachable as failure:
            return self._not_forwarded(admission, failure)
        except BaseException:
            self._opened.settle(Settlement(admission, "not_forwarded", ran=False))
            raise
        seconds = server.config.timeout
        outcome = _LOST
        connection.in_flight += 1
        try:
            outcome = answers.of_result(await connection.call(tool.tool, arguments, seconds))
            server.works()
        except Unreachable as failure:
            return self._not_forwarded(admission, failure)
        except MCPError as error:
            outcome = answers.of_error(error, seconds)
        except ValidationError:
            outcome = answers.MALFORMED
        except asyncio.CancelledError:
            self._opened.settle(Settlement(admission, "cancelled"))
            raise
        except Exception as error:
            self._log("error", f"{tool.server}: a call ended with {type(error).__name__}")
        finally:
            connection.in_flight -= 1
            connection.used_ns = self._clock.monotonic_ns()
        settlement = Settlement(admission, outcome.status, rpc_code=outcome.rpc_code, size=outcome.size)
        self._opened.settle(settlement)
        return outcome.answer

    def _not_forwarded(self, admission: Admission, failure: Unreachable) -> Answer:
        self._opened.settle(Settlement(admission, "not_forwarded", ran=False))
        return answers.failed(failure.why, failure.code, ran=False, retry_after=failure.retry_after)

    async def _warm(self, name: str) -> str | None:
        try:
            await self._servers[name].connection(None)
        except Unreachable as failure:
            return failure.why
        await self._catalogs[name].read()
        return self._catalogs[name].failure

    def _functions(self) -> dict[tuple[str, str], str]:
        """Server and tool → function, where a policy of the runner counts by functions."""
        if self._opened.policies.of_runner is None:
            return {}
        listed = (catalog.listing.tools.values() for catalog in self._catalogs.values())
        return {(tool.server, tool.tool): tool.function for tools in listed for tool in tools}

    def _unknown(self, function: str) -> Answer:
        for name, catalog in self._catalogs.items():
            if catalog.failure is not None and function.startswith(self._prefixes[name]):
                text = f"the server of {quote(function, 200)} is not ready: {catalog.failure}"
                return answers.failed(text, "UPS020", ran=False)
        text = f"there is no tool {quote(function, 200)}; `searchTools` finds what is there"
        return answers.failed(text, "RUN060", kind="unknown_tool", ran=False)

    def _changed(self, name: str) -> None:
        self._catalogs[name].outdated()

    def _nursery(self) -> Spawner:
        if self._spawner is None:
            # Closed, it has a nursery executed with the first order: this process is too large to fork one.
            nowhere = socket.socket()
            nowhere.close()
            self._spawner = Spawner(os.getpid(), nowhere)
        return self._spawner

    @property
    def _opened(self) -> Judge:
        if self._judge is None:
            raise RuntimeError("the bridge is not open")
        return self._judge
