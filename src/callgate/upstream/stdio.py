"""A server over stdio behind the gate: one child for each lane, started when it is first needed.

Source: MCP, transports, stdio. All rights to a child end here: idle ones are ended, dead ones are not quietly
replaced within a session, and a server that keeps ending is not started for ever. It must never block the loop.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.text import escape, quote
from callgate.transports.environment import caller_variables, child_environment
from callgate.transports.spawner import Spawner
from callgate.upstream import failures
from callgate.upstream.child import Child
from callgate.upstream.contract import Handle, Route, Sink, UpstreamFailure, identity_of
from callgate.upstream.delivery import Delivery
from callgate.upstream.lane import Lane
from callgate.upstream.legacy_lane import LegacyLane
from callgate.upstream.modern_lane import ModernLane
from callgate.upstream.restarts import STEADY_SECONDS, Restarts
from callgate.upstream.stderr import Log
from callgate.wire.strict import ClientFrame

SWEEP_SECONDS = 1.0
FLUSH_SECONDS = 0.005
KEPT_SECONDS = 60.0
"""For so long after its last use a session is not ended to make room for another caller's."""
ERA_SECONDS = 300.0
"""How long it counts that a server spoke no modern version: it may be another one after an update."""

SHUTTING_DOWN = "the gate is shutting down"

_SERVER = ""
"""The key under which ends of children that never said anything are counted."""


class StdioUpstream:
    """An `Upstream`. `config.command` is run through `spawner`, which all upstreams of this process share.

    `env` is what `config.env` says with every secret read; it may be replaced for children to come. `sweep` is called
    every second while there are children; times are those of `clock`.
    """

    def __init__(
        self,
        config: ServerConfig,
        env: Mapping[str, str],
        spawner: Spawner,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        log: Log,
    ) -> None:
        self.name = config.name
        self.config = config
        self.env = env
        self.clock = clock
        self.log = log
        self.in_flight = 0
        self._spawner = spawner
        self._loop = loop
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._children: set[Lane] = set()
        self._restarts = Restarts(clock)
        self._legacy_until_ns = 0
        self._supported: tuple[str, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._flush_timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def children(self) -> int:
        """How many children there are, those included that are about to end."""
        return len(self._children)

    def send(self, frame: ClientFrame, forward: bytes, route: Route, sink: Sink) -> Handle:
        if route.era == "modern" and frame.kind != "request":
            # This version has neither notifications nor answers from clients over HTTP, and a stray
            # `notifications/cancelled` would name another client's request.
            return self._tell(sink, Delivery.accept)
        lane: Lane | UpstreamFailure | None = self._lanes.get((route.era, route.lane))
        if lane is None:
            lane = self._new_lane(frame, route)
        if isinstance(lane, UpstreamFailure):
            return self._fail(sink, lane)
        lane.used = True
        return lane.send(frame, forward, sink)

    def listen(self, route: Route, last_event_id: str | None, sink: Sink) -> Handle:
        if route.era == "modern":
            return self._tell(sink, partial(_status, 405))
        lane = self._lanes.get((route.era, route.lane))
        if not isinstance(lane, LegacyLane):
            return self._fail(sink, failures.UNKNOWN_SESSION)
        return lane.listen(last_event_id, sink)

    def end(self, route: Route, sink: Sink) -> None:
        lane = self._lanes.get((route.era, route.lane))
        if lane is None:
            self._fail(sink, failures.UNKNOWN_SESSION)
            return
        lane.end("the session was ended")
        self._tell(sink, partial(_status, 200))

    def close(self) -> None:
        self._closed = True
        for timer in (self._timer, self._flush_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._flush_timer = None
        for lane in tuple(self._children):
            lane.close(SHUTTING_DOWN)
        self._children.clear()
        self._lanes.clear()

    def sweep(self) -> None:
        """End what is idle or late."""
        now = self.clock.monotonic_ns()
        idle_since = now - round(self.config.idle * 1e9)
        for lane in tuple(self._lanes.values()):
            lane.sweep(now)
            self._note_use(lane, now)
            if lane.used_ns <= idle_since:
                self.log(
                    "debug", f"{self.name}: a session was idle for {self.config.idle:g} seconds and is ended"
                )
                lane.end("the session was idle for too long")
        self._restarts.prune()

    def _start_child(self, lane: Lane, route: Route) -> Child | UpstreamFailure:
        """Start the lane's child, unless the server has to be left alone for a while."""
        wait = max(self._restarts.wait(_SERVER), self._restarts.wait(lane.key[1]) if lane.key[1] else 0)
        if wait:
            return failures.restarting(wait)
        try:
            told = caller_variables(identity_of(route), route.lane)
            env = child_environment(os.environ, {**self.env, **told})
            pipes = self._spawner.start(self.config.command, env, self.config.cwd)
        except OSError as error:
            return self._cannot_start(os.strerror(error.errno or 0).lower())
        except ValueError as error:
            return self._cannot_start(str(error))
        self._flush_later()
        self._children.add(lane)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._tick)
        return Child(self.name, pipes, self._loop, self.clock, self.log, lane, self.config.max_response)

    # For the lanes.

    def lane_over(self, lane: Lane) -> None:
        """Forget the lane: it takes no more frames."""
        if self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]

    def child_works(self) -> None:
        """A child has said something that makes sense."""
        self._restarts.works(_SERVER)

    def child_ended(self, lane: Lane, *, heard: bool, lived_ns: int) -> None:
        """The lane's child ended by itself."""
        if not heard:
            self._restarts.ended_badly(_SERVER)
        if lane.key[0] == "modern":
            if lived_ns < STEADY_SECONDS * 1e9:
                self._restarts.ended_badly(lane.key[1])
            else:
                self._restarts.works(lane.key[1])

    def child_gone(self, lane: Lane) -> None:
        """No process of the lane is left."""
        self._children.discard(lane)

    def soon(self, tell: Callable[[], None]) -> None:
        """Do that in the next turn of the loop."""
        self._loop.call_soon(tell)

    def _new_lane(self, frame: ClientFrame, route: Route) -> Lane | UpstreamFailure:
        if self._closed:
            return failures.ended(SHUTTING_DOWN, ran=False)
        key = (route.era, route.lane)
        lane: Lane
        if route.era == "modern":
            if self.clock.monotonic_ns() < self._legacy_until_ns:
                return failures.other_era(self._supported)
            lane = ModernLane(self, key, self._found_legacy)
        elif frame.method == "initialize":
            lane = LegacyLane(self, key, self._speaks)
        else:
            return failures.UNKNOWN_SESSION
        if len(self._lanes) >= self.config.max_children and not self._make_room(route.owner):
            return failures.FULL
        if len(self._children) >= 2 * self.config.max_children:
            # Those that were to make room take their time.
            return failures.FULL
        child = self._start_child(lane, route)
        if not isinstance(child, Child):
            return child
        lane.child = child
        lane.caller = route.owner
        self._lanes[key] = lane
        return lane

    def _make_room(self, caller: str) -> bool:
        """End a child that nobody waits for, so that `caller` can have one. False if there is none to be ended.

        The caller's own come first; then those whose end nobody notices, or not soon; then those of callers that would
        still have more than this one.
        """
        now = self.clock.monotonic_ns()
        free = [lane for lane in self._lanes.values() if not lane.busy]
        for lane in free:
            self._note_use(lane, now)
        kept_since = now - round(KEPT_SECONDS * 1e9)
        shares = Counter(lane.caller for lane in self._lanes.values())
        fair = shares[caller] + 1
        spare = (
            [lane for lane in free if lane.caller == caller]
            or [lane for lane in free if isinstance(lane, ModernLane) or lane.used_ns <= kept_since]
            or [lane for lane in free if shares[lane.caller] > fair]
        )
        if not spare:
            return False
        longest = min(spare, key=lambda lane: (lane.listening, lane.used_ns))
        self.log("info", f"{self.name}: the longest idle session is ended to make room")
        longest.end("the session was ended to make room")
        return True

    def _note_use(self, lane: Lane, now_ns: int) -> None:
        if lane.used or not lane.idle:
            lane.used_ns = now_ns
        lane.used = lane.spoke = False

    def _found_legacy(self, supported: tuple[str, ...]) -> None:
        self._legacy_until_ns = self.clock.monotonic_ns() + round(ERA_SECONDS * 1e9)
        if supported:
            self._supported = supported
        self.log("info", f"{self.name}: the server speaks no protocol version without a handshake")
        for lane in tuple(self._lanes.values()):
            if isinstance(lane, ModernLane):
                lane.legacy(self._supported)

    def _speaks(self, version: str) -> None:
        if version not in self._supported:
            self._supported = (*self._supported, version)[-8:]

    def _cannot_start(self, why: str) -> UpstreamFailure:
        failure = failures.cannot_start(why)
        program = quote(self.config.command[0], 200)
        self.log("error", f"{self.name}: {escape(failure.text)}: {program} [{failure.code}]")
        return failure

    def _flush_later(self) -> None:
        # Rare. Waiting for the socket itself would need to know of every nursery that is replaced.
        if self._spawner.backlog and self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        self._spawner.flush()
        self._flush_later()

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self._children or self._lanes:
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._tick)

    def _fail(self, sink: Sink, failure: UpstreamFailure) -> Handle:
        return self._tell(sink, lambda delivery: delivery.fail(failure))

    def _tell(self, sink: Sink, tell: Callable[[Delivery], None]) -> Handle:
        delivery = Delivery(sink)
        self._loop.call_soon(tell, delivery)
        return delivery


def _status(status: int, delivery: Delivery) -> None:
    delivery.open(status, stream=False)
    delivery.close()
