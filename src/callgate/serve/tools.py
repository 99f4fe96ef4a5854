"""What is known of a server's tools, for all its agents of one era together.

Learned from whole lists that pass, and asked for when a call has to be held against its tool's schema. The
question goes over the route of the agent that needs the answer; the answer is the same for all of them. What one
agent's route does to a question must never keep the answer from others.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Raw, structs

from callgate.clock import Clock
from callgate.policy.toolschema import ToolSchema
from callgate.proxy.catalog import Catalog
from callgate.upstream.contract import Handle, Route, Upstream, UpstreamFailure
from callgate.wire.replies import request as build_request
from callgate.wire.server import read_server_frame
from callgate.wire.strict import read_client_frame
from callgate.wire.toolslist import ListedTool, read_tools_list
from callgate.wire.vocabulary import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION

FRESH_SECONDS = 60.0
"""How long a list counts; servers say when it changes, but only to whoever listens."""
RETRY_SECONDS = 5.0
"""After an asker could not get the list, its calls do not wait for another try for so long."""
TIMEOUT_SECONDS = 10.0
"""For all pages together."""
PATIENCE_SECONDS = 2.0
"""After so long without an answer, the next asker that waits asks as well."""
MAX_FETCHES = 4
"""At the same time, each of another asker."""
MAX_PAGES = 200
MAX_BYTES = 32 << 20
MAX_WAITING = 10_000


class Tools:
    """The catalog of one server in one era."""

    def __init__(
        self, upstream: Upstream, clock: Clock, call_later: Callable[[float, Callable[[], None]], Any]
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._call_later = call_later
        self._catalog = Catalog()
        self._fresh_until_ns = 0
        self._failed: dict[str, int] = {}
        """Until when an asker that could not get the list does not ask again."""
        self._waiting: list[tuple[Route, Callable[[], None]]] = []
        self._fetches: dict[str, _Fetch] = {}

    def ready(self, route: Route) -> bool:
        """Whether there is no point in asking over `route`: the list is known, or cannot be had now."""
        return self._fresh or self._clock.monotonic_ns() < self._failed.get(_asker(route), 0)

    def schema(self, tool: str) -> ToolSchema | None:
        """The input schema of `tool`, None if unknown: what the server said long ago may no longer be so."""
        return self._catalog.schema(tool) if self._fresh else None

    def output_schema(self, tool: str) -> Any:
        """The output schema of `tool`, None if it has none."""
        return self._catalog.output_schema(tool)

    @property
    def complete(self) -> bool:
        """Whether the whole list is known."""
        return self._catalog.complete

    @property
    def names(self) -> list[str]:
        """The names of all tools seen."""
        return list(self._catalog.names)

    def learn(self, tools: list[ListedTool]) -> None:
        """Take a list that passed and is whole: pages of several agents' lists could not be told apart."""
        self._catalog.page(tools, first=True, last=True)
        self._fresh_until_ns = self._clock.monotonic_ns() + round(FRESH_SECONDS * 1e9)

    def outdated(self) -> None:
        """The server says that its tools changed."""
        self._catalog.outdated()
        self._fresh_until_ns = 0
        for fetch in self._fetches.values():
            fetch.catalog.outdated()

    def wait(self, route: Route, then: Callable[[], None]) -> None:
        """Call `then` when the list is there or cannot be had over `route`."""
        if len(self._waiting) >= MAX_WAITING:
            then()
            return
        self._waiting.append((route, then))
        if not self._fetches:
            self._ask_next()

    @property
    def _fresh(self) -> bool:
        return self._clock.monotonic_ns() < self._fresh_until_ns

    def _ask_next(self) -> None:
        """Ask over the route of the first that waits and does not ask yet."""
        if len(self._fetches) >= MAX_FETCHES:
            return
        for route, _ in self._waiting:
            asker = _asker(route)
            if asker not in self._fetches:
                self._fetches[asker] = fetch = _Fetch(self._upstream, route, partial(self._ended, asker))
                self._call_later(TIMEOUT_SECONDS, fetch.expire)
                self._call_later(PATIENCE_SECONDS, partial(self._late, fetch))
                fetch.ask(None)
                return

    def _late(self, fetch: "_Fetch") -> None:
        if not fetch.over:
            self._ask_next()

    def _ended(self, asker: str) -> None:
        fetch = self._fetches.pop(asker)
        now = self._clock.monotonic_ns()
        if fetch.catalog.complete:
            self._catalog = fetch.catalog
            self._fresh_until_ns = now + round(FRESH_SECONDS * 1e9)
            waiting, self._waiting = self._waiting, []
            others, self._fetches = self._fetches, {}
            for other in others.values():
                other.stop()
        else:
            self._failed = {who: until for who, until in self._failed.items() if until > now}
            self._failed[asker] = now + round(RETRY_SECONDS * 1e9)
            waiting = [one for one in self._waiting if _asker(one[0]) == asker]
            self._waiting = [one for one in self._waiting if _asker(one[0]) != asker]
            self._ask_next()
        for _, then in waiting:
            then()


class _Fetch:
    """One pass over the pages."""

    def __init__(self, upstream: Upstream, route: Route, ended: Callable[[], None]) -> None:
        self.catalog = Catalog()
        self.over = False
        self._upstream = upstream
        self._route = structs.replace(route, trace=(), param_headers=None)
        self._ended = ended
        self._pages = 0
        self._bytes = 0
        self._token = os.urandom(8).hex()
        self._handle: Handle | None = None

    def ask(self, cursor: str | None) -> None:
        self._pages += 1
        # Unguessable, so that no agent can ask under it.
        id = f"callgate-tools-{self._token}-{self._pages}"
        params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        if self._route.era == "modern":
            # The gate's own: what an agent writes there may be wrong, and the answer is for others too.
            params["_meta"] = {META_PROTOCOL_VERSION: self._route.version, META_CLIENT_CAPABILITIES: {}}
        frame = read_client_frame(build_request(id, "tools/list", params))
        self._handle = self._upstream.send(frame, frame.forward, self._route, _Page(id, self._take))

    def expire(self) -> None:
        if not self.over:
            self.stop()
            self._ended()

    def stop(self) -> None:
        """Nobody waits any more."""
        self.over = True
        if self._handle is not None:
            self._handle.cancel()

    def _take(self, result: Raw | None, size: int) -> None:
        """The result of one page, None if there is none."""
        if self.over:
            return
        self._bytes += size
        readable = result is not None and self._bytes <= MAX_BYTES
        listed = read_tools_list(result) if readable else None  # type: ignore[arg-type]
        if listed is not None:
            last = listed.next_cursor is None
            self.catalog.page(listed.tools, first=self._pages == 1, last=last)
            if not last and self._pages < MAX_PAGES:
                self.ask(listed.next_cursor)
                return
        self.over = True
        self._ended()


class _Page:
    """The sink of one page's answer. `take` gets its result and size, once; None if there is no such answer."""

    def __init__(self, id: str, take: Callable[[Raw | None, int], None]) -> None:
        self._id = id
        self._take: Callable[[Raw | None, int], None] | None = take

    def opened(self, status: int, *, stream: bool, session: str | None) -> None: ...

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:  # noqa: ARG002
        if self._take is None or not data:
            return
        frame = read_server_frame(data)
        if frame.kind == "response" and frame.id == self._id:
            self._end(frame.result, len(data))

    def closed(self) -> None:
        self._end(None, 0)

    def failed(self, failure: UpstreamFailure) -> None:  # noqa: ARG002
        self._end(None, 0)

    def _end(self, result: Raw | None, size: int) -> None:
        # What belongs to this page may still end after the next one was asked for.
        take, self._take = self._take, None
        if take is not None:
            take(result, size)


def _asker(route: Route) -> str:
    """Who answers for what becomes of a question over `route`."""
    return route.owner or route.lane
