"""Ask the server for its tools when a call has to be validated before the agent has asked for them.

The question is put in the agent's own era, under an id the agent cannot guess, after the server has settled on
that era (a stdio server keeps the era of the first request it sees). The calls that need the answer are parked
meanwhile; everything else goes on. No I/O.
"""

from collections.abc import Callable
from typing import Any

from callgate.clock import Clock
from callgate.proxy.pending import Parked
from callgate.wire import toolslist
from callgate.wire.replies import request as build_request
from callgate.wire.server import ServerFrame
from callgate.wire.strict import ClientFrame
from callgate.wire.vocabulary import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION

TIMEOUT_SECONDS = 10.0
"""For all pages together: nobody waits longer, however many there are."""
MAX_PAGES = 200
MAX_BYTES = 32 << 20
"""Of all pages together: what is learned from them stays in memory."""
MAX_PARKED = 1_000


class SchemaFetch:
    """One pass over the pages of tools/list at a time.

    `send` takes a frame for the server; `page` takes (tools, first, last) of a page; `release` takes the parked
    calls when the pass has ended, whether it brought anything or not.
    """

    def __init__(
        self,
        token: str,
        clock: Clock,
        send: Callable[[bytes], None],
        page: Callable[[list[toolslist.ListedTool], bool, bool], None],
        release: Callable[[list[Parked]], None],
    ) -> None:
        self._token = token
        self._clock = clock
        self._send = send
        self._page = page
        self._release = release
        self._count = 0
        self._pages = 0
        self._bytes = 0
        self._id: str | None = None
        self._meta: dict[str, Any] | None = None
        self._deadline_ns = 0
        self._parked: list[Parked] = []

    @property
    def parked(self) -> int:
        """How many calls wait."""
        return len(self._parked)

    @property
    def deadline_ns(self) -> int | None:
        """When to call `expire` (the clock's monotonic time), or None if nothing waits."""
        return self._deadline_ns if self._id is not None else None

    def owns(self, request_id: object) -> bool:
        """Whether an answer with this id is meant for the gate and not for the agent, even if it comes too late."""
        return self._count > 0 and type(request_id) is str and request_id.startswith(self._token)

    def awaits(self, request_id: object) -> bool:
        """Whether this is the question that waits for its answer."""
        return self._id is not None and request_id == self._id

    def park(self, parked: Parked) -> bool:
        """Let a call wait for the list, asking for it if that is not under way. False: too many wait already."""
        if len(self._parked) >= MAX_PARKED:
            return False
        self._parked.append(parked)
        if self._id is None:
            self._meta = _own_meta(parked.frame) if parked.modern else None
            self._pages = 0
            self._bytes = 0
            self._deadline_ns = self._clock.monotonic_ns() + round(TIMEOUT_SECONDS * 1e9)
            self._ask(None)
        return True

    def withdraw(self, request_id: object) -> bool:
        """The agent cancelled a request: forget it if it is parked."""
        for parked in self._parked:
            if parked.frame.id == request_id and type(parked.frame.id) is type(request_id):
                self._parked.remove(parked)
                return True
        return False

    def answered(self, frame: ServerFrame) -> None:
        """Take the server's answer to a question of the gate's own; nobody waits for one that comes too late."""
        if frame.id != self._id:
            return
        self._bytes += len(frame.forward)
        readable = frame.result is not None and self._bytes <= MAX_BYTES
        listed = toolslist.read_tools_list(frame.result) if readable else None  # type: ignore[arg-type]
        if listed is None:
            self._end()
            return
        last = listed.next_cursor is None
        self._page(listed.tools, self._pages == 1, last)
        if last or self._pages >= MAX_PAGES:
            self._end()
        else:
            self._ask(listed.next_cursor)

    def expire(self) -> None:
        """The server did not list all its tools in time: the parked calls are judged without the schema."""
        if self._id is not None and self._clock.monotonic_ns() >= self._deadline_ns:
            self._end()

    def drop(self) -> None:
        """Ask no more and forget the parked calls: whoever calls this answers them."""
        self._id = None
        self._parked = []

    def _ask(self, cursor: str | None) -> None:
        self._count += 1
        self._pages += 1
        self._id = f"{self._token}-{self._count}"
        params: dict[str, Any] = {}
        if cursor is not None:
            params["cursor"] = cursor
        if self._meta is not None:
            params["_meta"] = self._meta
        self._send(build_request(self._id, "tools/list", params))

    def _end(self) -> None:
        self._id = None
        parked, self._parked = self._parked, []
        self._release(parked)


def _own_meta(frame: ClientFrame) -> dict[str, Any]:
    """The part of the agent's `_meta` that a request of the modern era must carry (2026-07-28, base protocol)."""
    meta: Any = (frame.params or {}).get("_meta")
    return {key: meta[key] for key in (META_PROTOCOL_VERSION, META_CLIENT_CAPABILITIES) if key in meta}
