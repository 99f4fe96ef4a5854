"""What the tests of children share: an event loop with an upstream on it, and a sink that writes down what it gets."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from msgspec import structs

from callgate.clock import Clock, ManualClock
from callgate.config.model import ServerConfig
from callgate.transports.spawner import Spawner, fork_nursery
from callgate.upstream.contract import Handle, Route, UpstreamFailure
from callgate.upstream.stdio import StdioUpstream
from callgate.wire.strict import read_client_frame

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests/support"
VERSION = "2026-07-28"
LEGACY = Route("session-1", "legacy", "2025-11-25")
MODERN = Route("alice", "modern", VERSION)
Message = dict[str, Any]


class RecordingSink:
    """`events` are (message, id). `done` is True after `closed` or `failed`."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.stream: bool | None = None
        self.events: list[tuple[Message, str | None]] = []
        self.raw: list[bytes] = []
        self.failure: UpstreamFailure | None = None
        self.is_closed = False
        self.handle: Handle
        self.changed: Callable[[], None] = lambda: None

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:
        assert self.status is None, "opened twice"
        assert not self.done
        assert session is None
        self.status, self.stream = status, stream
        self.changed()

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        assert retry is None
        assert self.status is not None, "an event before the answer was opened"
        assert not self.done
        assert b"\n" not in data
        assert b"\r" not in data
        self.raw.append(data)
        self.events.append((json.loads(data), id))
        self.changed()

    def closed(self) -> None:
        assert not self.done
        self.is_closed = True
        self.changed()

    def failed(self, failure: UpstreamFailure) -> None:
        assert not self.done
        self.failure = failure
        self.changed()

    @property
    def done(self) -> bool:
        return self.is_closed or self.failure is not None

    @property
    def messages(self) -> list[Message]:
        return [message for message, _ in self.events]

    @property
    def ids(self) -> list[str | None]:
        return [id for _, id in self.events]

    @property
    def answer(self) -> Message:
        """The only frame of an answer that is complete."""
        assert self.is_closed, self.failure
        assert len(self.events) == 1, self.messages
        return self.messages[0]

    @property
    def result(self) -> Message:
        result: Message = self.answer["result"]
        return result

    @property
    def code(self) -> str | None:
        return self.failure.code if self.failure else None


class Bench:
    """One upstream on its own loop. Each call of a method is one step of a conversation."""

    def __init__(self, loop: asyncio.AbstractEventLoop, spawner: Spawner, clock: Clock) -> None:
        self.loop = loop
        self.spawner = spawner
        self.clock = clock
        self.log: list[tuple[str, str]] = []
        self.upstreams: list[StdioUpstream] = []
        self.next_id = 0

    def upstream(
        self, *command: str | Path, env: dict[str, str] | None = None, **settings: Any
    ) -> StdioUpstream:
        config = ServerConfig(name="srv", policy="/p", command=tuple(map(str, command)), **settings)
        log = self.log
        upstream = StdioUpstream(
            config,
            env or {},
            self.spawner,
            self.loop,
            self.clock,
            lambda level, line: log.append((level, line)),
        )
        self.upstreams.append(upstream)
        return upstream

    def python(self, code: str, **settings: Any) -> StdioUpstream:
        return self.upstream(sys.executable, "-u", "-c", code, **settings)

    def send(self, upstream: StdioUpstream, route: Route, message: Message) -> RecordingSink:
        """Send a message; do not wait."""
        frame = read_client_frame(json.dumps({"jsonrpc": "2.0", **message}).encode())
        assert b"\n" not in frame.forward
        sink = RecordingSink()
        sink.handle = upstream.send(frame, frame.forward, route, sink)
        return sink

    def request(
        self,
        upstream: StdioUpstream,
        route: Route,
        method: str,
        id: Any = None,
        meta: Any = None,
        **params: Any,
    ) -> RecordingSink:
        """Send a request; a modern one gets the `_meta` it needs. Does not wait."""
        if id is None:
            self.next_id += 1
            id = self.next_id
        if route.era == "modern":
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": route.version,
                "io.modelcontextprotocol/clientCapabilities": {},
                **(meta or {}),
            }
        elif meta:
            params["_meta"] = meta
        return self.send(upstream, route, {"id": id, "method": method, "params": params})

    def call(
        self,
        upstream: StdioUpstream,
        route: Route,
        tool: str,
        id: Any = None,
        meta: Any = None,
        **arguments: Any,
    ) -> RecordingSink:
        return self.request(upstream, route, "tools/call", id, meta, name=tool, arguments=arguments)

    def initialize(self, upstream: StdioUpstream, route: Route = LEGACY) -> RecordingSink:
        """A whole handshake."""
        info = {"name": "test", "version": "1"}
        sink = self.request(
            upstream,
            route,
            "initialize",
            protocolVersion=route.version,
            capabilities={"roots": {}, "sampling": {}, "elicitation": {}},
            clientInfo=info,
        )
        self.until(lambda: sink.done)
        if sink.failure is None:
            self.send(upstream, route, {"method": "notifications/initialized"})
        return sink

    def listen(
        self, upstream: StdioUpstream, route: Route = LEGACY, last: str | None = None
    ) -> RecordingSink:
        sink = RecordingSink()
        sink.handle = upstream.listen(route, last, sink)
        return sink

    def end(self, upstream: StdioUpstream, route: Route = LEGACY) -> RecordingSink:
        sink = RecordingSink()
        upstream.end(route, sink)
        return sink

    def wait(self, *sinks: RecordingSink) -> None:
        """Until all are complete."""
        self.until(lambda: all(sink.done for sink in sinks))

    def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Run the loop until `condition` holds. It is looked at after every turn."""

        async def run() -> None:
            end = self.loop.time() + seconds
            while not condition():
                assert self.loop.time() < end, f"not within {seconds} s; log: {self.log[-5:]}"
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(run())

    def turns(self, count: int = 3) -> None:
        """Let what is due now happen."""

        async def run() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    def pass_time(self, seconds: float) -> None:
        """Give what must not happen the time in which it would."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def settle(self, upstream: StdioUpstream) -> None:
        """Until no process is left."""
        self.until(lambda: upstream.children == 0)

    def logged(self, text: str) -> bool:
        return any(text in line for _, line in self.log)


@contextmanager
def bench_on_a_loop(clock: Clock | None = None) -> Iterator[Bench]:
    """A bench, and no process and no descriptor of it left at the end."""
    spawner = fork_nursery()
    loop = uvloop.new_event_loop()
    bench = Bench(loop, spawner, clock or ManualClock())
    try:
        yield bench
    finally:
        for upstream in bench.upstreams:
            upstream.close()
        spawner.close()
        loop.close()


def another(route: Route, lane: str) -> Route:
    return structs.replace(route, lane=lane)


def puppet(bench: Bench, era: str, **settings: Any) -> StdioUpstream:
    """An upstream of `puppet_server.py`."""
    return bench.upstream(
        sys.executable, "-I", "-S", Path(__file__).parent / "puppet_server.py", era, **settings
    )


def rpc(method: str, id: Any = None, **params: Any) -> str:
    """A line for the puppet to say."""
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message if id is None else {**message, "id": id})


ANSWER = '{"jsonrpc":"2.0","id":@ID@,"result":{"resultType":"complete"}}'
