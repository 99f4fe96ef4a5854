"""What is known of a server's tools, for all its agents of one era together.

Learned from whole lists that pass, and asked for when a call has to be held against its tool's schema. The
question goes over the route of the agent that needs the answer; the answer is the same for all of them.
"""

import os
from collections.abc import Callable
from typing import Any

from msgspec import Raw

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
"""After a server could not list its tools, calls do not wait for another try for so long."""
TIMEOUT_SECONDS = 10.0
"""For all pages together."""
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
        self._retry_at_ns = 0
        self._waiting: list[Callable[[], None]] = []
        self._fetch: _Fetch | None = None

    def ready(self, tool: str, *, hidden: bool) -> bool:
        """Whether there is no point in asking: what is to be known of `tool` is, or cannot be had now.

        Of a hidden tool nothing is looked up, but asking must take as long as for an unknown one.
        """
        now = self._clock.monotonic_ns()
        if now < self._fresh_until_ns:
            return self._catalog.complete if hidden else self._catalog.knows(tool)
        return now < self._retry_at_ns

    def schema(self, tool: str) -> ToolSchema | None:
        """The input schema of `tool`, None if unknown."""
        return self._catalog.schema(tool)

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

    def wait(self, route: Route, meta: dict[str, Any] | None, then: Callable[[], None]) -> None:
        """Call `then` when the list is there or cannot be had. `meta`: the agent's own, in the modern era."""
        if len(self._waiting) >= MAX_WAITING:
            then()
            return
        self._waiting.append(then)
        if self._fetch is None:
            self._fetch = fetch = _Fetch(self._upstream, route, _own_meta(meta), self._page, self._ended)
            self._call_later(TIMEOUT_SECONDS, fetch.expire)
            fetch.ask(None)

    def _page(self, tools: list[ListedTool], first: bool, last: bool) -> None:
        self._catalog.page(tools, first=first, last=last)

    def _ended(self) -> None:
        self._fetch = None
        now = self._clock.monotonic_ns()
        if self._catalog.complete:
            self._fresh_until_ns = now + round(FRESH_SECONDS * 1e9)
        else:
            self._retry_at_ns = now + round(RETRY_SECONDS * 1e9)
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()


class _Fetch:
    """One pass over the pages."""

    def __init__(
        self,
        upstream: Upstream,
        route: Route,
        meta: dict[str, Any] | None,
        page: Callable[[list[ListedTool], bool, bool], None],
        ended: Callable[[], None],
    ) -> None:
        self._upstream = upstream
        self._route = route
        self._meta = meta
        self._page = page
        self._ended = ended
        self._pages = 0
        self._bytes = 0
        self._over = False
        self._token = os.urandom(8).hex()
        self._handle: Handle | None = None

    def ask(self, cursor: str | None) -> None:
        self._pages += 1
        # Unguessable, so that no agent can ask under it.
        id = f"callgate-tools-{self._token}-{self._pages}"
        params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        if self._meta is not None:
            params["_meta"] = self._meta
        frame = read_client_frame(build_request(id, "tools/list", params))
        self._handle = self._upstream.send(frame, frame.forward, self._route, _Page(id, self._take))

    def expire(self) -> None:
        if not self._over and self._handle is not None:
            self._handle.cancel()
        self._end()

    def _take(self, result: Raw | None, size: int) -> None:
        """The result of one page, None if there is none."""
        if self._over:
            return
        self._bytes += size
        readable = result is not None and self._bytes <= MAX_BYTES
        listed = read_tools_list(result) if readable else None  # type: ignore[arg-type]
        if listed is None:
            self._end()
            return
        last = listed.next_cursor is None
        self._page(listed.tools, self._pages == 1, last)
        if last or self._pages >= MAX_PAGES:
            self._end()
        else:
            self.ask(listed.next_cursor)

    def _end(self) -> None:
        if not self._over:
            self._over = True
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


def _own_meta(meta: dict[str, Any] | None) -> dict[str, Any] | None:
    """The part of an agent's `_meta` that every request of the modern era must carry."""
    if meta is None:
        return None
    return {key: meta[key] for key in (META_PROTOCOL_VERSION, META_CLIENT_CAPABILITIES) if key in meta}
