"""Store time in Redis: gates on several machines, a Redis host whose clock is stepped, a network that dawdles.

The server is real; its clock, the network and the gates' machines are played.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_servers import prefix_of, shared_server
from state_stores import charge, limit, refused, scratch

from callgate.clock import ManualClock
from callgate.decision import SlidingWindow
from callgate.state.ledger import Refused, Reserved
from callgate.state.redis import RedisLedger

MS = 1_000_000
LATENCY_US = 250_000
WINDOW = SlidingWindow(5_000)
THREE = limit(3, WINDOW)
# By how much a window may end early if the Redis host's clock is stepped: what a gate waits for an answer, for
# the step and for what was lost before, and a thousandth of the time passed.
TOLERANCE_NS = 3 * LATENCY_US * 1000 + 5 * MS


class World:
    """True time, the Redis host's clock, and three machines with a gate each."""

    def __init__(self, directory: str) -> None:
        self.true_ns = 10**12
        self.server_error_ns = 0
        self.on_the_way_ns = 0
        self.clocks = [
            ManualClock(monotonic_ns=10**12 * (i + 1), wall_ns=self.wall_ns() + i * 40 * MS) for i in range(3)
        ]
        self.prefix = prefix_of(directory)
        self.ledgers = [self.open(clock, f"machine-{i}") for i, clock in enumerate(self.clocks)]

    def wall_ns(self) -> int:
        return 1_790_000_000 * 10**9 + self.true_ns

    def server_ns(self) -> int:
        """What the Redis host's clock says when the call arrives there."""
        return self.wall_ns() + self.server_error_ns + self.on_the_way_ns

    def open(self, clock: ManualClock, boot: str) -> RedisLedger:
        clock._boot_id = boot
        ledger = RedisLedger(shared_server().url(f"prefix={self.prefix}"), clock, server_ns=self.server_ns)
        ledger._script._latency_us = LATENCY_US
        return ledger

    def advance(self, ns: int) -> None:
        self.true_ns += ns
        for clock in self.clocks:
            clock.advance(ns / 1e9)

    def reserve(self, which: int, latency_ms: int = 0) -> int | None:
        """When the call was carried out, if it was admitted."""
        self.on_the_way_ns = latency_ms * MS
        answer = self.ledgers[which].reserve([charge(THREE)])
        self.on_the_way_ns = 0
        at = self.true_ns + latency_ms * MS
        self.advance(latency_ms * MS)
        return at if isinstance(answer, Reserved) else None

    def close(self) -> None:
        for ledger in self.ledgers:
            ledger.close()


@pytest.fixture
def world() -> Iterator[World]:
    with scratch() as directory:
        found = World(directory)
        yield found
        found.close()


def most_in_a_window(admissions: list[int], length_ns: int) -> int:
    return max((sum(first <= at < first + length_ns for at in admissions) for first in admissions), default=0)


CALL = st.tuples(st.just("call"), st.integers(0, 2), st.sampled_from([0, 0, 1, 40, 200]))
PASS = st.tuples(st.just("pass"), st.sampled_from([1, 700, 1_700, 2_500, 4_900, 60_000]), st.just(0))
STEP = st.tuples(
    st.just("step"), st.sampled_from([-86_400_000, -3_000, 300, 2_000, 4_000, 86_400_000]), st.just(0)
)
BOOT = st.tuples(st.just("boot"), st.integers(0, 2), st.just(0))


@settings(max_examples=150, deadline=None)
@given(moves=st.lists(st.one_of(CALL, CALL, PASS), max_size=40))
def test_with_clocks_that_are_not_stepped_windows_are_exact_whatever_the_network_does(
    moves: list[tuple[str, int, int]],
) -> None:
    with scratch() as directory:
        world = World(directory)
        admissions: list[int] = []
        for kind, number, latency in moves:
            if kind == "pass":
                world.advance(number * MS)
                continue
            at = world.reserve(number, latency)
            if at is not None:
                admissions.append(at)
            else:
                held = sum(earlier > world.true_ns - WINDOW.milliseconds * MS for earlier in admissions)
                # A machine whose clock is a little behind may cost a little when it is first heard.
                assert held == 3 or admissions[-3] > world.true_ns - (WINDOW.milliseconds + 300) * MS
        assert most_in_a_window(admissions, WINDOW.milliseconds * MS) <= 3
        world.close()


@settings(max_examples=150, deadline=None)
@given(moves=st.lists(st.one_of(CALL, CALL, CALL, PASS, STEP, BOOT), min_size=8, max_size=60))
def test_however_the_redis_hosts_clock_is_stepped_windows_end_early_by_little(
    moves: list[tuple[str, int, int]],
) -> None:
    with scratch() as directory:
        world = World(directory)
        boots = 0
        admissions: list[int] = []
        for kind, number, latency in moves:
            if kind == "pass":
                world.advance(number * MS)
            elif kind == "step":
                world.server_error_ns += number * MS
            elif kind == "boot":
                boots += 1
                world.ledgers[number].close()
                world.ledgers[number] = world.open(world.clocks[number], f"boot-{boots}")
            elif (at := world.reserve(number, latency)) is not None:
                admissions.append(at)
        elapsed = world.true_ns - 10**12
        length = WINDOW.milliseconds * MS - TOLERANCE_NS - elapsed // 1000
        assert most_in_a_window(admissions, length) <= 3
        world.close()


@pytest.mark.parametrize("step_ms", [-86_400_000, 86_400_000])
def test_a_step_keeps_no_window_open_for_ever(world: World, step_ms: int) -> None:
    for _ in range(3):
        assert world.reserve(0) is not None
    world.server_error_ns += step_ms * MS
    assert world.reserve(0) is None
    assert world.reserve(1) is None
    world.advance(WINDOW.milliseconds * MS + TOLERANCE_NS)
    assert world.reserve(2) is not None


def test_a_promoted_replica_with_a_clock_of_its_own_is_a_step(world: World) -> None:
    for which in (0, 1, 2):
        assert world.reserve(which) is not None
    world.server_error_ns = 3_600 * 10**9
    for which in (0, 1, 2):
        wait = refused(world.ledgers[which], charge(THREE)).retry_after
        assert wait is not None
        assert 4.4 < wait <= 5


def test_the_wait_is_exact_to_the_microsecond_with_the_servers_clock(world: World) -> None:
    for _ in range(3):
        world.reserve(0)
    world.advance(1_234 * MS)
    first = world.ledgers[0].reserve([charge(THREE)])
    assert isinstance(first, Refused)
    assert first.retry_after == 3.766


def test_time_lost_to_a_step_back_is_not_made_up_for_at_the_cost_of_open_windows(world: World) -> None:
    for which in (0, 1):
        world.ledgers[which].used("calls|", WINDOW)
    world.advance(4_900 * MS)
    world.server_error_ns = -86_400 * 10**9
    for _ in range(3):
        assert world.reserve(0) is not None
    world.server_error_ns = 0
    assert world.reserve(1) is None
